"""
What a vehicle is doing, as far as the duration rules need it.

Rules of this file:

1. ``apply`` is pure and folds facts in the order of their time ``at``.
2. An older statement never overwrites a newer one.
3. Every moment is kept by both clocks, because a duration is fulfilled by whichever comes first: a later fact
   that proves it on the vehicle's own clock, or the same time by the gateway's timer from arrival.
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
    """The newest statement about one card."""

    present: bool
    since: Moment


class Siren(Struct, frozen=True, omit_defaults=True):
    """One episode of the car's own alarm."""

    since: Moment
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
    siren: Siren | None = None

    def driver_gone_since(self, counting: frozenset[str]) -> Moment | None:
        """When the last counting card went; None while one is present or no card is known at all."""
        cards = [card for card_id, card in self.cards.items() if not counting or card_id in counting]
        if any(card.present for card in cards):
            return None
        if cards:
            return max((card.since for card in cards), key=lambda moment: moment.at)
        return self.drive_since if counting else None


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
    known = situation.cards.get(fact.card_id)
    moment = moment_of(fact)
    if known is not None and (known.since.at > moment.at or known.present == fact.present):
        return situation
    if known is None and len(situation.cards) >= MAX_CARDS:
        return situation
    return replace(situation, cards={**situation.cards, fact.card_id: Card(fact.present, moment)})


def _moved(situation: Situation, fact: Movement) -> Situation:
    moment = moment_of(fact)
    stated, stopped = situation.moving_stated, situation.stopped
    if (stated is not None and stated.at > moment.at) or (stopped is not None and stopped.at > moment.at):
        return situation
    goes_on = situation.moving_since is not None and stated is not None and moment.at <= stated.at + MOVEMENT_HOLDS
    same_drive = stated is not None and moment.at <= stated.at + SAME_DRIVE
    return replace(
        situation,
        moving_since=situation.moving_since if goes_on else moment,
        drive_since=situation.drive_since if same_drive else moment,
        moving_stated=moment,
    )


def _stopped(situation: Situation, fact: Movement) -> Situation:
    moment = moment_of(fact)
    stated, stopped = situation.moving_stated, situation.stopped
    if (stated is not None and stated.at > moment.at) or (stopped is not None and stopped.at > moment.at):
        return situation
    return replace(situation, moving_since=None, stopped=moment)


def _ignition(situation: Situation, fact: Ignition) -> Situation:
    since = situation.ignition_since
    if (since is not None and since.at > fact.at) or situation.ignition_on == fact.on:
        return situation
    return replace(situation, ignition_on=fact.on, ignition_since=moment_of(fact))


def _siren(siren: Siren | None, fact: TheftSensor, minimum_s: float) -> Siren | None:
    moment = moment_of(fact)
    if siren is not None and siren.since.at > moment.at:
        return siren
    proven = (fact.active_for_s or 0) >= minimum_s
    if fact.state == "restored":
        if siren is None or not siren.active:
            return Siren(moment, active=False, proven=True) if proven else siren
        return replace(siren, active=False, proven=siren.proven or proven)
    if siren is None or not siren.active:
        return Siren(moment, (fact.event_id,), proven=proven)
    event_ids = (*siren.event_ids, fact.event_id)[-MAX_SIREN_EVENTS:]
    return replace(siren, event_ids=event_ids, proven=siren.proven or proven)
