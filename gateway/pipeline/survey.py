"""
Brings every registry entry that has changed into its vehicle's fold, whether or not the car ever speaks.

Rules of this file:

1. An entry counts as surveyed when its fact is durable: a crash repeats a page, and a repeat changes nothing.
2. One page at a time waits to be decided, and then there is a pause: an alarm never waits behind a fleet.
3. Other rules than those of the last survey (a new program, another availability table) survey all again.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.services.availability import Availability
from gateway.domain.signals import Surveyed
from gateway.errors import StoreError
from gateway.ports import Acts, Clock, Store

RULES = 1
"""Grows when what follows from an entry is reckoned otherwise."""
PAGE = 100
PAUSE_S = 0.25
LOOK_EVERY_S = 1.0


class Mark(Struct, frozen=True):
    """How far the registry has been surveyed, and by which rules."""

    rules: str = ""
    version: int = 0
    vin: str = ""


class Survey:
    """Follows the registry."""

    def __init__(self, store: Store, acts: Acts, clock: Clock, availability: Availability, log: Any) -> None:
        self._store = store
        self._acts = acts
        self._clock = clock
        self._log = log
        table = msgspec.json.encode([RULES, availability], order="deterministic")
        self._rules = sha256(table).hexdigest()[:16]
        self._mark: Mark | None = None

    async def run(self) -> None:
        """Survey until cancelled; a failing store is waited for."""
        while True:
            try:
                count = await self.page()
            except StoreError:
                count = 0  # the decider reports it
            await asyncio.sleep(PAUSE_S if count else LOOK_EVERY_S)

    async def set_back(self, _by: timedelta) -> None:
        """Survey all again: what follows from the entries was reckoned by another clock."""
        await self._store.keep_survey_mark("")
        self._mark = None

    async def page(self) -> int:
        """
        Survey the next entries; how many.

        Errors:  StoreError; they are surveyed again.
        """
        mark = self._mark or await self._read()
        changed = await self._store.changed_entries((mark.version, mark.vin), PAGE)
        if not changed:
            self._mark = mark
            return 0
        now = self._clock.now()
        waiting = [self._acts.act(vin, Surveyed(received_at=now)) for _, vin in changed]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        version, vin = changed[-1]
        mark = replace(mark, version=version, vin=vin)
        await self._store.keep_survey_mark(msgspec.json.encode(mark).decode())
        self._mark = mark
        if len(changed) < PAGE:
            self._log.info("registry.surveyed", version=version)
        return len(changed)

    async def _read(self) -> Mark:
        kept = await self._store.survey_mark()
        try:
            mark = msgspec.json.decode(kept.encode(), type=Mark)
        except msgspec.MsgspecError:
            mark = Mark()
        return mark if mark.rules == self._rules else Mark(self._rules)
