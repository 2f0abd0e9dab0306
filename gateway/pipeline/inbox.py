"""
What waits to be decided: a line for each vehicle, all of them bounded together.

Rules of this file:

1. What concerns one vehicle leaves in the order in which it came.
2. The vehicles take turns, and a batch takes a bounded share of each: nobody waits behind another one's
   flood. Acknowledgements keep the order of arrival by themselves (``acks``).
3. All is bounded. When half is full nothing more is read until there is room: the broker keeps it, and gets
   its acknowledgements meanwhile. To end the connection instead would make it send all of it again, which
   after an overload never ends; that is left for a full inbox. What can be derived again (telemetry facts) is
   turned away earlier, and earlier still where one vehicle alone has filled the room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.vehicle import Vehicle
from gateway.wire.event import Unwanted

MAX_ITEMS = 20_000
CROWDED = 10_000
"""A read of each session (128 KiB, some thousands of the shortest messages) still fits."""
MAX_DERIVED = 10_000
MAX_DERIVED_OF_ONE = 1_000
TURN = 8
"""Items of one vehicle in a turn: what is decided together is written once."""
KEPT_BYTES = 4096
"""So much of a payload that can't be decoded is kept."""


class Item(Struct, kw_only=True, eq=False):
    """One thing to decide."""

    subject: str
    """VIN, or ``gateway:<instance>``; empty where a topic names no VIN."""
    kind: str
    """Topic kind, or the fact's name where it came by no topic."""
    received_at: datetime
    fact: AnyFact | None = None
    complete: Callable[[AnyFact, Vehicle], AnyFact] | None = None
    """Adds to the fact what only the vehicle's state can tell, at the moment of deciding."""
    digest: bytes | None = None
    event_id: str | None = None
    unwanted: Unwanted | None = None
    topic: str = ""
    payload: bytes = b""
    ack: Callable[[], None] | None = None
    replayed: bool = False
    """The broker had retained it: a last will of it may be of long ago."""
    answer: asyncio.Future[tuple[Effect, ...]] | None = None
    """A person waits for the effects."""


class Inbox:
    """The lines. ``take`` is called by the decider alone."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Item]] = {}
        """By subject; in the order of their turns."""
        self._count = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    @property
    def is_crowded(self) -> bool:
        """Whether nothing more should be read for a while: there is room for what has been read already."""
        return self._count >= CROWDED

    def put(self, item: Item) -> bool:
        """Add an item; False if there is no room."""
        if self._count >= MAX_ITEMS:
            return False
        line = self._lines.get(item.subject)
        if line is None:
            self._lines[item.subject] = deque((item,))
        else:
            line.append(item)
        self._count += 1
        self._filled.set()
        return True

    def offer(self, item: Item) -> bool:
        """Add an item that can be derived again later; False if there is no room to spare."""
        if self._count >= MAX_DERIVED or len(self._lines.get(item.subject, ())) >= MAX_DERIVED_OF_ONE:
            return False
        return self.put(item)

    async def filled(self) -> None:
        """Wait until something is there."""
        await self._filled.wait()

    def take(self, most: int, share: int | None = None) -> list[Item]:
        """Give each subject its turn, again and again, without waiting; of none more than ``share``."""
        lines, taken, share = self._lines, list[Item](), most if share is None else share
        for begin in range(0, share, TURN):
            room = most - len(taken)
            if not lines or room <= 0:
                break
            for subject in list(islice(lines, room)):
                line = lines.pop(subject)
                count = min(TURN, share - begin, most - len(taken), len(line))
                taken += [line.popleft() for _ in range(count)]
                if line:
                    lines[subject] = line  # behind all others
                if len(taken) == most:
                    break
        self._count -= len(taken)
        if not lines:
            self._filled.clear()
        return taken
