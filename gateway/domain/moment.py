"""One point in time by both clocks, and how long something held."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace


class Moment(Struct, frozen=True, array_like=True, gc=False):
    """One point in time by both clocks."""

    at: datetime
    received_at: datetime
    suspect: bool = False


class Spell(Struct, frozen=True, array_like=True):
    """From one moment to another."""

    since: Moment
    until: Moment


OnClock = Callable[[Moment], datetime | None]
"""Reads a moment on one clock; None where that clock can't be believed."""


def on_vehicle_clock(moment: Moment) -> datetime | None:
    """The vehicle's own clock, unless it is suspect."""
    return None if moment.suspect else moment.at


def on_gateway_clock(moment: Moment) -> datetime | None:
    """Arrival by the gateway's clock."""
    return moment.received_at


def began(since: Moment, moment: Moment) -> Moment:
    """The same beginning, heard of when the first of its statements arrived."""
    return (
        since if since.received_at <= moment.received_at else replace(since, received_at=moment.received_at)
    )


def later(first: Moment, second: Moment) -> Moment:
    """The moment from which on both hold, on each clock."""
    return Moment(
        max(first.at, second.at),
        max(first.received_at, second.received_at),
        first.suspect or second.suspect,
    )
