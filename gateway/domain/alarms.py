"""
The alarm and its life: open → acknowledged → closed, open → closed.

There is at most one alarm that is not closed per vehicle and cause; a further trigger adds to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.domain.said import Evidence
from gateway.domain.signals import Position

AlarmState = Literal["open", "acknowledged", "suppressed", "closed"]
Act = Literal["trigger", "acknowledge", "close"]

LIFE: dict[tuple[AlarmState, Act], AlarmState] = {
    ("open", "trigger"): "open",
    ("open", "acknowledge"): "acknowledged",
    ("open", "close"): "closed",
    ("acknowledged", "trigger"): "open",
    ("acknowledged", "close"): "closed",
    ("suppressed", "trigger"): "suppressed",
}
"""The whole life; a pair that is not listed is an illegal transition."""

DISPOSITIONS = (
    "theft_confirmed",
    "attempt",
    "user_error_card",
    "user_error_mode",
    "workshop",
    "transport",
    "battery",
    "radio_fault",
    "test",
    "recovered",
    "duplicate",
    "unknown",
)

REOPEN_AT_MOST_EVERY = timedelta(minutes=5)
GATHER_FOR = timedelta(seconds=1)
GATHER_AT_MOST = 500
MAX_EVIDENCE = 20


class PositionFix(Struct, frozen=True):
    """Last known position with the time it was stated for."""

    latitude: float
    longitude: float
    accuracy_m: float | None
    at: datetime


class Alarm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alarm of one vehicle (``vin`` None: of the gateway itself)."""

    alarm_id: str
    vin: str | None
    cause: str
    state: AlarmState
    case_id: str | None
    occurred_at: datetime
    received_at: datetime
    raised_at: datetime
    late: bool = False
    clock_suspect: bool = False
    count: int = 1
    position: PositionFix | None = None
    suppressed_by: str | None = None
    note: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    escalated: tuple[int, ...] = ()
    """Levels of escalation that it has reached (see ``escalation``)."""
    disposition: str | None = None
    evidence: tuple[Evidence, ...] = ()
    gathered: tuple[str, ...] = ()
    """Triggers counted but not yet told in a message."""
    gathering: bool = False
    told_at: datetime
    """When the last raised or updated message was asked for."""
    reopened_at: datetime | None = None


def position_fix(position: Position, at: datetime) -> PositionFix:
    """A stated position as a fix with its time."""
    return PositionFix(position.latitude, position.longitude, position.accuracy_m, at)


def with_newest(evidence: tuple[Evidence, ...], more: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Keep the first sentence, which says why it was raised, and the newest ones."""
    every = (*evidence, *more)
    return every if len(every) <= MAX_EVIDENCE else (every[0], *every[-(MAX_EVIDENCE - 1) :])
