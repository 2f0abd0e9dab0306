"""
What a special mode holds back: a pure function of cause, vehicle, modes and time.

Rules of this file:

1. In doubt deliver. A cause that the table does not name is never suppressed.
2. What is held back is an alarm of its own in state ``suppressed``, one per cause and mode. It takes no slot,
   joins no case, and every trigger stands in exactly one message.
3. When a mode ends, each of its suppressed alarms says so once; what was not restored is alarmed once, or
   goes on being held back by another mode that covers it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import said
from gateway.domain.alarms import GATHER_AT_MOST, GATHER_FOR, MAX_EVIDENCE, Alarm, with_newest
from gateway.domain.effects import Announce, Effect
from gateway.domain.identity import identity
from gateway.domain.moment import Moment
from gateway.domain.said import Evidence, Said
from gateway.domain.services.special_modes import INSTALLATION, SpecialMode, counts, is_inside, put
from gateway.domain.situation import MOVEMENT_HOLDS
from gateway.domain.vehicle import Vehicle

Where = Literal["anywhere", "inside"]
_workshop: dict[str, Where] = {"workshop": "anywhere"}
_siren: dict[str, Where] = {"workshop": "anywhere", INSTALLATION: "anywhere"}
_lifted: dict[str, Where] = {"transport": "anywhere", "workshop": "anywhere"}

SUPPRESSED_BY: dict[str, dict[str, Where]] = {
    "driver_card_missing": {"deactivation": "anywhere", "workshop": "inside"},
    "unauthorised_movement": {"transport": "anywhere", "workshop": "inside"},
    "towed": {"transport": "anywhere"},
    "tilt": _lifted,
    "car_alarm": _siren,
    "intrusion": _siren,
    "ignition_on_armed": _workshop,
    "tamper": _workshop,
    "battery_disconnect": _workshop,
    "battery_low": _workshop,
    "backup_battery_low": _workshop,
    "driver_card_battery_low": _workshop,
    "health_check_failed": _workshop,
    "supervision_lost": _lifted,
}
"""Which modes hold back which cause, and where. What is not listed is never suppressed."""

CLOCKS_DIFFER = timedelta(seconds=10)
"""Modes begin by the gateway's clock, triggers happen by the vehicle's: so much earlier is not before."""
WATCHED_AFTERWARDS = ("tamper", "battery_disconnect")
MOVEMENTS = ("driver_card_missing", "unauthorised_movement")
ENDED_NOTE, PRESENT_NOTE = "mode_ended", "present_at_mode_end"


Why = Literal["never_suppressed", "no_mode", "not_covered", "outside_place", "before_mode"]


class Deliver(Struct, frozen=True):
    """The trigger is an alarm, and why no mode holds it back."""

    why: Why


class Suppressed(Struct, frozen=True):
    """The trigger is held back by a mode, and why that mode may."""

    mode: SpecialMode
    why: Said


class Held(Struct, frozen=True, kw_only=True):
    """A trigger that is held back."""

    cause: str
    event_ids: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    occurred_at: datetime
    received_at: datetime
    late: bool
    clock_suspect: bool


def decide(
    cause: str, vehicle: Vehicle, at: datetime, now: datetime, *, forged: bool = False
) -> Deliver | Suppressed:
    """
    Whether a mode of the vehicle holds this trigger back.

    Units:   ``at`` is when it happened, never after it was heard; modes are on the gateway's clock.
    Source:  contract 5.1 and 6.
    """
    table = {} if forged else SUPPRESSED_BY.get(cause, {})
    if not table:
        return Deliver("never_suppressed")
    running = [one for one in vehicle.modes.running if counts(one, now)]
    why: Why = "not_covered" if running else "no_mode"
    for mode in running:
        where = table.get(mode.mode)
        if where is None:
            continue
        if at < mode.starts_at - CLOCKS_DIFFER:
            why = "before_mode"
        elif where == "inside" and not is_inside(mode, now):
            why = "outside_place"
        else:
            code = "held_inside" if where == "inside" else "held"
            return Suppressed(mode, said.say(code, mode=mode.mode.replace("_", " "), who=mode.set_by))
    return Deliver(why)


def hold_back(
    vehicle: Vehicle, held: Held, verdict: Suppressed, now: datetime
) -> tuple[Vehicle, tuple[Effect, ...], str]:
    """Record a held-back trigger; the last value is its alarm's id."""
    mode = verdict.mode
    key = f"{held.cause}/{mode.mode_id}"
    known = vehicle.suppressed.get(key)
    effects: list[Effect] = []
    if known is None:
        vehicle, alarm = _new(vehicle, held, verdict, now)
        effects.append(Announce("alarm.suppressed", alarm, held.event_ids))
    else:
        if len(known.gathered) + len(held.event_ids) > GATHER_AT_MOST:
            known, told = _told(known, now)
            effects.append(told)
        alarm = _added(known, held, vehicle)
    mode = replace(mode, suppressed=mode.suppressed + max(1, len(held.event_ids)))
    newest_at = max((one.at for one in held.evidence if one.at is not None), default=held.received_at)
    mode = holding(mode, held.cause, held.received_at, stated=bool(held.event_ids), newest_at=newest_at)
    held_back = vehicle.held_back
    if held.cause in WATCHED_AFTERWARDS:
        moment = Moment(held.occurred_at, held.received_at, held.clock_suspect)
        held_back = {**held_back, held.cause: moment}
    vehicle = replace(
        vehicle,
        suppressed={**vehicle.suppressed, key: alarm},
        modes=put(vehicle.modes, mode),
        held_back=held_back,
    )
    return vehicle, tuple(effects), alarm.alarm_id


def _added(alarm: Alarm, held: Held, vehicle: Vehicle) -> Alarm:
    return replace(
        alarm,
        count=alarm.count + max(1, len(held.event_ids)),
        position=vehicle.position or alarm.position,
        evidence=with_newest(alarm.evidence, held.evidence),
        gathered=(*alarm.gathered, *held.event_ids),
        gathering=True,
    )


def holding(mode: SpecialMode, cause: str, at: datetime, *, stated: bool, newest_at: datetime) -> SpecialMode:
    """The mode with one more cause that it holds back, since its first trigger until its newest."""
    if stated:
        newest = max(newest_at, mode.newest.get(cause, newest_at))
        return replace(
            mode,
            unrestored=mode.unrestored | {cause: mode.unrestored.get(cause, at)},
            newest=mode.newest | {cause: newest},
        )
    return replace(mode, found=mode.found | {cause: mode.found.get(cause, at)})


def restore(vehicle: Vehicle, cause: str, evidence: Evidence) -> Vehicle:
    """The sensor went back to rest, unless that was before its newest trigger: it is present no more."""
    running = tuple(_rested(mode, cause, evidence.at) for mode in vehicle.modes.running)
    suppressed = {
        key: replace(alarm, evidence=with_newest(alarm.evidence, (evidence,)))
        if alarm.cause == cause
        else alarm
        for key, alarm in vehicle.suppressed.items()
    }
    watched = vehicle.held_back.get(cause)
    over = watched is None or evidence.at is None or watched.at <= evidence.at
    held_back = {name: one for name, one in vehicle.held_back.items() if name != cause or not over}
    modes = replace(vehicle.modes, running=running)
    return replace(vehicle, modes=modes, suppressed=suppressed, held_back=held_back)


def _rested(mode: SpecialMode, cause: str, at: datetime | None) -> SpecialMode:
    newest_at = mode.newest.get(cause)
    if at is not None and newest_at is not None and at < newest_at:
        return mode
    return replace(mode, unrestored={name: one for name, one in mode.unrestored.items() if name != cause})


def tell_gathered(vehicle: Vehicle, now: datetime) -> tuple[Vehicle, tuple[Effect, ...]]:
    """Tell what was gathered, once its second is over."""
    effects: list[Effect] = []
    suppressed = dict(vehicle.suppressed)
    for key, alarm in vehicle.suppressed.items():
        young = alarm.told_at <= now < alarm.told_at + GATHER_FOR
        if alarm.gathering and not (young and len(alarm.gathered) < GATHER_AT_MOST):
            suppressed[key], told = _told(alarm, now)
            effects.append(told)
    return (replace(vehicle, suppressed=suppressed), tuple(effects)) if effects else (vehicle, ())


def let_go(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> tuple[Vehicle, tuple[Effect, ...]]:
    """A mode has ended: each of its suppressed alarms says so once and is kept no longer."""
    effects: list[Effect] = []
    suppressed = dict(vehicle.suppressed)
    for key, one in vehicle.suppressed.items():
        if one.suppressed_by != mode.mode_id:
            continue
        alarm = one
        if alarm.gathering:
            alarm, told = _told(alarm, now)
            effects.append(told)
        del suppressed[key]
        total = said.evidence(now, said.say("held_total", count=alarm.count))
        evidence = with_newest(alarm.evidence, (total,))
        alarm = replace(alarm, note=ENDED_NOTE, evidence=evidence, told_at=now)
        effects.append(Announce("alarm.updated", alarm))
    return replace(vehicle, suppressed=suppressed), tuple(effects)


def present(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> list[tuple[str, datetime]]:
    """Causes that an ended mode leaves unrestored, with the time of their first trigger."""
    found = {cause: at for cause, at in mode.found.items() if _still(cause, vehicle, at, now)}
    return list({**found, **mode.unrestored}.items())


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When gathered triggers must be told."""
    return [alarm.told_at + GATHER_FOR for alarm in vehicle.suppressed.values() if alarm.gathering]


def _still(cause: str, vehicle: Vehicle, at: datetime, now: datetime) -> bool:
    """What the gateway found itself has no ``restored``: the situation says whether it goes on."""
    situation = vehicle.past.now
    if cause == "supervision_lost":
        return vehicle.heard_at is None or vehicle.heard_at <= at
    if cause == "car_alarm":
        return situation.siren is not None and situation.siren.active
    if cause == "towed":
        parking = situation.parking
        return situation.ignition_on is False and parking is not None and parking.beyond is not None
    if cause not in MOVEMENTS:
        return situation.ignition_on is not False
    stated = situation.moving_stated
    moves = situation.moving_since is not None and stated is not None
    if not moves or stated is None or now > stated.received_at + MOVEMENT_HOLDS:
        return False
    return cause != "driver_card_missing" or situation.driver_gone_since(vehicle.counting_cards) is not None


def _new(vehicle: Vehicle, held: Held, verdict: Suppressed, now: datetime) -> tuple[Vehicle, Alarm]:
    number = vehicle.alarms_made + 1
    why = said.evidence(now, verdict.why)
    alarm = Alarm(
        alarm_id=identity(vehicle.vin, "alarm", number, now),
        vin=vehicle.vin,
        cause=held.cause,
        state="suppressed",
        case_id=None,
        occurred_at=held.occurred_at,
        received_at=held.received_at,
        raised_at=now,
        late=held.late,
        clock_suspect=held.clock_suspect,
        position=vehicle.position,
        suppressed_by=verdict.mode.mode_id,
        count=max(1, len(held.event_ids)),
        evidence=(*held.evidence, why)[-MAX_EVIDENCE:],
        told_at=now,
    )
    return replace(vehicle, alarms_made=number), alarm


def _told(alarm: Alarm, now: datetime) -> tuple[Alarm, Announce]:
    event_ids = alarm.gathered
    alarm = replace(alarm, gathered=(), gathering=False, told_at=now)
    return alarm, Announce("alarm.suppressed", alarm, event_ids)
