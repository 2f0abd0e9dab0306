"""Timers inside a turn: what is due by the gateway's own clock, and when the vehicle wants to be woken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.domain import alarm_life, escalation, parts, silence
from gateway.domain.durations import key_of, settle
from gateway.domain.effects import Silent
from gateway.domain.facts import AnyFact
from gateway.domain.finding import Finding, on_gateway_clock
from gateway.domain.rules import RULES, nothing_due
from gateway.domain.signals import Event, Ignition, Movement, Tick
from gateway.domain.turn import Turn

MASS_LOSS_LOOK_AGAIN = timedelta(seconds=60)
DEAF_LOOK_AGAIN = timedelta(minutes=15)
"""A note about silence that has to wait for our own ears: no reason to wake a whole fleet each minute."""
SOON = timedelta(microseconds=1)
"""A timer that is overdue asks to be woken at once, behind the facts that wait already."""


def tick(turn: Turn, fact: Tick) -> None:
    """Silence counts from when both were so: the vehicle silent, and the gateway able to hear."""
    heard_at = turn.vehicle.heard_at
    if heard_at is None:
        return
    turn.silent_from = max(heard_at, fact.hearing_since or turn.now)
    if fact.hearing_since is None:
        turn.hold_until = turn.now + DEAF_LOOK_AGAIN
    elif fact.mass_loss:
        turn.hold_until = turn.now + MASS_LOSS_LOOK_AGAIN
        if silence.overdue(turn.vehicle, turn.silent_from, turn.now):
            turn.effects.append(Silent(held=True))


def look(turn: Turn, fact: AnyFact) -> None:
    """Findings whose time has come by the gateway's own clock."""
    if not isinstance(fact, (Movement, Ignition, Event, Tick)):
        return
    is_tick = isinstance(fact, Tick)
    reached = turn.now if is_tick else fact.received_at
    for finding in _due(turn):
        if finding.at <= reached:
            settle(turn, finding)
    silent = _silence(turn) if is_tick else None
    soonest = None if silent is None else silence.wake_at(turn.vehicle, silent, turn.thresholds)
    if silent is None or soonest is None or soonest > reached:
        return
    for finding in silence.due(turn.vehicle, silent, turn.thresholds):
        if finding.at <= reached:
            settle(turn, finding)


def wake_at(turn: Turn) -> datetime | None:
    """When the state wants to be looked at again; None: never by itself."""
    vehicle, due = turn.vehicle, _due(turn)
    times = [finding.at for finding in due] if due else []
    silent = _silence(turn)
    silent_at = None if silent is None else silence.wake_at(vehicle, silent, turn.thresholds)
    if silent_at is not None:
        times.append(silent_at)
    if vehicle.alarms:
        times += alarm_life.tell_at(turn)
        times += escalation.wakes(vehicle, turn.thresholds.escalation, turn.now)
    part_at = parts.soonest(vehicle)
    if part_at is not None:
        times.append(part_at)
    if not times:
        return None
    soonest = times[0] if len(times) == 1 else min(times)
    return soonest if soonest > turn.now else turn.now + SOON


def _due(turn: Turn) -> Sequence[Finding]:
    """Computed once for a situation: a step asks twice, and seldom is anything between."""
    vehicle = turn.vehicle
    if turn.quiet is vehicle.past.now:
        return ()
    due_of = (vehicle.past.now, vehicle.settled, vehicle.registration)
    if turn.due_of is None or any(one is not other for one, other in zip(turn.due_of, due_of, strict=True)):
        situation, counting = vehicle.past.now, vehicle.counting_cards
        rules = () if nothing_due(situation, counting) else RULES
        found = (rule.due(situation, counting, turn.thresholds, on_gateway_clock) for rule in rules)
        turn.due_of = due_of
        turn.due = [finding for finding in found if finding and key_of(finding) not in vehicle.settled]
    return turn.due


def _silence(turn: Turn) -> silence.Silence | None:
    since = turn.silent_from or turn.vehicle.heard_at
    return None if since is None else silence.Silence(since, turn.hold_until, broken=turn.heard)
