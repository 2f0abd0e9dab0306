"""
A gateway whose clock was set back: what is remembered by the old clock is told by the new one.

Rules of this file:

1. Every moment and every end is moved by the same span: no mode, lock or delay becomes longer, and nothing
   that is heard now looks older than what was heard before.
2. Records stay as they were written: alarms, dates of the registry, past modes, ends of terms and bundles.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.domain.services.data_bundle import Bundles
from gateway.domain.signals import DataBundle
from gateway.domain.vehicle import Vehicle

MOVED = (
    "past",
    "stated",
    "position",
    "card_cells",
    "heard_at",
    "sensed",
    "modes",
    "held_back",
    "code_guard",
    "people",
    "remote",
    "approvals",
    "case",
    "quiet_spots",
    "wake_at",
)
"""Fields of a vehicle that hold times by the gateway's clock."""
EARLIEST = datetime.min.replace(tzinfo=UTC)


def set_back(vehicle: Vehicle, by: timedelta, mark: datetime) -> Vehicle:
    """
    The vehicle by a clock that shows ``by`` less; ``mark`` names the time from which it was set back.

    The same mark twice moves nothing.
    """
    if vehicle.set_back_from == mark:
        return vehicle
    moved = {name: _moved(getattr(vehicle, name), by) for name in MOVED}
    modes = replace(moved["modes"], past=vehicle.modes.past)
    bundles = _bundles(vehicle.bundles, by)
    if vehicle.case is not None:
        moved["case"] = replace(moved["case"], opened_at=vehicle.case.opened_at)
    return replace(vehicle, **moved | {"modes": modes, "bundles": bundles, "set_back_from": mark})


def _bundles(bundles: Bundles, by: timedelta) -> Bundles:
    """When something was stated is moved; until when it is valid stands in the vehicle's calendar."""
    return replace(
        bundles,
        newest=_statement(bundles.newest, by),
        told=tuple(replace(one, stated=_statement(one.stated, by)) for one in bundles.told),
        none_at=_moved(bundles.none_at, by),
    )


def _statement(stated: DataBundle | None, by: timedelta) -> DataBundle | None:
    if stated is None:
        return None
    times = {name: _moved(getattr(stated, name), by) for name in ("received_at", "occurred_at")}
    return replace(stated, **times)


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, datetime):
        return value - by if value - EARLIEST > by else value
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return type(value)(**{name: _moved(getattr(value, name), by) for name in names})
    if isinstance(value, dict):
        return {key: _moved(one, by) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_moved(one, by) for one in value)
    return value
