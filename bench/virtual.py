"""
Virtual time: an event loop whose clock jumps to whatever is due next.

Time passes only when nothing can run, so a day lasts as long as the work in it. Everything must happen on the
loop itself: for a thread no time would be left. Hence a store whose work is done where it is asked for.
"""

from __future__ import annotations

import asyncio
import selectors
import sqlite3
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.adapters.storage.sqlite.threads import Reader, Writer, connect

T = TypeVar("T")
_SHORTEST_S = 1e-6
"""A nap that is lost in rounding would come again for ever."""


class _Selector(selectors.DefaultSelector):
    """Lets time pass instead of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is due, and nothing can come from outside")
        if timeout > 0:
            self.loop.now_s += max(timeout, _SHORTEST_S)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See this file's heading."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


class LoopClock:
    """The loop's time as the gateway's clock."""

    def __init__(self, began: datetime) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = began - timedelta(seconds=self._loop.time())

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self._loop.time())

    def mono_s(self) -> float:
        return self._loop.time()


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on a loop of virtual time."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Writer(Writer):
    """One transaction for each job, at once."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    def close(self) -> None:
        self._connection.close()


class _Reader(Reader):
    """Reads at once."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return work(self._connection)

    def close(self) -> None:
        self._connection.close()


class InlineStore(SqliteStore):
    """The real store and its SQL, without its threads."""

    def __init__(self, path: Path, canary_vin: str) -> None:
        super().__init__(path, canary_vin)
        super().close()
        self._writer = _Writer(path)
        self._deciding = self._reading = self._serving = _Reader(path)
