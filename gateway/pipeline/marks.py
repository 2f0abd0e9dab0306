"""What became of deliveries, written together: one transaction for all that ended meanwhile."""

from __future__ import annotations

import asyncio

from gateway.errors import StoreError
from gateway.pipeline.lanes import Key
from gateway.ports import DeliveryMark, Store

STORE_RETRY_S = 1.0
GATHER_S = 0.1
"""A commit for each alarm's mark costs more than its webhook; what is lost in a crash is sent once more."""
MARKS_AT_ONCE = 1_000
MAX_MARKS = 10_000


class Marks:
    """Marks that the store does not have yet. Bounded: while it is full, nobody sends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[tuple[str, Key], DeliveryMark] = {}
        self._writing: dict[tuple[str, Key], DeliveryMark] = {}
        self._ended: dict[str, set[Key]] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def full(self) -> bool:
        """Whether the store is so far behind that sending on would only make repeats after a crash."""
        return len(self._new) + len(self._writing) >= MAX_MARKS

    def add(self, mark: DeliveryMark) -> None:
        """Write this soon; a later mark of the same delivery replaces it."""
        key = (mark.soc, mark.sequence)
        self._new[mark.sink, key] = mark
        if mark.state != "pending":
            self._ended.setdefault(mark.sink, set()).add(key)
        self._wake.set()

    def unwritten(self, sink: str) -> set[Key]:
        """Deliveries that ended, but that the store may still call pending."""
        return set(self._ended.get(sink, ()))

    async def run(self) -> None:
        """Write until cancelled; a failing store is tried again."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            try:
                await self.flush()
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)

    async def flush(self) -> None:
        """Write everything. Errors: StoreError; then all is kept."""
        async with self._turn:
            while self._writing or self._new:
                while self._new and len(self._writing) < MARKS_AT_ONCE:
                    key = next(iter(self._new))
                    self._writing[key] = self._new.pop(key)
                await self._store.mark(tuple(self._writing.values()))
                for sink, delivery in self._writing:
                    self._ended.get(sink, set()).discard(delivery)
                self._writing.clear()
            self._wake.clear()
