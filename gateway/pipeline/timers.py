"""
Wakes vehicles that asked for it: a Tick goes the same way as every other fact.

What is due is stored with the vehicle, so it survives a restart. In the process the monotonic clock decides:
a jump of the wall clock neither shortens nor lengthens a duration. After a start, overdue timers wait until
the gateway can hear again, so that a fact to the contrary that waits at the broker comes first.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from gateway.domain.signals import Tick
from gateway.errors import StoreError
from gateway.pipeline.inbox import Inbox, Item
from gateway.ports import Clock, Store

HEAR_FIRST_S = 2.0
HEAR_AT_MOST_S = 10.0
READ_AGAIN_S = 1.0


class Timers:
    """A heap of deadlines; a vehicle has at most one that counts."""

    def __init__(self, inbox: Inbox, clock: Clock, before: Callable[[str, datetime], None]) -> None:
        """``before`` states what the fold should know before a vehicle is woken."""
        self._inbox = inbox
        self._before = before
        self._clock = clock
        self._heap: list[tuple[float, str, datetime]] = []
        self._wanted: dict[str, datetime] = {}
        self._pinned: dict[str, tuple[datetime, ...]] = {}
        self._changed = asyncio.Event()

    def wake(self, subject: str, at: datetime | None) -> None:
        """Replace what a vehicle asked for; None: nothing any more."""
        if at is None:
            self._wanted.pop(subject, None)
            return
        if self._wanted.get(subject) == at:
            return
        self._wanted[subject] = at
        self._push(subject, at)

    def pin(self, subject: str, ats: Sequence[datetime]) -> None:
        """
        Hold ends of modes on the monotonic clock from when they were set, whatever else wakes the vehicle.

        Else a wall clock set back between would lengthen a mode.
        """
        known = self._pinned.get(subject, ())
        if ats:
            self._pinned[subject] = tuple(ats)
        else:
            self._pinned.pop(subject, None)
        for at in ats:
            if at not in known:
                self._push(subject, at)

    def _push(self, subject: str, at: datetime) -> None:
        due_s = self._clock.mono_s() + (at - self._clock.now()).total_seconds()
        heapq.heappush(self._heap, (due_s, subject, at))
        if self._heap[0][2] is at:
            self._changed.set()

    async def run(self, store: Store, hearing: Callable[[], Awaitable[None]]) -> None:
        """Load what was asked for before the start, hear first, then tick until cancelled."""
        for subject, at in await self._stored(store):
            if subject not in self._wanted:
                self.wake(subject, at)
        try:
            async with asyncio.timeout(HEAR_AT_MOST_S):
                await hearing()
                await asyncio.sleep(HEAR_FIRST_S)
        except TimeoutError:
            pass  # the broker is away: what is due is due
        while True:
            await self._tick()

    async def _stored(self, store: Store) -> list[tuple[str, datetime]]:
        while True:
            try:
                return await store.timers()
            except StoreError:
                await asyncio.sleep(READ_AGAIN_S)

    async def _tick(self) -> None:
        self._changed.clear()
        if not self._heap:
            await self._changed.wait()
            return
        due_s, subject, at = self._heap[0]
        if self._wanted.get(subject) != at and at not in self._pinned.get(subject, ()):
            heapq.heappop(self._heap)  # replaced or dropped meanwhile
            return
        left_s = due_s - self._clock.mono_s()
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            return
        heapq.heappop(self._heap)
        # The wall clock may have been set back meanwhile: what was due must still find itself due.
        now = max(self._clock.now(), at + timedelta(microseconds=1))
        self._before(subject, now)
        if self._inbox.offer(Item(subject=subject, kind="tick", received_at=now, fact=Tick(received_at=now))):
            if self._wanted.get(subject) == at:
                del self._wanted[subject]
        else:
            heapq.heappush(self._heap, (self._clock.mono_s() + 1, subject, at))
