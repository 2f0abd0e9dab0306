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
AT_ONCE = 200
BREATH_S = 0.02
BREATHS = 5
"""After so many wakes in a row the decider catches up, or so many breaths pass: no timer starves either."""
AGAIN_S = 1.0
"""After so long a vehicle is woken again for which the inbox had no room."""


def plain_tick(_subject: str, now: datetime) -> Tick:
    """Wake without telling anything: no silence counts."""
    return Tick(received_at=now)


class Timers:
    """
    A heap of deadlines; a vehicle has at most one that counts.

    A later deadline leaves the entry of the earlier one where it is: most vehicles put theirs off with
    everything they say, and each of them stands in the heap about once.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        before: Callable[[str, datetime], None],
        tick: Callable[[str, datetime], Tick] = plain_tick,
    ) -> None:
        """``before`` states what the fold should know before a vehicle is woken with ``tick``."""
        self._inbox = inbox
        self._before = before
        self._make = tick
        self._clock = clock
        self._heap: list[tuple[float, str, tuple[datetime, ...]]] = []
        """Monotonic time, vehicle, and the pinned deadline if the entry is for one."""
        self._wanted: dict[str, tuple[datetime, float]] = {}
        self._entered: dict[str, float] = {}
        """The earliest entry of a vehicle in the heap, pinned ones aside."""
        self._pinned: dict[str, tuple[datetime, ...]] = {}
        self._changed = asyncio.Event()
        self._store: Store | None = None

    def wake(self, subject: str, at: datetime | None) -> None:
        """Replace what a vehicle asked for; None: nothing any more."""
        if at is None:
            self._wanted.pop(subject, None)
            return
        known = self._wanted.get(subject)
        if known is not None and known[0] == at:
            return
        due_s = self._due_s(at)
        self._wanted[subject] = (at, due_s)
        entered_s = self._entered.get(subject)
        if entered_s is None or due_s < entered_s:
            self._enter(subject, due_s)

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
                self._push((self._due_s(at), subject, (at,)))

    async def set_back(self, _by: timedelta) -> None:
        """Begin anew with what the store holds: it was moved to another clock."""
        stored = [] if self._store is None else await self._stored(self._store)
        self._pinned.clear()
        self._begin(stored)

    async def load(self, store: Store) -> list[str]:
        """
        Read what was asked for before the start; returns who asked. To be called once, before all else.

        Errors:  StoreError.
        """
        self._store = store
        stored = await store.timers()
        self._begin(stored)
        return [subject for subject, _ in stored]

    def _begin(self, stored: Sequence[tuple[str, datetime]]) -> None:
        """Take these in place of all others, together: a start with a large fleet waits for it."""
        mono_s, now = self._clock.mono_s(), self._clock.now()
        self._wanted = {subject: (at, mono_s + (at - now).total_seconds()) for subject, at in stored}
        self._entered = {subject: due_s for subject, (_, due_s) in self._wanted.items()}
        self._heap = [(due_s, subject, ()) for subject, due_s in self._entered.items()]
        heapq.heapify(self._heap)
        self._changed.set()

    def _due_s(self, at: datetime) -> float:
        return self._clock.mono_s() + (at - self._clock.now()).total_seconds()

    def _enter(self, subject: str, due_s: float) -> None:
        self._entered[subject] = due_s
        self._push((due_s, subject, ()))

    def _push(self, entry: tuple[float, str, tuple[datetime, ...]]) -> None:
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()

    async def run(self, hearing: Callable[[], Awaitable[None]]) -> None:
        """Hear first, then tick until cancelled."""
        try:
            async with asyncio.timeout(HEAR_AT_MOST_S):
                await hearing()
                await asyncio.sleep(HEAR_FIRST_S)
        except TimeoutError:
            pass  # the broker is away: what is due is due
        in_a_row = 0
        while True:
            in_a_row = in_a_row + 1 if await self._tick() else 0
            if in_a_row >= AT_ONCE:
                await self._breathe()
                in_a_row = 0

    async def _breathe(self) -> None:
        """Let what was woken be decided first: a fleet whose timers are overdue delays no alarm for long."""
        for _ in range(BREATHS):
            await asyncio.sleep(BREATH_S)
            if len(self._inbox) < AT_ONCE:
                return

    async def _stored(self, store: Store) -> list[tuple[str, datetime]]:
        while True:
            try:
                return await store.timers()
            except StoreError:
                await asyncio.sleep(READ_AGAIN_S)

    async def _tick(self) -> bool:
        """Take the next entry, or wait for it; whether one was due at once."""
        self._changed.clear()
        if not self._heap:
            await self._changed.wait()
            return False
        entered_s, subject, pinned = self._heap[0]
        if pinned and pinned[0] not in self._pinned.get(subject, ()):
            heapq.heappop(self._heap)  # dropped meanwhile
            return True
        left_s = entered_s - self._clock.mono_s()
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            return False
        heapq.heappop(self._heap)
        self._due(entered_s, subject, pinned)
        return True

    def _due(self, entered_s: float, subject: str, pinned: tuple[datetime, ...]) -> None:
        if pinned:
            if not self._wake(subject, pinned[0]):
                self._push((self._clock.mono_s() + AGAIN_S, subject, pinned))
            return
        if self._entered.get(subject) != entered_s:
            return  # an earlier entry came before it
        del self._entered[subject]
        wanted = self._wanted.get(subject)
        if wanted is None:
            return
        if wanted[1] > self._clock.mono_s():
            self._enter(subject, wanted[1])
        elif not self._wake(subject, wanted[0]):
            self._enter(subject, self._clock.mono_s() + AGAIN_S)

    def _wake(self, subject: str, at: datetime) -> bool:
        """False if the inbox has no room."""
        # The wall clock may have been set back meanwhile: what was due must still find itself due.
        now = max(self._clock.now(), at + timedelta(microseconds=1))
        self._before(subject, now)
        fact = self._make(subject, now)
        if not self._inbox.offer(Item(subject=subject, kind="tick", received_at=now, fact=fact)):
            return False
        wanted = self._wanted.get(subject)
        if wanted is not None and wanted[0] == at:
            del self._wanted[subject]
        return True
