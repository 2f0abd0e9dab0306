"""
What people do to special modes. Pure: a vehicle in, a vehicle and what follows out.

A refusal changes nothing but the count of wrong answers, and stands in the audit trail.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain import security_code
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Audited, Refused
from gateway.domain.mode_life import announced, end, expire, installing, new_mode, tell, wakes, watch
from gateway.domain.outcome import Outcome, Part
from gateway.domain.people.common import CALL_SOC
from gateway.domain.proof import LOCKED, Answer, prove
from gateway.domain.services import special_modes as modes
from gateway.domain.services.special_modes import SpecialMode
from gateway.domain.signals import (
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
from gateway.domain.vehicle import Vehicle

PURPOSE = "special_mode"
QUIET_AFTER_LOCK = timedelta(minutes=10)


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
    told = tell(vehicle, "requested", data)
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
    mode = known or new_mode(vehicle, fact.mode, fact.by, ends_at, now)
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
    return announced(replace(vehicle, modes=kept), mode, code, fact.by)


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


PART = Part(
    acts={SetMode: set_mode, EndMode: end_mode, Challenged: challenged},
    watches=(Movement, Ignition, Located, TheftSensor),
    watch=watch,
    expire=expire,
    wakes=wakes,
)
INSTALLATIONS = Part(watches=(Software,), watch=installing)
