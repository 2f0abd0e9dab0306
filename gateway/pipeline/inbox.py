"""
What waits to be decided: one bounded line for everything that concerns a vehicle.

Rules of this file:

1. Items leave in the order in which they came, so acknowledgements can follow the order of arrival.
2. The line is bounded. What a vehicle repeats until its receipt is turned away when it is full, which ends
   the connection: the broker keeps it. What can be derived again (telemetry facts) is turned away earlier.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.vehicle import Vehicle
from gateway.wire.event import Unwanted

MAX_ITEMS = 20_000
MAX_DERIVED = 10_000
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
    answer: asyncio.Future[tuple[Effect, ...]] | None = None
    """A person waits for the effects."""


class Inbox:
    """The line. ``take`` is called by the decider alone."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Add an item; False if the line is full."""
        if len(self._items) >= MAX_ITEMS:
            return False
        self._items.append(item)
        self._filled.set()
        return True

    def offer(self, item: Item) -> bool:
        """Add an item that can be derived again later; False if there is no room to spare."""
        return len(self._items) < MAX_DERIVED and self.put(item)

    async def filled(self) -> None:
        """Wait until something is there."""
        await self._filled.wait()

    def take(self, most: int) -> list[Item]:
        """The oldest items, without waiting."""
        count = min(most, len(self._items))
        taken = [self._items.popleft() for _ in range(count)]
        if not self._items:
            self._filled.clear()
        return taken
