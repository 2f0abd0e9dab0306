"""
Durations inside a turn: facts folded in the order of their time, and what each of them proves.

A duration is fulfilled by whichever comes first: a later fact that proves it on the vehicle's own clock, or
the same time by the gateway's timer (``timers``). An episode counts once, whoever finds it.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain import said, silence
from gateway.domain.alarm_life import Origin, origin_of, trigger
from gateway.domain.effects import Silent, Verdict
from gateway.domain.finding import Finding, on_gateway_clock, on_vehicle_clock
from gateway.domain.rules import RULES, car_alarm, nothing_due
from gateway.domain.sensor_words import stated
from gateway.domain.signals import LATE, TheftSensor
from gateway.domain.situation import Situation, SituationFact, apply
from gateway.domain.turn import Turn
from gateway.domain.vehicle import MAX_SETTLED, Past, compact, insert


def fold(turn: Turn, fact: SituationFact) -> None:
    """Put a fact where it belongs in time, and settle what it and those after it prove."""
    thresholds, counting = turn.thresholds, turn.vehicle.counting_cards
    past = turn.vehicle.past
    window, place = insert(past.window, fact)
    situation = past.now
    if place < len(window) - 1:
        situation = past.base
        for one in window[:place]:
            situation = apply(situation, one, thresholds, counting)
    quiet = nothing_due(situation, counting)
    for one in window[place:]:
        before, was_quiet = situation, quiet
        situation = apply(before, one, thresholds, counting)
        quiet = nothing_due(situation, counting)
        if not (quiet and was_quiet):
            for finding in _proven_by(turn, one, before, situation):
                settle(turn, finding)
    base, kept = compact(past.base, window, window[-1].at, thresholds, counting)
    turn.set(past=Past(base, kept, situation, past.folded + len(window) - len(kept)))
    turn.quiet = situation if quiet else None
    if turn.vehicle.pending:
        _leave_none_waiting(turn, fact)


def settle(turn: Turn, finding: Finding) -> None:
    """Let an episode count once."""
    key = key_of(finding)
    if key in turn.vehicle.settled:
        return
    turn.set(settled=(*turn.vehicle.settled, key)[-MAX_SETTLED:])
    if finding.cause == silence.SUPERVISION:
        turn.effects.append(Silent(held=finding.verdict == "noted"))
    if finding.verdict == "noted":
        return
    pending = turn.vehicle.pending
    event_ids = tuple(event_id for event_id in finding.event_ids if event_id in pending)
    if event_ids:
        turn.set(pending=tuple(event_id for event_id in pending if event_id not in event_ids))
    if finding.verdict == "alarm":
        since = finding.since
        late = since.received_at - since.at > LATE
        origin = Origin(since.at, since.received_at, late, since.suspect)
        trigger(turn, finding.cause, origin, event_ids, finding.evidence(), at=finding.at)
    else:
        turn.effects.extend(Verdict(event_id, finding.verdict) for event_id in event_ids)


def key_of(finding: Finding) -> str:
    """What tells one episode from the next, among all causes."""
    return f"{finding.cause}/{finding.key}"


def _proven_by(turn: Turn, fact: SituationFact, before: Situation, after: Situation) -> Iterator[Finding]:
    """What a fact proves: what held until it came, and what holds with it."""
    counting, at = turn.vehicle.counting_cards, fact.at
    loud = [one for one in (before, after) if not nothing_due(one, counting)]
    for rule in RULES if loud else ():
        for situation in loud:
            finding, reached = None, at
            if not fact.clock_suspect:
                finding = rule.due(situation, counting, turn.thresholds, on_vehicle_clock)
            if finding is None:
                # Where the vehicle's clock can't be believed, the arrivals of both facts prove it.
                finding = rule.due(situation, counting, turn.thresholds, on_gateway_clock)
                reached = fact.received_at
            if finding is not None and finding.at <= reached:
                yield finding
    dismissed = car_alarm.below_minimum(before, after)
    if dismissed is not None:
        yield dismissed


def _leave_none_waiting(turn: Turn, fact: SituationFact) -> None:
    """Raise the siren triggers that no timer watches over: what can't be followed counts by itself."""
    pending, siren = turn.vehicle.pending, turn.vehicle.past.now.siren
    watched: tuple[str, ...] = ()
    if siren is not None and siren.active:
        key = f"{car_alarm.CAUSE}/{car_alarm.key(siren)}"
        watched = siren.event_ids if key not in turn.vehicle.settled else ()
    left = tuple(event_id for event_id in pending if event_id not in watched)
    if not left:
        return
    turn.set(pending=tuple(event_id for event_id in pending if event_id in watched))
    if isinstance(fact, TheftSensor) and fact.event_id in left:
        evidence = stated(fact)
    else:
        evidence = said.evidence(fact.at, said.say("siren_end_unknown"), event_id=left[0])
    trigger(turn, car_alarm.CAUSE, origin_of(fact), left, (evidence,), at=fact.at)
