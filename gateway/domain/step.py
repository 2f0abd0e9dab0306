"""
The whole brain: one pure fold.

    step(vehicle, fact, now, thresholds) -> (vehicle, effects)

Rules of the fold, here and in the modules that it calls:

1. It reads no clock and does nothing; the same facts at the same times give the same state and effects.
2. If in doubt, raise the alarm. No path swallows a theft-sensor trigger: each gets a message or a verdict.
3. At most one alarm per cause is not closed; a further trigger adds to it.
4. A fact from the vehicle looks at the gateway's timers too, as of its arrival: a late Tick loses none, and a
   fact to the contrary that arrived in time is heard first, however late it is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain import (
    alarm_life,
    case_acts,
    durations,
    escalation,
    quiet,
    statements,
    theft_sensors,
    timers,
)
from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.parts import ACTS, EXPIRES, WATCHES
from gateway.domain.signals import (
    Acknowledge,
    ActOnCase,
    Blind,
    Charging,
    Close,
    Connection,
    DriverCard,
    Fact,
    ForgedRepeat,
    Healthy,
    Ignition,
    Located,
    Mode,
    Movement,
    Registered,
    Software,
    TheftSensor,
    Tick,
    Unreadable,
)
from gateway.domain.thresholds import Thresholds
from gateway.domain.turn import Turn
from gateway.domain.vehicle import Vehicle

CONCERNS: dict[type[Fact], Callable[[Turn, Any], None]] = {
    TheftSensor: theft_sensors.state,
    ForgedRepeat: theft_sensors.forged,
    Unreadable: theft_sensors.unreadable,
    DriverCard: statements.card,
    Movement: statements.moved,
    Ignition: durations.fold,
    Located: statements.located,
    Mode: statements.mode,
    Software: statements.software,
    Charging: statements.charging,
    Connection: statements.connection,
    Registered: statements.registered,
    Acknowledge: alarm_life.acknowledge,
    Close: alarm_life.close,
    ActOnCase: case_acts.act,
    Blind: alarm_life.blind,
    Healthy: alarm_life.healthy,
    Tick: timers.tick,
}
"""Which function takes which fact; what parts decide stands in their tables (``gateway.domain.parts``)."""


def step(
    vehicle: Vehicle, fact: AnyFact, now: datetime, thresholds: Thresholds
) -> tuple[Vehicle, tuple[Effect, ...]]:
    """
    Fold one fact into a vehicle's state.

    Units:   ``now`` is the gateway's UTC time of deciding, never before ``fact.received_at``.
    Errors:  none; a person's act that is not possible comes back as ``Refused``.
    Source:  contract 2.1, 3.2-3.5, 5.
    """
    if type(fact) is Movement:
        after = quiet.moved(vehicle, fact, now, thresholds)
        if after is not None:
            return after, ()
    return _whole(vehicle, fact, now, thresholds)


def _whole(
    vehicle: Vehicle, fact: AnyFact, now: datetime, thresholds: Thresholds
) -> tuple[Vehicle, tuple[Effect, ...]]:
    turn = Turn(replace(vehicle), now, thresholds)
    statements.hear(turn, fact)
    _expire(turn)
    _take(turn, fact)
    timers.look(turn, fact)
    if turn.vehicle.alarms or turn.vehicle.suppressed:
        alarm_life.tell_gathered(turn)
    turn.set(wake_at=timers.wake_at(turn), version=turn.vehicle.version + 1)
    return turn.vehicle, tuple(turn.effects)


def _expire(turn: Turn) -> None:
    """Whatever has a time and is over ends before anything else is decided."""
    wake_at = turn.vehicle.wake_at
    if wake_at is None or turn.now < wake_at - timers.SOON:
        return  # it would have asked to be woken by now
    for expire in EXPIRES:
        alarm_life.follow(turn, expire(turn.vehicle, turn.now))
    escalation.look(turn)


def _take(turn: Turn, fact: AnyFact) -> None:
    """Give the fact to what it concerns, then to the parts that watch it."""
    kind = type(fact)
    concerns = CONCERNS.get(kind)
    if concerns is not None:
        concerns(turn, fact)
    elif kind in ACTS:
        alarm_life.follow(turn, ACTS[kind](turn.vehicle, fact, turn.now))
    for watch in WATCHES.get(kind, ()):
        outcome = watch(turn.vehicle, fact, turn.now)
        if outcome is not None:
            alarm_life.follow(turn, outcome)
