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

from datetime import datetime, timedelta

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


IS_CRITICAL = {
    cause.name: cause.severity == "critical"
    for cause in BY_NAME.values()
    if cause.cause_class != "system" and cause.severity != "minor"
}
"""Of the causes that escalate."""

Due = tuple[int, datetime]
"""A level and when its time comes."""


def look(turn: Turn) -> None:
    """Escalate what is due."""
    if not turn.vehicle.alarms:
        return
    limits, told = turn.thresholds.escalation, False
    for alarm in sorted(turn.vehicle.alarms.values(), key=_critical_first):
        for level, at in dues(turn.vehicle, alarm, limits, turn.now):
            if at <= turn.now:
                _escalate(turn, turn.vehicle.alarms[alarm.cause], level, tell=not told)
                told = True


def wakes(vehicle: Vehicle, limits: Escalation, now: datetime) -> list[datetime]:
    """When something is due next."""
    return [at for alarm in vehicle.alarms.values() for _level, at in dues(vehicle, alarm, limits, now)]


def dues(vehicle: Vehicle, alarm: Alarm, limits: Escalation, now: datetime) -> list[Due]:
    """Levels that an alarm would reach if nobody did anything. Asked of each open alarm in every step."""
    critical, found = IS_CRITICAL.get(alarm.cause), list[Due]()
    if critical is None:
        return found
    case = vehicle.case if alarm.case_id is not None else None
    escalated, untouched = alarm.escalated, case is None or case.state == "new"
    if untouched and alarm.state == "open" and UNACKNOWLEDGED not in escalated:
        limit_s = limits.critical_s if critical else limits.other_s
        found.append((UNACKNOWLEDGED, _after(alarm.reopened_at or alarm.raised_at, limit_s, now)))
    if case is None or not critical:
        return found
    seen = alarm.acknowledged_at or case.claimed_at
    if seen is None or NOBODY_CALLED in escalated or case.is_acted_on or case.state not in ("new", "claimed"):
        return found
    if case.claimed_at is not None:
        seen = min(seen, case.claimed_at)
    found.append((NOBODY_CALLED, _after(seen, limits.contact_s, now)))
    return found


def _after(since: datetime, limit_s: float, now: datetime) -> datetime:
    """When the limit is over. A clock that was set back behind ``since`` may bring it early, hardly late."""
    return now if since > now and since > now + JITTER else since + timedelta(0, limit_s)


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
