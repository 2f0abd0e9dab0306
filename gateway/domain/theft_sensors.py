"""Theft-sensor statements inside a turn: a trigger, a siren that must last, a sensor back at rest."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.domain import said, silence, suppression
from gateway.domain.alarm_life import keep, origin_of, trigger
from gateway.domain.alarms import with_newest
from gateway.domain.durations import fold
from gateway.domain.effects import Verdict
from gateway.domain.rules import car_alarm
from gateway.domain.sensor_words import cause_of, stated, states_enough, trigger_ids
from gateway.domain.signals import ForgedRepeat, TheftSensor, Unreadable
from gateway.domain.situation import moment_of
from gateway.domain.statements import locate
from gateway.domain.turn import Turn

SIREN = car_alarm.CAUSE


def state(turn: Turn, fact: TheftSensor) -> None:
    """Take a statement of a theft sensor."""
    if fact.position is not None:
        locate(turn, fact.position, fact.at)
    turn.flapping = silence.flaps(turn.vehicle.sensed, fact)
    if fact.cause == SIREN:
        _siren(turn, fact)
    elif fact.state == "restored":
        _restored(turn, fact)
    else:
        trigger(turn, cause_of(fact), origin_of(fact), (fact.event_id,), (stated(fact),), at=fact.at)
    turn.set(sensed=silence.remember(turn.vehicle.sensed, fact, moment_of(fact)))


def forged(turn: Turn, fact: ForgedRepeat) -> None:
    """Tamper; and a trigger counts by itself too: a counter that restarts must not swallow a theft."""
    came = said.say("forged", event_id=fact.event_id, kind=fact.kind)
    evidence = (said.evidence(fact.at, came, event_id=fact.event_id),)
    trigger(turn, "tamper", origin_of(fact), (), evidence, forged=True)
    sensor = fact.sensor
    if sensor is not None and (sensor.state == "triggered" or states_enough(sensor, turn.thresholds)):
        triggers = trigger_ids(sensor)
        trigger(turn, cause_of(sensor), origin_of(sensor), triggers, (stated(sensor),), at=sensor.at)


def unreadable(turn: Turn, fact: Unreadable) -> None:
    """Nobody knows what it said: in doubt it was a theft."""
    why = said.say("unreadable", reason=fact.reason, sha256=fact.sha256[:16])
    evidence = (said.evidence(fact.at, why, event_id=fact.event_id),)
    trigger(turn, "unreadable_event", origin_of(fact), (), evidence)


def _siren(turn: Turn, fact: TheftSensor) -> None:
    known = turn.vehicle.past.base.siren
    if known is not None and known.stated_at > fact.at:
        # Too old to be followed: in doubt it counts by itself.
        if fact.state == "triggered" or states_enough(fact, turn.thresholds):
            trigger(turn, SIREN, origin_of(fact), trigger_ids(fact), (stated(fact),), at=fact.at)
        return
    turn.set(pending=(*turn.vehicle.pending, *trigger_ids(fact)))
    fold(turn, fact)
    if fact.state == "restored":
        _restored(turn, fact)
    elif fact.event_id in turn.vehicle.pending:
        turn.effects.append(Verdict(fact.event_id, "pending"))


def _restored(turn: Turn, fact: TheftSensor) -> None:
    cause = cause_of(fact)
    evidence = said.evidence(fact.at, said.say("at_rest"), event_id=fact.event_id)
    if turn.vehicle.modes.running:
        turn.vehicle = suppression.restore(turn.vehicle, cause, evidence)
    alarm = turn.vehicle.alarms.get(cause)
    if alarm is not None:
        keep(turn, replace(alarm, evidence=with_newest(alarm.evidence, (evidence,))))
