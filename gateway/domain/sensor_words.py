"""What a theft-sensor statement says: its cause, its triggers, and a sentence that an operator can read."""

from __future__ import annotations

from gateway.domain.alarms import MAX_EVIDENCE_TEXT, Evidence
from gateway.domain.causes import STATED_BY_VEHICLE
from gateway.domain.rules import car_alarm
from gateway.domain.signals import TheftSensor
from gateway.domain.thresholds import Thresholds


def cause_of(fact: TheftSensor) -> str:
    """The alarm cause; any text that no vehicle may name is ``unknown``."""
    return fact.cause if fact.cause in STATED_BY_VEHICLE else "unknown"


def trigger_ids(fact: TheftSensor) -> tuple[str, ...]:
    """``event_ids`` of a message hold triggers only."""
    return (fact.event_id,) if fact.state == "triggered" else ()


def states_enough(fact: TheftSensor, thresholds: Thresholds) -> bool:
    """Whether a message about the siren states by itself that it lasted long enough."""
    return fact.cause == car_alarm.CAUSE and (fact.active_for_s or 0) >= thresholds.car_alarm_min_s


def stated(fact: TheftSensor) -> Evidence:
    """What the car said."""
    where = f" ({fact.zone})" if fact.zone else ""
    text = f"The car states {fact.cause!r}{where}."
    if cause_of(fact) == "unknown":
        text = f"The car states {fact.cause!r}, which this gateway does not know."
    if fact.active_for_s is not None:
        text += f" Active for {fact.active_for_s:g} s."
    if fact.detail:
        text += f" It adds: {fact.detail}"
    for note in fact.notes:
        text += f" Left out: {note}."
    return Evidence(text[:MAX_EVIDENCE_TEXT], fact.event_id, fact.at)
