"""What a rule found, and by which clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.domain.alarms import Evidence
from gateway.domain.situation import Moment


class Finding(Struct, frozen=True):
    """A rule is fulfilled at ``at``. The same ``key`` is the same episode and counts once."""

    cause: str
    key: str
    at: datetime
    since: Moment
    event_ids: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    verdict: Literal["alarm", "below_minimum"] = "alarm"


OnClock = Callable[[Moment], datetime | None]
"""Reads a moment on one clock; None where that clock can't be believed."""


def on_vehicle_clock(moment: Moment) -> datetime | None:
    """The vehicle's own clock, unless it is suspect."""
    return None if moment.suspect else moment.at


def on_gateway_clock(moment: Moment) -> datetime | None:
    """Arrival by the gateway's clock."""
    return moment.received_at
