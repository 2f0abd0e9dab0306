"""
What people, time and driving do to special modes. Pure: a vehicle in, a vehicle and what follows out.

Rules of this file:

1. A refusal changes nothing but the count of wrong answers, and stands in the audit trail.
2. Whoever may be told is told at start, change and end; why a workshop mode ended by itself is no owner's
   news, because the alarm that it makes is silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain import said, security_code, suppression
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Audited, Effect, Notify, Refused
from gateway.domain.identity import identity
from gateway.domain.outcome import Found, Outcome, Part
from gateway.domain.people.common import CALL_SOC, users_of
from gateway.domain.proof import LOCKED, Answer, prove
from gateway.domain.services import special_modes as modes
from gateway.domain.services.special_modes import INSTALLATION, EndedBy, SpecialMode
from gateway.domain.signals import (
    LATE,
    Challenged,
    EndMode,
    Ignition,
    Located,
    Movement,
    Place,
    Position,
    SetMode,
    Software,
    TheftSensor,
    names_another_owner,
)
from gateway.domain.situation import MOVEMENT_HOLDS
from gateway.domain.vehicle import Vehicle

PURPOSE = "special_mode"
QUIET_AFTER_LOCK = timedelta(minutes=10)
ENDED_BY_DRIVING = ("transport", INSTALLATION)
MAX_INSTALLATIONS_A_DAY = 2


# -- people -----------------------------------------------------------------------------------------------


def challenged(vehicle: Vehicle, fact: Challenged, now: datetime) -> Outcome:
    """Remember what a person was asked; who is locked out is asked nothing."""
    if security_code.locked_until(vehicle.code_guard, fact.user, now) is not None:
        details = {"user": fact.user, "purpose": fact.purpose, "code": LOCKED.code}
        return Outcome(vehicle, (LOCKED, Audited(fact.user, "challenge.refused", details)))
    guard = security_code.ask(vehicle.code_guard, fact.challenge, fact.user, fact.purpose, now)
    return Outcome(replace(vehicle, code_guard=guard))


def set_mode(vehicle: Vehicle, fact: SetMode, now: datetime) -> Outcome:
    """Start a mode, set a new end of a running one, or say why not."""
    wrong = _malformed(fact)
    if wrong is not None:
        return _refuse(vehicle, fact, wrong)
    if fact.role == "workshop":
        return _requested(vehicle, fact, now)
    if fact.role == "main_user":
        allowed = _main_user_may(vehicle, fact, now)
        if allowed.effects:
            return allowed
        vehicle = allowed.vehicle
    return _start(vehicle, fact, now)


def end_mode(vehicle: Vehicle, fact: EndMode, now: datetime) -> Outcome:
    """End a mode by its setter or by an operator."""
    mode = vehicle.modes.of(fact.mode)
    if mode is None or fact.mode not in modes.MODES:
        return _refuse(vehicle, fact, Refused("unknown_mode", f"No {fact.mode} mode is running."))
    is_setter = mode.role == fact.role and mode.user == fact.user
    if fact.role != "operator" and not is_setter:
        detail = "An operator has set this mode: ask the SOC to end it."
        return _refuse(vehicle, fact, Refused("not_authorised", detail))
    return end(vehicle, mode, "operator" if fact.role == "operator" else "setter", fact.by, now)


def _malformed(fact: SetMode) -> Refused | None:
    if fact.mode not in modes.MODES:
        return Refused("unknown_mode", f"There is no mode {fact.mode}.")
    duration = _duration(fact)
    if not timedelta(seconds=1) <= duration <= modes.longest(fact.mode, fact.role):
        most_h = modes.longest(fact.mode, fact.role).total_seconds() / 3600
        return Refused("invalid_request", f"duration_s: from 1 second to {most_h:g} hours.")
    if fact.place is not None and not modes.is_place(fact.place):
        return Refused("invalid_request", "place: a latitude, a longitude, and a radius of 50 to 2000 m.")
    return None


def _duration(fact: SetMode, request: modes.Request | None = None) -> timedelta:
    stated_s = fact.duration_s
    if stated_s is None and request is not None:
        stated_s = request.duration_s
    return modes.MODES[fact.mode].default if stated_s is None else timedelta(seconds=stated_s)


def _requested(vehicle: Vehicle, fact: SetMode, now: datetime) -> Outcome:
    """A workshop may ask; nothing is suppressed before the main user agrees."""
    if fact.mode != "workshop":
        return _refuse(vehicle, fact, Refused("not_authorised", "A workshop asks for workshop mode only."))
    request = modes.Request(
        by=fact.by, at=now, reason=fact.reason, duration_s=fact.duration_s, place=fact.place
    )
    vehicle = replace(vehicle, modes=replace(vehicle.modes, request=request))
    data = {"mode": fact.mode, "by": fact.by}
    told = _tell(vehicle, "requested", data)
    return Outcome(vehicle, (*told, _audited(fact.by, "mode.requested", fact)))


def _main_user_may(vehicle: Vehicle, fact: SetMode, now: datetime) -> Outcome:
    """The vehicle with the challenge used up; with effects if the answer is no."""
    user = fact.user or fact.by
    if names_another_owner(vehicle.registration, fact.user):
        detail = "The registry names another main user."
        return _refuse(vehicle, fact, Refused("not_authorised", detail))
    if vehicle.stolen:
        return _refuse(vehicle, fact, CALL_SOC, "stolen")
    if any(BY_NAME[cause].cause_class == "theft" for cause in vehicle.alarms):
        return _refuse(vehicle, fact, CALL_SOC, "open theft alarm")
    if security_code.locked_within(vehicle.code_guard, QUIET_AFTER_LOCK, now):
        return _refuse(vehicle, fact, CALL_SOC, "code lock-out")
    registration = vehicle.registration
    if fact.needs_code or (registration is not None and registration.security_code_key is not None):
        checked = _code(vehicle, fact, user, now)
        if checked.effects:
            return checked
        vehicle = checked.vehicle
    request = _request_of(vehicle, fact, now)
    if not modes.within_limit(vehicle.modes.starts, fact.mode, _duration(fact, request), now):
        most_h = modes.MODES[fact.mode].main_user.total_seconds() / 3600
        detail = f"At most {modes.MAX_STARTS_A_DAY} starts and {most_h:g} hours in any 24 hours."
        return _refuse(vehicle, fact, Refused("mode_limit", detail))
    return Outcome(vehicle)


def _code(vehicle: Vehicle, fact: SetMode, user: str, now: datetime) -> Outcome:
    missing = None if fact.answered else "Ask for a challenge and answer it with the security code."
    answer = Answer(user, PURPOSE, fact.challenge, missing)
    return prove(vehicle, answer, now, lambda left, refused, cause: _refuse(left, fact, refused, cause))


def _request_of(vehicle: Vehicle, fact: SetMode, now: datetime) -> modes.Request | None:
    """A workshop's request that the main user grants with this act."""
    request = vehicle.modes.request
    granted = fact.mode == "workshop" and fact.role == "main_user"
    return request if request and granted and now - request.at < modes.REQUEST_LIVES else None


def _start(vehicle: Vehicle, fact: SetMode, now: datetime) -> Outcome:
    known, kept = vehicle.modes.of(fact.mode), vehicle.modes
    request = _request_of(vehicle, fact, now)
    ends_at = now + _duration(fact, request)
    mode = known or _new(vehicle, fact.mode, fact.by, ends_at, now)
    mode = replace(
        _placed(vehicle, mode, fact.place or (request.place if request else None), now),
        set_at=now,
        ends_at=ends_at,
        set_by=fact.by,
        role=fact.role,
        user=fact.user,
        reason=fact.reason,
        requested_by=request.by if request else mode.requested_by,
        reminded=False,
    )
    kept = replace(modes.put(kept, mode), made=kept.made + (known is None))
    if request is not None:
        kept = replace(kept, request=None)
    if fact.role == "main_user":
        kept = replace(kept, starts=modes.started(kept.starts, fact.mode, now, ends_at))
    code = "started" if known is None else "changed"
    return _said(replace(vehicle, modes=kept), mode, code, fact.by)


def _new(vehicle: Vehicle, mode: str, by: str, ends_at: datetime, now: datetime) -> SpecialMode:
    return SpecialMode(
        mode_id=identity(vehicle.vin, "mode", vehicle.modes.made + 1, now),
        mode=mode,
        starts_at=now,
        set_at=now,
        ends_at=ends_at,
        set_by=by,
        role="gateway",
    )


def _placed(vehicle: Vehicle, mode: SpecialMode, place: Place | None, now: datetime) -> SpecialMode:
    """The stated place, else the running mode's, else a circle around a position of the last hour."""
    known = vehicle.position
    fresh = known is not None and timedelta(0) <= now - known.at <= modes.POSITION_COUNTS_FOR
    if place is None and mode.place is not None:
        return mode
    if place is None and known is not None and fresh:
        place = Place(known.latitude, known.longitude, modes.DEFAULT_RADIUS_M, derived=True)
    mode = replace(mode, place=place, whereabouts=modes.Whereabouts())
    if known is None or not fresh:
        return mode
    mode = modes.look(mode, Position(known.latitude, known.longitude, known.accuracy_m), known.at)
    away = mode.whereabouts.inside is False
    return replace(mode, whereabouts=replace(mode.whereabouts, away=away))


# -- time and driving -------------------------------------------------------------------------------------


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
    mode = _new(vehicle, INSTALLATION, "gateway", now + modes.KINDS[INSTALLATION].default, now)
    mode = replace(mode, reason=fact.package_id)
    kept = replace(modes.put(kept, mode), made=kept.made + 1)
    return _said(replace(vehicle, modes=kept), mode, "started", "gateway")


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
    told = _said(replace(vehicle, held_back=held_back), mode, "ended", by, why)
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
    return Outcome(vehicle, _tell(vehicle, "reminder", _data(mode)))


# -- telling ----------------------------------------------------------------------------------------------


def _said(vehicle: Vehicle, mode: SpecialMode, code: str, by: str, why: EndedBy | None = None) -> Outcome:
    """Tell everyone of the vehicle, and the audit trail more."""
    details = {**_data(mode), "role": mode.role, "set_by": mode.set_by, "reason": mode.reason}
    if why is not None:
        details |= {"why": why, "held_back": mode.suppressed}
    if mode.requested_by is not None:
        details["requested_by"] = mode.requested_by
    told: tuple[Effect, ...] = ()
    if mode.mode in modes.MODES:
        told = _tell(vehicle, code, _data(mode))
    return Outcome(vehicle, (*told, Audited(by, f"mode.{code}", details)))


def _data(mode: SpecialMode) -> dict[str, Any]:
    return {"mode_id": mode.mode_id, "mode": mode.mode, "ends_at": mode.ends_at}


def _tell(vehicle: Vehicle, code: str, data: dict[str, Any]) -> tuple[Notify, ...]:
    registration = vehicle.registration
    if registration is None or registration.main_user is None:
        return ()
    return tuple(Notify(user, "special_mode", code, data) for user in users_of(registration))


def _refuse(
    vehicle: Vehicle, fact: SetMode | EndMode, refused: Refused, true_cause: str | None = None
) -> Outcome:
    """The person hears the code; the audit trail the true cause."""
    audited = _audited(fact.by, "mode.refused", fact)
    details = {**audited.details, "code": refused.code, "cause": true_cause or refused.detail}
    return Outcome(vehicle, (refused, replace(audited, details=details)))


def _audited(actor: str, action: str, fact: SetMode | EndMode) -> Audited:
    details: dict[str, Any] = {"mode": fact.mode, "role": fact.role}
    if isinstance(fact, SetMode):
        details |= {"reason": fact.reason, "duration_s": fact.duration_s}
    return Audited(actor, action, details)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """Every time at which a mode, or what it holds back, asks for a look."""
    if not vehicle.modes.running and not vehicle.suppressed:
        return []
    return modes.wakes(vehicle.modes) + suppression.wakes(vehicle)


PART = Part(
    acts={SetMode: set_mode, EndMode: end_mode, Challenged: challenged},
    watches=(Movement, Ignition, Located, TheftSensor),
    watch=watch,
    expire=expire,
    wakes=wakes,
)
INSTALLATIONS = Part(watches=(Software,), watch=installing)
