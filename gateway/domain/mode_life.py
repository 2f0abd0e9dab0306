"""
What time and driving do to special modes, and who hears of it. Pure: a vehicle in, what follows out.

Whoever may be told is told at start, change and end; why a workshop mode ended by itself is no owner's news,
because the alarm that it makes is silent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain import said, suppression
from gateway.domain.effects import Audited, Effect, Notify
from gateway.domain.identity import identity
from gateway.domain.outcome import Found, Outcome
from gateway.domain.people.common import users_of
from gateway.domain.services import special_modes as modes
from gateway.domain.services.special_modes import INSTALLATION, EndedBy, SpecialMode
from gateway.domain.signals import LATE, Ignition, Located, Movement, Software, TheftSensor
from gateway.domain.situation import MOVEMENT_HOLDS
from gateway.domain.vehicle import Vehicle

ENDED_BY_DRIVING = ("transport", INSTALLATION)
MAX_INSTALLATIONS_A_DAY = 2


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """End what is over, remind before it is, and say what runs too long."""
    if not vehicle.modes.running:
        return None
    outcome = Outcome(vehicle)
    for kind in [mode.mode for mode in vehicle.modes.running]:
        # One that ends may hand on what it holds back: each is read when its turn comes.
        mode = outcome.vehicle.modes.of(kind)
        if mode is not None:
            outcome = outcome.then(_due(outcome.vehicle, mode, now))
    return outcome


def _due(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> Outcome:
    if mode.ends_at <= now:
        return end(vehicle, mode, "time", "gateway", now)
    outcome = Outcome(vehicle)
    reminder, overdue = modes.reminder_at(mode), modes.overdue_at(mode)
    if overdue is not None and overdue <= now:
        outcome = _overdue(vehicle, mode, now)
        mode = replace(mode, overdue=True)
    if reminder is not None and reminder <= now:
        outcome = outcome.then(_remind(outcome.vehicle, mode))
    return outcome


def watch(
    vehicle: Vehicle, fact: Movement | Ignition | Located | TheftSensor, now: datetime
) -> Outcome | None:
    """What a fix, a speed or an odometer says of the places of modes; a drive ends what needs a halt."""
    if not vehicle.modes.running:
        return None
    outcome = Outcome(vehicle)
    for kind in [mode.mode for mode in vehicle.modes.running]:
        known = outcome.vehicle.modes.of(kind)
        if kind == "workshop" and known is not None and not isinstance(fact, Ignition):
            mode = _looked(known, fact)
            if mode is not known:
                vehicle = outcome.vehicle
                outcome = replace(outcome, vehicle=replace(vehicle, modes=modes.put(vehicle.modes, mode)))
            if modes.has_left(mode, now):
                outcome = outcome.then(_left(outcome.vehicle, mode, now))
        elif kind in ENDED_BY_DRIVING and known is not None and _is_driven(outcome.vehicle, known, now):
            outcome = outcome.then(end(outcome.vehicle, known, "driven", "gateway", now))
    return outcome


def installing(vehicle: Vehicle, fact: Software, now: datetime) -> Outcome | None:
    """
    A running installation switches the car's siren off by itself: an implicit mode, short and audited.

    Only a parked car installs. It ends with the installation, after an hour at the latest; a package has one,
    a day has two, so that an installation that is only stated buys a thief little.
    """
    known, newest = vehicle.modes.of(INSTALLATION), vehicle.stated.get("software")
    if vehicle.registration is None or (newest is not None and newest.at > fact.at):
        return None
    if fact.state != "installing":
        over = known is not None and known.reason == fact.package_id
        return end(vehicle, known, "finished", "gateway", now) if known and over else None
    recent = [
        one
        for one in (*vehicle.modes.past, *vehicle.modes.running)
        if one.mode == INSTALLATION and now - one.starts_at < modes.DAY
    ]
    again = any(one.reason == fact.package_id for one in recent)
    if known is not None or again or len(recent) >= MAX_INSTALLATIONS_A_DAY or now - fact.at > LATE:
        return None
    if vehicle.past.now.ignition_on or vehicle.past.now.moving_since is not None:
        return None
    kept = vehicle.modes
    mode = new_mode(vehicle, INSTALLATION, "gateway", now + modes.KINDS[INSTALLATION].default, now)
    mode = replace(mode, reason=fact.package_id)
    kept = replace(modes.put(kept, mode), made=kept.made + 1)
    return announced(replace(vehicle, modes=kept), mode, "started", "gateway")


def end(vehicle: Vehicle, mode: SpecialMode, why: EndedBy, by: str, now: datetime) -> Outcome:
    """End a mode: say what it held back, and alarm what is still there and nothing else covers."""
    mode = vehicle.modes.of(mode.mode) or mode
    vehicle = replace(vehicle, modes=modes.close(vehicle.modes, mode, why, by, now))
    vehicle, effects = suppression.let_go(vehicle, mode, now)
    found: list[Found] = []
    for cause, at in suppression.present(vehicle, mode, now):
        verdict = suppression.decide(cause, vehicle, now, now)
        if isinstance(verdict, suppression.Suppressed):
            stated, newest_at = cause in mode.unrestored, mode.newest.get(cause, at)
            vehicle = _handed_on(vehicle, verdict.mode, cause, at, stated=stated, newest_at=newest_at)
        else:
            present = said.say("held_present", mode=mode.mode.replace("_", " "))
            found.append(Found(cause, at, (said.evidence(at, present),), suppression.PRESENT_NOTE))
    covered = {cause for other in vehicle.modes.running for cause in other.unrestored}
    held_back = {cause: moment for cause, moment in vehicle.held_back.items() if cause in covered}
    told = announced(replace(vehicle, held_back=held_back), mode, "ended", by, why)
    return Outcome(told.vehicle, (*effects, *told.effects), tuple(found))


def _handed_on(
    vehicle: Vehicle, mode: SpecialMode, cause: str, at: datetime, *, stated: bool, newest_at: datetime
) -> Vehicle:
    """Another mode goes on holding it back, and raises it at its own end if it is still there."""
    mode = vehicle.modes.of(mode.mode) or mode
    mode = suppression.holding(mode, cause, at, stated=stated, newest_at=newest_at)
    return replace(vehicle, modes=modes.put(vehicle.modes, mode))


def _looked(mode: SpecialMode, fact: Movement | Located | TheftSensor) -> SpecialMode:
    if fact.at < mode.starts_at - LATE:
        return mode  # a backlog of the drive to the workshop
    if fact.position is not None:
        mode = modes.look(mode, fact.position, fact.at)
    if isinstance(fact, Movement):
        mode = modes.notice(mode, fact.speed_km_h, fact.odometer_m, fact.at)
    return mode


def _left(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> Outcome:
    seen = mode.whereabouts
    left = said.say("left_place" if seen.inside is False else "left_unseen")
    evidence = (said.evidence(seen.fix_at or now, left), said.evidence(now, said.say("left_clears")))
    outcome = end(vehicle, mode, "left_place", "gateway", now)
    return replace(outcome, found=(Found("left_workshop", now, evidence), *outcome.found))


def _is_driven(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> bool:
    """Ignition on and moving, by statements that came after the mode was set."""
    situation = vehicle.past.now
    stated = situation.moving_stated
    if situation.moving_since is None or stated is None or not situation.ignition_on:
        return False
    backlog = stated.received_at - stated.at > LATE and stated.at < mode.starts_at
    heard = mode.starts_at <= stated.received_at and now <= stated.received_at + MOVEMENT_HOLDS
    return heard and not backlog


def _overdue(vehicle: Vehicle, mode: SpecialMode, now: datetime) -> Outcome:
    vehicle = replace(vehicle, modes=modes.put(vehicle.modes, replace(mode, overdue=True)))
    text = said.say("mode_overdue", mode=mode.mode, who=mode.set_by)
    return Outcome(vehicle, found=(Found("mode_overdue", now, (said.evidence(now, text),)),))


def _remind(vehicle: Vehicle, mode: SpecialMode) -> Outcome:
    kept = modes.put(vehicle.modes, replace(mode, reminded=True))
    vehicle = replace(vehicle, modes=kept)
    return Outcome(vehicle, tell(vehicle, "reminder", _data(mode)))


def new_mode(vehicle: Vehicle, mode: str, by: str, ends_at: datetime, now: datetime) -> SpecialMode:
    """A mode that starts now, set by the gateway until somebody is named."""
    return SpecialMode(
        mode_id=identity(vehicle.vin, "mode", vehicle.modes.made + 1, now),
        mode=mode,
        starts_at=now,
        set_at=now,
        ends_at=ends_at,
        set_by=by,
        role="gateway",
    )


def announced(vehicle: Vehicle, mode: SpecialMode, code: str, by: str, why: EndedBy | None = None) -> Outcome:
    """Tell everyone of the vehicle, and the audit trail more."""
    details = {**_data(mode), "role": mode.role, "set_by": mode.set_by, "reason": mode.reason}
    if why is not None:
        details |= {"why": why, "held_back": mode.suppressed}
    if mode.requested_by is not None:
        details["requested_by"] = mode.requested_by
    told: tuple[Effect, ...] = ()
    if mode.mode in modes.MODES:
        told = tell(vehicle, code, _data(mode))
    return Outcome(vehicle, (*told, Audited(by, f"mode.{code}", details)))


def _data(mode: SpecialMode) -> dict[str, Any]:
    return {"mode_id": mode.mode_id, "mode": mode.mode, "ends_at": mode.ends_at}


def tell(vehicle: Vehicle, code: str, data: dict[str, Any]) -> tuple[Notify, ...]:
    """Notices to everyone who may use the vehicle; none while it has no main user."""
    registration = vehicle.registration
    if registration is None or registration.main_user is None:
        return ()
    return tuple(Notify(user, "special_mode", code, data) for user in users_of(registration))


def wakes(vehicle: Vehicle) -> list[datetime]:
    """Every time at which a mode, or what it holds back, asks for a look."""
    if not vehicle.modes.running and not vehicle.suppressed:
        return []
    return modes.wakes(vehicle.modes) + suppression.wakes(vehicle)
