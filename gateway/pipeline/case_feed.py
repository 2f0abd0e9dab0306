"""
Which cases have changed and what waits for a second person, for those who watch them live.

Numbered by the entries of their timelines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway.ports import CaseChanges, Store, Waiting

T = TypeVar("T")
GATHER_S = 0.2
MAX_PAGES = 256
MAX_WAITING = 200


class CaseFeed:
    """
    Implements LiveCases. A reader is a cursor: the number of the newest entry that it has been told of.

    Changes are gathered for 0.2 s, and readers that stand at the same place share one look into the store: in
    a storm twenty desks cost what one does.
    """

    def __init__(self, store: Store) -> None:
        self.turn = 0
        self._store = store
        self._turned = asyncio.Event()
        self._gathering = False
        self._pages: dict[tuple[str | int, ...], asyncio.Task[Any]] = {}

    def committed(self) -> None:
        """Something about a case is durable now."""
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(GATHER_S, self._tell)

    def _tell(self) -> None:
        self._gathering = False
        self._pages.clear()
        self.turn += 1
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def turned(self, turn: int) -> None:
        """Return when there may be something new since ``turn``."""
        while self.turn == turn:
            await self._turned.wait()

    async def newest(self) -> int:
        """Number of the newest entry."""
        return await self._store.newest_case_entry()

    async def read(self, soc: str, after: int, limit: int) -> CaseChanges:
        """Cases with entries after that one."""
        return await self._shared((soc, after, limit), lambda: self._store.case_changes(soc, after, limit))

    async def waiting(self, soc: str) -> list[Waiting]:
        """What waits for a second person now."""
        return await self._shared((soc,), lambda: self._store.waiting(soc, MAX_WAITING))

    async def _shared(self, key: tuple[str | int, ...], look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        page = self._pages.get(key)
        if page is None or (page.done() and (page.cancelled() or page.exception() is not None)):
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            page = self._pages[key] = asyncio.ensure_future(look())
        found: T = await asyncio.shield(page)  # one who goes away must not cost the others their answer
        return found
