"""Lets the store delete what is over its time, in the background, and says how much that was."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from gateway.errors import StoreError
from gateway.pipeline.meters import Meters
from gateway.ports import Clock, Store

EVERY_S = 60.0
PAUSE_S = 0.05
"""After each bite: the decider gets the store twenty times more often than this does."""
TELL_EVERY_S = 60.0


class Retention:
    """One sweep a minute; the first one after a change of the periods may last for hours."""

    def __init__(self, store: Store, clock: Clock, meters: Meters, log: Any) -> None:
        self._store = store
        self._clock = clock
        self._meters = meters
        self._log = log
        self._deleted: Counter[str] = Counter()
        self._told_s = clock.mono_s()

    async def run(self) -> None:
        """Sweep until cancelled; a failing store is waited for."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._store.prune(self._clock.now(), self._count, PAUSE_S)
            except StoreError:
                continue  # the decider reports a failing store
            self._tell()

    def _count(self, table: str, rows: int) -> None:
        self._meters.count("gateway_pruned_total", rows, table=table)
        self._deleted[table] += rows
        if self._clock.mono_s() - self._told_s >= TELL_EVERY_S:
            self._tell()

    def _tell(self) -> None:
        if self._deleted:
            self._log.info("store.pruned", **self._deleted)
        self._deleted.clear()
        self._told_s = self._clock.mono_s()
