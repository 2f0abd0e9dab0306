"""What a theft-sensor statement says: its cause, its triggers, and a sentence that an operator can read."""

from __future__ import annotations

from gateway.domain import said
from gateway.domain.causes import STATED_BY_VEHICLE
from gateway.domain.rules import car_alarm
from gateway.domain.said import Evidence
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
    cause = repr(fact.cause)[1:-1]  # a vehicle may write anything
    parts = [
        said.say("states_in", cause=cause, zone=fact.zone) if fact.zone else said.say("states", cause=cause)
    ]
    if cause_of(fact) == "unknown":
        parts = [said.say("states_unknown", cause=cause)]
    if fact.active_for_s is not None:
        parts.append(said.say("active_for", seconds=f"{fact.active_for_s:g}"))
    if fact.detail:
        parts.append(said.say("adds", detail=fact.detail))
    parts += [said.say("left_out", note=note) for note in fact.notes]
    return said.evidence(fact.at, *parts, event_id=fact.event_id)
