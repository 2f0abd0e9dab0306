"""
What happens when nobody acts on an alarm in time, by the gateway's clock (section ``[soc.escalation]``).

Rules of this file:

1. Level 1: nobody has acknowledged it or claimed its case. Level 2: a critical one was acknowledged, or its
   case claimed, and nobody was called.
2. Each level comes at most once for an alarm, whatever happens between; it is remembered with the alarm.
3. However many alarms of a vehicle are due at once, only one of them is told in the feed. The pipeline bounds
   how many messages all vehicles together may add; what is not told is still recorded, and still given to the
   standby sinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.causes import BY_NAME
from gateway.domain.thresholds import Escalation
from gateway.domain.turn import Turn
from gateway.domain.vehicle import Vehicle

UNACKNOWLEDGED = 1
NOBODY_CALLED = 2
JITTER = timedelta(seconds=5)
"""A timer may be decided a moment before its time by the wall clock; more than that is a clock set back."""
WHY = {
    UNACKNOWLEDGED: "Nobody has acknowledged the alarm in time.",
    NOBODY_CALLED: "Nobody was called about the alarm in time.",
}


class Due(Struct, frozen=True):
    """A level and when its time comes."""

    level: int
    at: datetime


def look(turn: Turn) -> None:
    """Escalate what is due."""
    if not turn.vehicle.alarms:
        return
    limits, told = turn.thresholds.escalation, False
    for alarm in sorted(turn.vehicle.alarms.values(), key=_critical_first):
        for due in dues(turn.vehicle, alarm, limits, turn.now):
            if due.at <= turn.now:
                _escalate(turn, turn.vehicle.alarms[alarm.cause], due.level, tell=not told)
                told = True


def wakes(vehicle: Vehicle, limits: Escalation, now: datetime) -> list[datetime]:
    """When something is due next."""
    return [due.at for alarm in vehicle.alarms.values() for due in dues(vehicle, alarm, limits, now)]


def dues(vehicle: Vehicle, alarm: Alarm, limits: Escalation, now: datetime) -> Iterator[Due]:
    """Levels that an alarm would reach if nobody did anything."""
    cause = BY_NAME[alarm.cause]
    critical = cause.severity == "critical"
    if cause.cause_class == "system" or cause.severity == "minor":
        return
    case = vehicle.case if alarm.case_id is not None else None
    worked_on = case is not None and case.state != "new"
    if UNACKNOWLEDGED not in alarm.escalated and alarm.state == "open" and not worked_on:
        limit_s = limits.critical_s if critical else limits.other_s
        yield Due(UNACKNOWLEDGED, _after(alarm.reopened_at or alarm.raised_at, limit_s, now))
    if NOBODY_CALLED in alarm.escalated or not critical or case is None:
        return
    if case.is_acted_on or case.state not in ("new", "claimed"):
        return
    seen = [one for one in (alarm.acknowledged_at, case.claimed_at) if one is not None]
    if seen:
        yield Due(NOBODY_CALLED, _after(min(seen), limits.contact_s, now))


def _after(since: datetime, limit_s: float, now: datetime) -> datetime:
    """When the limit is over. A clock that was set back behind ``since`` may bring it early, hardly late."""
    return now if since > now + JITTER else since + timedelta(seconds=limit_s)


def _critical_first(alarm: Alarm) -> tuple[bool, datetime]:
    return BY_NAME[alarm.cause].severity != "critical", alarm.raised_at


def _escalate(turn: Turn, alarm: Alarm, level: int, *, tell: bool) -> None:
    alarm = replace(alarm, escalated=(*alarm.escalated, level))
    turn.set(alarms={**turn.vehicle.alarms, alarm.cause: alarm})
    turn.effects.append(Escalated(alarm, level, WHY[level], tell))
    case = turn.vehicle.case
    if case is None or alarm.case_id != case.case_id:
        return
    case = replace(case, escalated=max(case.escalated, level))
    turn.set(case=case)
    details = {"level": level, "alarm_id": alarm.alarm_id, "cause": alarm.cause, "why": WHY[level]}
    turn.effects += [CaseNoted(case.case_id, "gateway", "escalated", details), CaseChanged(case)]
