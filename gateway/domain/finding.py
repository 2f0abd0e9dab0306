"""What a rule found, and by which clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.domain.moment import Moment, OnClock, on_gateway_clock, on_vehicle_clock
from gateway.domain.said import Evidence

__all__ = ["Finding", "OnClock", "on_gateway_clock", "on_vehicle_clock"]


class Finding(Struct, frozen=True):
    """A rule is fulfilled at ``at``. The same ``key`` is the same episode and counts once."""

    cause: str
    key: str
    at: datetime
    since: Moment
    event_ids: tuple[str, ...] = ()
    evidence: Callable[[], tuple[Evidence, ...]] = tuple
    """Makes the sentences; asked only when the finding is told, for most are of an episode that was."""
    verdict: Literal["alarm", "below_minimum", "noted"] = "alarm"
