"""What a vehicle states of itself inside a turn, beside its theft sensors: kept as its newest word."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain import said, silence
from gateway.domain.alarm_life import keep
from gateway.domain.alarms import position_fix, with_newest
from gateway.domain.dead_zones import SILENT_FOR
from gateway.domain.durations import fold
from gateway.domain.facts import AnyFact
from gateway.domain.signals import (
    Charging,
    Connection,
    DriverCard,
    Event,
    Ignition,
    Located,
    Mode,
    Movement,
    Position,
    Registered,
    Software,
    Tick,
)
from gateway.domain.situation import dated
from gateway.domain.turn import Turn
from gateway.domain.vehicle import StatedFact

CARD_RETURNED = "card_returned"
MODE_FIELDS = ("private_mode", "remote_access_enabled")


def hear(turn: Turn, fact: AnyFact) -> None:
    """Note that the vehicle speaks, first of all: a mode that ends must leave no silence that is over."""
    if isinstance(fact, (Movement, Ignition, Event)):
        _heard(turn, fact.received_at)
    elif isinstance(fact, Connection) and fact.online and fact.occurred_at is not None:
        _heard(turn, fact.at)
    elif isinstance(fact, Tick) and fact.heard_at is not None:
        _heard(turn, fact.heard_at)


def card(turn: Turn, fact: DriverCard) -> None:
    """A Driver Card was seen or has gone."""
    fact = dated(turn.vehicle.past.now, fact)
    turn.set(card_ever_stated=True)
    _state(turn, "driver-card", fact)
    fold(turn, fact)
    _card_returned(turn, fact)


def moved(turn: Turn, fact: Movement) -> None:
    """The car moves or stands."""
    if fact.position is not None:
        _locate_unless_private(turn, fact.position, fact.at)
    fold(turn, fact)


def located(turn: Turn, fact: Located) -> None:
    """Where it is: a drive leaves no trail, and where it is parked is remembered."""
    _locate_unless_private(turn, fact.position, fact.at, for_alarm=fact.for_alarm)
    private = turn.vehicle.is_private and turn.vehicle.past.now.ignition_on is not False
    if not (fact.driven or private):
        fold(turn, fact)


def mode(turn: Turn, fact: Mode) -> None:
    """Either field may be missing, so each keeps its own newest statement; ``mode`` is both together."""
    _state(turn, "mode", fact)
    for field in MODE_FIELDS:
        if getattr(fact, field) is not None:
            _state(turn, f"mode.{field}", fact)
    newest = {field: _mode_field(turn, field) for field in MODE_FIELDS}
    both = replace(turn.vehicle.stated["mode"], **newest)
    turn.set(stated={**turn.vehicle.stated, "mode": both})


def software(turn: Turn, fact: Software) -> None:
    """Progress of a function or an update. What follows from an installation is a mode's part."""
    _state(turn, "software", fact)


def charging(turn: Turn, fact: Charging) -> None:
    """Plug and charging session."""
    _state(turn, "charging", fact)


def connection(turn: Turn, fact: Connection) -> None:
    """Online or offline; the newest online statement stays beside it, for a last will knows no bearer."""
    _state(turn, "connection", fact)
    if fact.online:
        _state(turn, "connection.online", fact)


def registered(turn: Turn, fact: Registered) -> None:
    """What the registry says from now on."""
    turn.set(registration=fact.registration)


def locate(turn: Turn, position: Position, at: datetime) -> None:
    """Keep a position unless a newer one is known."""
    known = turn.vehicle.position
    if known is None or known.at <= at:
        turn.set(position=position_fix(position, at))


# -- inside -------------------------------------------------------------------------------------------------


def _heard(turn: Turn, at: datetime) -> None:
    before = turn.vehicle.heard_at
    if before is not None and before >= at:
        return
    turn.heard = True
    if silence.SUPERVISION in turn.vehicle.alarms or (before is not None and at - before >= SILENT_FOR):
        turn.vehicle = silence.hear(turn.vehicle, at)
    else:
        turn.set(heard_at=at)


def _state(turn: Turn, topic_kind: str, fact: StatedFact) -> None:
    known = turn.vehicle.stated.get(topic_kind)
    if known is None or known.at < fact.at or (known.at == fact.at and repr(known) <= repr(fact)):
        turn.set(stated={**turn.vehicle.stated, topic_kind: fact})


def _mode_field(turn: Turn, field: str) -> bool | None:
    stated = turn.vehicle.stated.get(f"mode.{field}")
    return None if stated is None else getattr(stated, field)


def _locate_unless_private(turn: Turn, position: Position, at: datetime, *, for_alarm: bool = False) -> None:
    """In private mode a position is used at once and not kept; what goes with an alarm stays its own."""
    if for_alarm or not turn.vehicle.is_private:
        locate(turn, position, at)


def _card_returned(turn: Turn, fact: DriverCard) -> None:
    """Mark the open alarm; a person decides whether it was one."""
    alarm, counting = turn.vehicle.alarms.get("driver_card_missing"), turn.vehicle.counting_cards
    if alarm is None or not fact.present or (counting and fact.card_id not in counting):
        return
    if alarm.note != CARD_RETURNED:
        back = said.evidence(fact.at, said.say("card_back", card=fact.card_id))
        evidence = with_newest(alarm.evidence, (back,))
        keep(turn, replace(alarm, note=CARD_RETURNED, evidence=evidence, gathering=True))
