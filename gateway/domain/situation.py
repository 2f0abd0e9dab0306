"""
What a vehicle is doing, as far as the duration rules need it.

Rules of this file:

1. ``apply`` is pure and folds facts in the order of their time ``at``.
2. An older statement never overwrites a newer one.
3. Every moment is kept by both clocks, because a duration is fulfilled by whichever comes first: a later fact
   that proves it on the vehicle's own clock, or the same time by the gateway's timer from arrival.
4. A statement that comes late never restarts a timer that is running.
5. What counts as a card and as far away is given: the rest is what the vehicle stated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.moment import Moment, Spell, began, later
from gateway.domain.parking import Fix, Parking, left, located
from gateway.domain.signals import (
    CLOCK_TOLERANCE,
    EARLIEST,
    DriverCard,
    Ignition,
    Located,
    Movement,
    TheftSensor,
)
from gateway.domain.thresholds import Thresholds

__all__ = [
    "EVERY_CARD",
    "MAX_CARDS",
    "MAX_SIREN_EVENTS",
    "MOVEMENT_HOLDS",
    "SAME_DRIVE",
    "Card",
    "Moment",
    "Siren",
    "Situation",
    "SituationFact",
    "apply",
    "dated",
    "moment_of",
]

MOVEMENT_HOLDS = timedelta(seconds=60)
SAME_DRIVE = timedelta(minutes=10)
MAX_CARDS = 16
MAX_SIREN_EVENTS = 500

MAX_FLAPS = 1_000_000
EVERY_CARD: frozenset[str] = frozenset()
DEFAULTS = Thresholds()

SituationFact = DriverCard | Movement | Ignition | TheftSensor | Located


class Card(Struct, frozen=True, array_like=True, gc=False):
    """What was said of one card: since when it is so, and the newest statement that says so."""

    present: bool
    since: Moment
    stated_at: datetime
    boot_id: str | None = None
    seq: int | None = None
    battery: Literal["ok", "low"] | None = None
    flaps: int = 0
    """How often it was gone for less than the grace time: radio trouble, no theft."""


class Siren(Struct, frozen=True, omit_defaults=True, gc=False):
    """One episode of the car's own alarm."""

    since: Moment
    stated_at: datetime
    event_ids: tuple[str, ...] = ()
    active: bool = True
    proven: bool = False
    """A message stated enough seconds by itself."""


class Situation(Struct, frozen=True, omit_defaults=True, gc=False):
    """Cards, movement, ignition and siren at one moment."""

    cards: dict[str, Card] = {}
    moving_since: Moment | None = None
    moving_stated: Moment | None = None
    moving_in_doubt: bool = False
    """Each statement of this movement came after a lost message: the ignition may be on by now."""
    drive_since: Moment | None = None
    """Start of the drive: stops shorter than ten minutes do not end it."""
    stopped: Moment | None = None
    ignition_on: bool | None = None
    ignition_since: Moment | None = None
    ignition_stated_at: datetime | None = None
    siren: Siren | None = None
    off_spell: Spell | None = None
    """The longest time with the ignition off and no card, over since, with no card seen until now."""
    parking: Parking | None = None

    def card_present(self, counting: frozenset[str]) -> bool:
        """Whether a counting card is in the car."""
        for card_id, card in self.cards.items():  # a loop: it is asked for at every fact
            if card.present and (not counting or card_id in counting):
                return True
        return False

    def unattended_since(self, counting: frozenset[str]) -> Moment | None:
        """Since when the ignition has been off and no counting card in the car; None: it is not so."""
        off = self.ignition_since
        if self.ignition_on is not False or off is None or self.card_present(counting):
            return None
        for card_id, card in self.cards.items():
            if not counting or card_id in counting:
                off = later(off, card.since)
        return off

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
    """The fact's time by both clocks; ``Fact.at`` and ``clock_suspect`` at once, for every fact asks."""
    stated, received_at = fact.occurred_at, fact.received_at
    if stated is None or stated < EARLIEST:
        return Moment(received_at, received_at, suspect=True)
    if stated <= received_at:
        return Moment(stated, received_at)
    return Moment(received_at, received_at, stated > received_at + CLOCK_TOLERANCE)


def apply(
    situation: Situation,
    fact: SituationFact,
    thresholds: Thresholds = DEFAULTS,
    counting: frozenset[str] = EVERY_CARD,
) -> Situation:
    """Fold one fact into the situation. Never fails; an older statement changes nothing."""
    if isinstance(fact, Movement):  # no ``match``: it is several times slower, and every fact comes by twice
        return moved_on(situation, fact, moment_of(fact))
    if isinstance(fact, DriverCard):
        return _card(situation, fact, thresholds, counting)
    if isinstance(fact, Ignition):
        return _ignition(situation, fact, counting)
    if isinstance(fact, TheftSensor):
        return replace(situation, siren=_siren(situation.siren, fact, thresholds.car_alarm_min_s))
    return _located(situation, fact, thresholds)


def moved_on(situation: Situation, fact: Movement, moment: Moment) -> Situation:
    """``apply`` for a movement whose moment is known; by far the most say that a drive goes on."""
    stated = situation.moving_stated
    if (
        fact.moving
        and situation.moving_since is not None  # so it has not stopped since it was last stated
        and stated is not None
        and stated.received_at <= moment.received_at  # so its beginning was not heard of later
        and stated.at <= moment.at <= stated.at + MOVEMENT_HOLDS
        and not situation.moving_in_doubt
    ):
        return replace(situation, moving_stated=moment)
    return _moved(situation, fact, moment) if fact.moving else _stopped(situation, moment)


def _card(
    situation: Situation, fact: DriverCard, thresholds: Thresholds, counting: frozenset[str]
) -> Situation:
    known, moment = situation.cards.get(fact.card_id), moment_of(fact)
    if known is not None and _is_older(fact, known):
        return situation
    others = situation.cards if known is not None else _with_room(situation.cards)
    if others is None:
        return situation
    since = began(known.since, moment) if known is not None and known.present == fact.present else moment
    card = Card(fact.present, since, fact.at, fact.boot_id, fact.seq, fact.battery)
    if known is not None:
        back = fact.present and not known.present
        flapped = back and fact.at - known.since.at < timedelta(seconds=thresholds.driver_card_grace_s)
        flaps = min(known.flaps + flapped, MAX_FLAPS)
        card = replace(card, battery=fact.battery or known.battery, flaps=flaps)
    seen = fact.present and (not counting or fact.card_id in counting)
    return replace(
        situation,
        cards={**others, fact.card_id: card},
        off_spell=None if seen else situation.off_spell,
    )


def dated(situation: Situation, fact: DriverCard) -> DriverCard:
    """
    The fact as of its arrival, if its number comes after that of a card's statement with a later time.

    The clock was set back between them: by that clock, a card that goes now went before it was seen.
    """
    for known in situation.cards.values():
        if fact.at < known.stated_at and _is_numbered_before(fact, known) is False:
            return replace(fact, occurred_at=None)
    return fact


def _is_older(fact: DriverCard, known: Card) -> bool:
    """Within one boot the vehicle's own order counts: a clock set back hides no card's leaving."""
    before = _is_numbered_before(fact, known)
    return fact.at < known.stated_at if before is None else before


def _is_numbered_before(fact: DriverCard, known: Card) -> bool | None:
    """By the vehicle's own order, which is known within one boot only."""
    if fact.boot_id is None or fact.boot_id != known.boot_id or fact.seq is None or known.seq is None:
        return None
    return fact.seq < known.seq


def _with_room(cards: dict[str, Card]) -> dict[str, Card] | None:
    """Cards with room for one more, None if all are there. Which card went first never matters."""
    if len(cards) < MAX_CARDS:
        return cards
    gone = [(card.since.at, card_id) for card_id, card in cards.items() if not card.present]
    if not gone:
        return None
    first = min(gone)[1]
    return {card_id: card for card_id, card in cards.items() if card_id != first}


def _moved(situation: Situation, fact: Movement, moment: Moment) -> Situation:
    stated, stopped, since = situation.moving_stated, situation.stopped, situation.moving_since
    if stopped is not None and stopped.at > moment.at:
        return situation
    if stated is None:
        return replace(
            situation,
            moving_since=moment,
            moving_in_doubt=fact.after_gap,
            drive_since=moment,
            moving_stated=moment,
        )
    heard_at, at = max(moment.received_at, stated.received_at), moment.at
    if stated.at > at:
        return replace(situation, moving_stated=replace(stated, received_at=heard_at))
    goes_on = since is not None and at <= stated.at + MOVEMENT_HOLDS
    return replace(
        situation,
        moving_since=began(since, moment) if since is not None and goes_on else moment,
        moving_in_doubt=fact.after_gap and (situation.moving_in_doubt or not goes_on),
        drive_since=situation.drive_since if at <= stated.at + SAME_DRIVE else moment,
        moving_stated=Moment(at, heard_at, moment.suspect),
    )


def _stopped(situation: Situation, moment: Moment) -> Situation:
    stated, stopped = situation.moving_stated, situation.stopped
    if (stated is not None and stated.at > moment.at) or (stopped is not None and stopped.at > moment.at):
        return situation
    return replace(situation, moving_since=None, stopped=moment)


def _ignition(situation: Situation, fact: Ignition, counting: frozenset[str]) -> Situation:
    moment, since = moment_of(fact), situation.ignition_since
    if situation.ignition_stated_at is not None and situation.ignition_stated_at > fact.at:
        return situation
    if situation.ignition_on == fact.on and since is not None:
        return replace(situation, ignition_since=began(since, moment), ignition_stated_at=fact.at)
    return replace(
        situation,
        ignition_on=fact.on,
        ignition_since=moment,
        ignition_stated_at=fact.at,
        off_spell=_spell(situation, moment, counting) if fact.on else situation.off_spell,
        parking=situation.parking if fact.on else left(situation.parking, moment, situation.moving_stated),
    )


def _spell(situation: Situation, until: Moment, counting: frozenset[str]) -> Spell | None:
    """What arming can be told from after the ignition was switched on, where a card is fitted."""
    since, known = situation.unattended_since(counting), situation.off_spell
    if since is None or not (counting or situation.cards):
        return known
    longer = known is None or until.at - since.at > known.until.at - known.since.at
    return Spell(since, until) if longer else known


def _located(situation: Situation, fact: Located, thresholds: Thresholds) -> Situation:
    position = fact.position
    fix = Fix(position.latitude, position.longitude, moment_of(fact))
    off = situation.ignition_since if situation.ignition_on is False else None
    limit_m = thresholds.towed_distance_m
    return replace(situation, parking=located(situation.parking, fix, position.accuracy_m, off, limit_m))


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
        since=began(siren.since, moment),
        stated_at=fact.at,
        event_ids=(*siren.event_ids, fact.event_id)[:MAX_SIREN_EVENTS],
        proven=siren.proven or proven,
    )
