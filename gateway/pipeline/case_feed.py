"""Which cases have changed, for those who watch them live. Numbered by the entries of their timelines."""

from __future__ import annotations

import asyncio

from gateway.ports import CaseChanges, Store

GATHER_S = 0.2
MAX_PAGES = 256


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
        self._pages: dict[tuple[str, int, int], asyncio.Task[CaseChanges]] = {}

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
        key = (soc, after, limit)
        page = self._pages.get(key)
        if page is None or (page.done() and (page.cancelled() or page.exception() is not None)):
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            page = self._pages[key] = asyncio.ensure_future(self._store.case_changes(soc, after, limit))
        return await asyncio.shield(page)  # one who goes away must not cost the others their answer
