"""
What a vehicle is doing, as far as the duration rules need it.

Rules of this file:

1. ``apply`` is pure and folds facts in the order of their time ``at``.
2. An older statement never overwrites a newer one.
3. Every moment is kept by both clocks, because a duration is fulfilled by whichever comes first: a later fact
   that proves it on the vehicle's own clock, or the same time by the gateway's timer from arrival.
4. A statement that comes late never restarts a timer that is running.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.signals import DriverCard, Ignition, Movement, TheftSensor

MOVEMENT_HOLDS = timedelta(seconds=60)
SAME_DRIVE = timedelta(minutes=10)
MAX_CARDS = 16
MAX_SIREN_EVENTS = 500

SituationFact = DriverCard | Movement | Ignition | TheftSensor


class Moment(Struct, frozen=True, array_like=True):
    """One point in time by both clocks."""

    at: datetime
    received_at: datetime
    suspect: bool = False


class Card(Struct, frozen=True, array_like=True):
    """What was said of one card: since when it is so, and the newest statement that says so."""

    present: bool
    since: Moment
    stated_at: datetime
    boot_id: str | None = None
    seq: int | None = None


class Siren(Struct, frozen=True, omit_defaults=True):
    """One episode of the car's own alarm."""

    since: Moment
    stated_at: datetime
    event_ids: tuple[str, ...] = ()
    active: bool = True
    proven: bool = False
    """A message stated enough seconds by itself."""


class Situation(Struct, frozen=True, omit_defaults=True):
    """Cards, movement, ignition and siren at one moment."""

    cards: dict[str, Card] = {}
    moving_since: Moment | None = None
    moving_stated: Moment | None = None
    drive_since: Moment | None = None
    """Start of the drive: stops shorter than ten minutes do not end it."""
    stopped: Moment | None = None
    ignition_on: bool | None = None
    ignition_since: Moment | None = None
    ignition_stated_at: datetime | None = None
    siren: Siren | None = None

    def driver_gone_since(self, counting: frozenset[str]) -> Moment | None:
        """When the last counting card went; None while one is present or no card is known at all."""
        last: Moment | None = None
        for card_id, card in self.cards.items():
            if counting and card_id not in counting:
                continue
            if card.present:
                return None
            if last is None or card.since.at > last.at:
                last = card.since
        return self.drive_since if last is None and counting else last


def moment_of(fact: SituationFact) -> Moment:
    """The fact's time by both clocks."""
    return Moment(fact.at, fact.received_at, fact.clock_suspect)


def apply(situation: Situation, fact: SituationFact, siren_min_s: float = 15) -> Situation:
    """Fold one fact into the situation. Never fails; an older statement changes nothing."""
    match fact:
        case DriverCard():
            return _card(situation, fact)
        case Movement():
            return _moved(situation, fact) if fact.moving else _stopped(situation, fact)
        case Ignition():
            return _ignition(situation, fact)
        case TheftSensor():
            return replace(situation, siren=_siren(situation.siren, fact, siren_min_s))


def _card(situation: Situation, fact: DriverCard) -> Situation:
    known, moment = situation.cards.get(fact.card_id), moment_of(fact)
    if known is not None and _is_older(fact, known):
        return situation
    others = situation.cards if known is not None else _with_room(situation.cards)
    if others is None:
        return situation
    since = _began(known.since, moment) if known is not None and known.present == fact.present else moment
    card = Card(fact.present, since, fact.at, fact.boot_id, fact.seq)
    return replace(situation, cards={**others, fact.card_id: card})


def _is_older(fact: DriverCard, known: Card) -> bool:
    """Within one boot the vehicle's own order counts: a clock set back hides no card's leaving."""
    if (
        fact.boot_id is not None
        and fact.boot_id == known.boot_id
        and fact.seq is not None
        and known.seq is not None
    ):
        return fact.seq < known.seq
    return fact.at < known.stated_at


def _with_room(cards: dict[str, Card]) -> dict[str, Card] | None:
    """Cards with room for one more, None if all are there. Which card went first never matters."""
    if len(cards) < MAX_CARDS:
        return cards
    gone = [(card.since.at, card_id) for card_id, card in cards.items() if not card.present]
    if not gone:
        return None
    first = min(gone)[1]
    return {card_id: card for card_id, card in cards.items() if card_id != first}


def _began(since: Moment, moment: Moment) -> Moment:
    """The same beginning, heard of when the first of its statements arrived."""
    return (
        since if since.received_at <= moment.received_at else replace(since, received_at=moment.received_at)
    )


def _moved(situation: Situation, fact: Movement) -> Situation:
    moment = moment_of(fact)
    stated, stopped, since = situation.moving_stated, situation.stopped, situation.moving_since
    if stopped is not None and stopped.at > moment.at:
        return situation
    if stated is None:
        return replace(situation, moving_since=moment, drive_since=moment, moving_stated=moment)
    heard_at = max(stated.received_at, moment.received_at)
    if stated.at > moment.at:
        return replace(situation, moving_stated=replace(stated, received_at=heard_at))
    goes_on = since is not None and moment.at <= stated.at + MOVEMENT_HOLDS
    same_drive = moment.at <= stated.at + SAME_DRIVE
    return replace(
        situation,
        moving_since=_began(since, moment) if goes_on and since is not None else moment,
        drive_since=situation.drive_since if same_drive else moment,
        moving_stated=replace(moment, received_at=heard_at),
    )


def _stopped(situation: Situation, fact: Movement) -> Situation:
    moment = moment_of(fact)
    stated, stopped = situation.moving_stated, situation.stopped
    if (stated is not None and stated.at > moment.at) or (stopped is not None and stopped.at > moment.at):
        return situation
    return replace(situation, moving_since=None, stopped=moment)


def _ignition(situation: Situation, fact: Ignition) -> Situation:
    if situation.ignition_stated_at is not None and situation.ignition_stated_at > fact.at:
        return situation
    if situation.ignition_on == fact.on:
        return replace(situation, ignition_stated_at=fact.at)
    return replace(situation, ignition_on=fact.on, ignition_since=moment_of(fact), ignition_stated_at=fact.at)


def _siren(siren: Siren | None, fact: TheftSensor, minimum_s: float) -> Siren | None:
    moment = moment_of(fact)
    if siren is not None and siren.stated_at > moment.at:
        return siren
    proven = (fact.active_for_s or 0) >= minimum_s
    if fact.state == "restored":
        if siren is None or not siren.active:
            return Siren(moment, fact.at, active=False, proven=True) if proven else siren
        return replace(siren, stated_at=fact.at, active=False, proven=siren.proven or proven)
    if siren is None or not siren.active:
        return Siren(moment, fact.at, (fact.event_id,), proven=proven)
    return replace(
        siren,
        since=_began(siren.since, moment),
        stated_at=fact.at,
        event_ids=(*siren.event_ids, fact.event_id)[:MAX_SIREN_EVENTS],
        proven=siren.proven or proven,
    )
