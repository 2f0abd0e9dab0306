"""
Looks whether the gateway's own clock was set back, while it ran or was down, and moves what is kept.

Else every mode, lock and delay would last longer by as much, and every car would be frozen: what it says now
would look older than what it said before. What the clock shows is believed, because what leaves the gateway
is stamped with it; a clock that was wrong ahead has only been corrected, and the same move is right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain.set_back import set_back
from gateway.pipeline.inbox import Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.states import changed_parts, decode_state, encode_body
from gateway.ports import AuditEntry, Clock, Decision, Known, Store, VehicleRow

TOLERANCE = timedelta(seconds=2)
"""Clocks are corrected by so much all the time; no duration is measured that finely."""
AT_ONCE = 500


class SetBack:
    """Asked at the start and before each batch; costs two clock readings while all is well."""

    def __init__(self, store: Store, clock: Clock, meters: Meters, log: Any, instance: str) -> None:
        self.on_set_back: list[Callable[[timedelta], Awaitable[None]]] = []
        self._store = store
        self._clock = clock
        self._meters = meters
        self._log = log
        self._instance = instance
        self._seen = clock.now(), clock.mono_s()

    async def at_start(self) -> None:
        """
        Compare with the newest time that was committed.

        Errors:  StoreError.
        """
        newest = await self._store.newest_decided()
        if newest is not None:
            await self._move(newest - self._clock.now())

    async def look(self, items: list[Item]) -> list[Item]:
        """
        Compare with the monotonic clock; gives the items as received by the clock as it is now.

        Errors:  StoreError; it is found again the next time.
        """
        now, mono_s = self._clock.now(), self._clock.mono_s()
        seen, seen_s = self._seen
        by = seen + timedelta(seconds=mono_s - seen_s) - now
        if by > TOLERANCE:
            await self._move(by)
            items = [_received(item, by) if item.received_at > now + TOLERANCE else item for item in items]
        self._seen = now, mono_s
        return items

    async def _move(self, by: timedelta) -> None:
        if by <= TOLERANCE:
            return
        now = self._clock.now()
        mark = await self._store.newest_decided() or now
        after = ""
        while vins := await self._store.vehicles(after, AT_ONCE):
            known = await self._store.known((), tuple(vins), ())
            rows = [row for vin in vins if (row := _row(vin, known, by, mark)) is not None]
            await self._store.commit(Decision(vehicles=tuple(rows)))
            after = vins[-1]
        entry = AuditEntry(now, "gateway", "clock.set_back", self._instance, {"by_s": by.total_seconds()})
        await self._store.audit([entry])
        self._meters.count("gateway_clock_set_back_total")
        self._log.error("clock.set_back", by_s=round(by.total_seconds(), 1))
        for tell in self.on_set_back:
            await tell(by)


def _row(vin: str, known: Known, by: timedelta, mark: datetime) -> VehicleRow | None:
    stored = known.vehicles.get(vin)
    vehicle, wrong = decode_state(vin, stored)
    if stored is None or wrong is not None:
        return None  # what can't be read is nothing that could last too long
    moved = set_back(vehicle, by, mark)
    if moved is vehicle:
        return None
    moved = replace(moved, version=vehicle.version + 1)
    parts = changed_parts(None, moved)
    return VehicleRow(vin, moved.version, 1, encode_body(moved), moved.wake_at, parts, whole=True)


def _received(item: Item, by: timedelta) -> Item:
    """An item that came before the clock was set back, as if it had come after."""
    item.received_at -= by
    if item.fact is not None:
        stated = item.fact.occurred_at
        received_at = item.fact.received_at - by
        item.fact = replace(
            item.fact,
            received_at=received_at,
            occurred_at=None if stated is None else min(stated, received_at),
        )
    return item
