"""
An alarm's life inside a turn: raised, added to, told, acknowledged, closed.

Rules of this file:

1. A trigger ends in an alarm or in the record of the mode that holds it back, and says which by a verdict.
2. At most one alarm per cause is not closed; a further trigger adds to it.
3. Every trigger counted is told in exactly one message; what was gathered is told before a person's act is.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import case_life, said, suppression
from gateway.domain.alarms import (
    GATHER_AT_MOST,
    GATHER_FOR,
    LIFE,
    MAX_EVIDENCE,
    REOPEN_AT_MOST_EVERY,
    Act,
    Alarm,
    with_newest,
)
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Announce, MessageType, Refused, Verdict
from gateway.domain.outcome import Outcome
from gateway.domain.said import Evidence
from gateway.domain.signals import Acknowledge, Blind, Close, Event, Fact, Healthy
from gateway.domain.turn import Turn

BLIND = "gateway_blind"


class Origin(Struct, frozen=True):
    """What an alarm says of its first trigger's times."""

    occurred_at: datetime
    received_at: datetime
    late: bool
    clock_suspect: bool


class News(Struct, frozen=True):
    """One trigger, or several of one cause that are found together."""

    cause: str
    origin: Origin
    event_ids: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    note: str | None = None


def origin_of(fact: Fact) -> Origin:
    """Times of a fact; what the gateway states by itself has no clock that could be suspect."""
    suspect = fact.clock_suspect and isinstance(fact, Event)
    return Origin(fact.occurred_at or fact.received_at, fact.received_at, fact.late, suspect)


def trigger(
    turn: Turn,
    cause: str,
    origin: Origin,
    event_ids: tuple[str, ...],
    evidence: tuple[Evidence, ...],
    *,
    at: datetime | None = None,
    forged: bool = False,
    note: str | None = None,
) -> None:
    """Alarm, or record as held back by a special mode. ``at``: when it happened, unless on arrival."""
    if at is None:
        at = origin.occurred_at if origin.late else origin.received_at
    verdict = suppression.decide(cause, turn.vehicle, at, turn.now, forged=forged)
    news = News(cause, origin, event_ids, evidence, note)
    if isinstance(verdict, suppression.Suppressed):
        _hold_back(turn, verdict, news)
        return
    alarm = turn.vehicle.alarms.get(cause)
    if alarm is None:
        alarm = _raise(turn, news)
    else:
        _add(turn, alarm, news)
    turn.effects.extend(Verdict(event_id, "alarm", alarm.alarm_id) for event_id in event_ids)


def follow(turn: Turn, outcome: Outcome | None) -> None:
    """Take what a part has changed, asked for and found."""
    if outcome is None:
        return
    turn.vehicle = outcome.vehicle
    turn.effects.extend(outcome.effects)
    for found in outcome.found:
        origin = Origin(found.at, found.at, late=False, clock_suspect=False)
        trigger(turn, found.cause, origin, (), found.evidence, at=turn.now, note=found.note)


def keep(turn: Turn, alarm: Alarm) -> None:
    """Put an alarm that is not closed into the state."""
    turn.set(alarms={**turn.vehicle.alarms, alarm.cause: alarm})


def tell_gathered(turn: Turn) -> None:
    """Send what was gathered for one alarm once its second is over or it is many."""
    for alarm in turn.vehicle.alarms.values():
        young = turn.within(alarm.told_at, GATHER_FOR) and len(alarm.gathered) < GATHER_AT_MOST
        if alarm.gathering and not young:
            _tell(turn, "alarm.updated", alarm, alarm.gathered)
    if turn.vehicle.suppressed:
        follow(turn, Outcome(*suppression.tell_gathered(turn.vehicle, turn.now)))


def tell_at(turn: Turn) -> list[datetime]:
    """When gathered triggers must be told."""
    return [alarm.told_at + GATHER_FOR for alarm in turn.vehicle.alarms.values() if alarm.gathering]


# -- people, and the gateway itself -------------------------------------------------------------------------


def acknowledge(turn: Turn, fact: Acknowledge) -> None:
    """An operator has seen it."""
    alarm = _find(turn, fact.alarm_id, "acknowledge")
    if alarm is None:
        return
    state = LIFE[alarm.state, "acknowledge"]
    note = alarm.note if fact.note is None else fact.note
    alarm = _flushed(turn, alarm)
    seen = replace(alarm, state=state, acknowledged_by=fact.by, acknowledged_at=turn.now, note=note)
    _tell(turn, "alarm.acknowledged", seen, ())


def close(turn: Turn, fact: Close) -> None:
    """An operator is done with it."""
    _close(turn, fact.alarm_id, fact.by, fact.disposition, fact.note)


def close_of_case(turn: Turn, case_id: str, by: str, disposition: str, note: str | None) -> None:
    """Close every alarm of a case that is being closed."""
    for alarm in tuple(turn.vehicle.alarms.values()):
        if alarm.case_id == case_id:
            _shut(turn, alarm, by, disposition, note)


def blind(turn: Turn, fact: Blind) -> None:
    """The gateway says what it can't do; the same reasons again are no news."""
    evidence = tuple(Evidence(reason, None, fact.at) for reason in fact.reasons)
    known = turn.vehicle.alarms.get(BLIND)
    if known is None or any(one.text not in {old.text for old in known.evidence} for one in evidence):
        trigger(turn, BLIND, origin_of(fact), (), evidence)


def healthy(turn: Turn, _fact: Healthy) -> None:
    """The gateway's own alarm closes itself."""
    alarm = turn.vehicle.alarms.get(BLIND)
    if alarm is not None:
        _close(turn, alarm.alarm_id, "gateway", "recovered", None)


# -- inside -------------------------------------------------------------------------------------------------


def _hold_back(turn: Turn, verdict: suppression.Suppressed, news: News) -> None:
    origin = news.origin
    held = suppression.Held(
        cause=news.cause,
        event_ids=news.event_ids,
        evidence=news.evidence,
        occurred_at=origin.occurred_at,
        received_at=origin.received_at,
        late=origin.late,
        clock_suspect=origin.clock_suspect,
    )
    turn.vehicle, effects, alarm_id = suppression.hold_back(turn.vehicle, held, verdict, turn.now)
    turn.effects.extend(effects)
    turn.effects.extend(Verdict(event_id, "suppressed", alarm_id) for event_id in news.event_ids)


def _raise(turn: Turn, news: News) -> Alarm:
    vehicle, origin, number = turn.vehicle, news.origin, turn.vehicle.alarms_made + 1
    is_theft = BY_NAME[news.cause].cause_class == "theft"
    if is_theft:
        case_life.join(turn, news.cause, number)
    alarm = Alarm(
        alarm_id=turn.identity("alarm", number),
        vin=None if vehicle.is_gateway else vehicle.vin,
        cause=news.cause,
        state="open",
        case_id=turn.vehicle.case_id if is_theft else None,
        occurred_at=origin.occurred_at,
        received_at=origin.received_at,
        raised_at=turn.now,
        late=origin.late,
        clock_suspect=origin.clock_suspect,
        position=vehicle.position,
        note=news.note,
        count=max(1, len(news.event_ids)),
        evidence=news.evidence[-MAX_EVIDENCE:],
        told_at=turn.now,
    )
    turn.set(alarms_made=number)
    _tell(turn, "alarm.raised", alarm, news.event_ids)
    return alarm


def _add(turn: Turn, alarm: Alarm, news: News) -> None:
    """Count a further trigger; the message follows at once, or gathered within a second."""
    if len(alarm.gathered) + len(news.event_ids) > GATHER_AT_MOST:
        alarm = _flushed(turn, alarm)
    reopen = (
        alarm.state == "acknowledged"
        and not turn.flapping
        and (alarm.reopened_at is None or not turn.within(alarm.reopened_at, REOPEN_AT_MOST_EVERY))
    )
    more = replace(
        alarm,
        state=LIFE[alarm.state, "trigger"] if reopen else alarm.state,
        reopened_at=turn.now if reopen else alarm.reopened_at,
        acknowledged_by=None if reopen else alarm.acknowledged_by,
        acknowledged_at=None if reopen else alarm.acknowledged_at,
        count=alarm.count + max(1, len(news.event_ids)),
        position=turn.vehicle.position or alarm.position,
        note=news.note or alarm.note,
        evidence=with_newest(alarm.evidence, news.evidence),
        gathered=(*alarm.gathered, *news.event_ids),
        gathering=True,
    )
    keep(turn, more)


def _close(turn: Turn, alarm_id: str, by: str, disposition: str, note: str | None) -> None:
    alarm = _find(turn, alarm_id, "close")
    if alarm is None:
        return
    if case_life.decides(turn.vehicle, alarm.case_id):
        turn.effects.append(Refused("case_decides", "The alarm closes with its case, which is decided."))
        return
    _shut(turn, alarm, by, disposition, note)
    if alarm.case_id is not None:
        case_life.left(turn, by, disposition)


def _shut(turn: Turn, alarm: Alarm, by: str, disposition: str, note: str | None) -> None:
    alarm = _flushed(turn, alarm)
    last = said.evidence(turn.now, said.say("closed", who=by, disposition=disposition))
    closed = replace(
        alarm,
        state=LIFE[alarm.state, "close"],
        disposition=disposition,
        note=note or alarm.note,
        evidence=with_newest(alarm.evidence, (last,)),
    )
    alarms = {cause: other for cause, other in turn.vehicle.alarms.items() if cause != alarm.cause}
    turn.set(alarms=alarms)
    turn.effects.append(Announce("alarm.closed", closed))


def _find(turn: Turn, alarm_id: str, act: Act) -> Alarm | None:
    every = (*turn.vehicle.alarms.values(), *turn.vehicle.suppressed.values())
    alarm = next((one for one in every if one.alarm_id == alarm_id), None)
    if alarm is None:
        sentence = "The alarm is closed, or it is none of this vehicle."
    elif (alarm.state, act) not in LIFE:
        sentence = f"An alarm that is {alarm.state} can't {act}."
    else:
        return alarm
    turn.effects.append(Refused("illegal_transition", sentence))
    return None


def _flushed(turn: Turn, alarm: Alarm) -> Alarm:
    """Tell what was gathered before something else is told."""
    if alarm.gathering:
        _tell(turn, "alarm.updated", alarm, alarm.gathered)
    return turn.vehicle.alarms[alarm.cause]


def _tell(turn: Turn, kind: MessageType, alarm: Alarm, event_ids: tuple[str, ...]) -> None:
    told_at = turn.now if kind in ("alarm.raised", "alarm.updated") else alarm.told_at
    alarm = replace(alarm, gathered=(), gathering=False, told_at=told_at)
    keep(turn, alarm)
    turn.effects.append(Announce(kind, alarm, event_ids))
