"""
Special modes of a vehicle: list, set, end; and the challenge that proves the security code.

What is decided, and what is not allowed, is decided in the vehicle's one fold: these routes only ask it.
"""

from __future__ import annotations

from datetime import datetime

from litestar import Response, Router, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.grants import Grant, grant
from gateway.api.mode_bodies import ChallengeBody, ChallengeView, ModeBody, ModePage, ModeView, PlaceView
from gateway.api.policy import OWNERS
from gateway.api.problems import Problem, problems
from gateway.api.trail import audit
from gateway.domain.effects import Effect, Refused
from gateway.domain.mode_acts import PURPOSE
from gateway.domain.security_code import CHALLENGE_LIVES, fitting
from gateway.domain.services.special_modes import Modes, Request, SpecialMode
from gateway.domain.signals import Challenged, EndMode, Place, SetMode
from gateway.ports import Token

STATUS: dict[str, int] = {
    "security_code_required": 403,
    "security_code_wrong": 403,
    "security_code_locked": 403,
    "not_authorised": 403,
    "invalid_request": 422,
    "unknown_mode": 404,
}
"""Refusals that are not answered 409."""


@get(
    "/vehicles/{vin:str}/special-modes",
    operation_id="listSpecialModes",
    summary="List special modes",
    responses=problems(404),
)
async def list_modes(deps: FromApp, who: Caller, vin: FromPath[str]) -> ModePage:
    """Current and past special modes of one vehicle."""
    granted = await grant(deps, who, vin)
    await audit(deps, who, "mode.listed", vin)
    modes = granted.vehicle.modes
    items = [*running(granted), *(view(one, granted) for one in reversed(modes.past))]
    return ModePage(items, None)


_pending = ResponseSpec(ModeView, description="Asked for; it begins when the main user sets it.")


@put(
    "/vehicles/{vin:str}/special-modes/{mode:str}",
    operation_id="setSpecialMode",
    summary="Set a special mode",
    status_code=201,
    responses={202: _pending, **problems(400, 404, 409, 413, 415, 422)},
)
async def set_mode(
    deps: FromApp,
    who: Caller,
    vin: FromPath[str],
    mode: FromPath[str],
    data: JSONBody[ModeBody | None] = None,
) -> Response[ModeView]:
    """
    Start a mode, or set a new end of a running one.

    The main user proves the security code where the vehicle has one. A workshop's request waits for the main
    user's.
    """
    granted, now = await _registered(deps, who, vin), deps.clock.now()
    # The default place is around the position, so the fold must know the newest.
    deps.vehicles.hand_over(vin, now)
    _check(await deps.acts.act(vin, _asked_for(deps, granted, mode, data or ModeBody(), now)))
    modes = (await grant(deps, who, vin)).vehicle.modes
    if who.role == "workshop" and modes.request is not None:
        return Response(_asked(modes.request), status_code=202)
    return Response(_set(modes, mode), status_code=201)


@delete(
    "/vehicles/{vin:str}/special-modes/{mode:str}",
    operation_id="endSpecialMode",
    summary="End a special mode",
    status_code=200,
    responses=problems(404, 409),
)
async def end_mode(deps: FromApp, who: Caller, vin: FromPath[str], mode: FromPath[str]) -> ModeView:
    """End a running mode; answers it as it ended."""
    await _registered(deps, who, vin)
    fact = EndMode(received_at=deps.clock.now(), mode=mode, by=who.person, role=who.role, user=who.user)
    _check(await deps.acts.act(vin, fact))
    granted = await grant(deps, who, vin)
    ended = next(one for one in reversed(granted.vehicle.modes.past) if one.mode == mode)
    return view(ended, granted)


@post(
    "/vehicles/{vin:str}/challenge",
    operation_id="askChallenge",
    summary="Ask for a challenge",
    status_code=200,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def challenge(
    deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[ChallengeBody]
) -> ChallengeView:
    """Get a challenge that serves once, for one purpose, for a minute."""
    granted, now = await _registered(deps, who, vin), deps.clock.now()
    key = granted.registration.security_code_key if granted.registration else None
    if data.purpose != "unlock" and who.role != "main_user":
        raise Problem(403, "not_authorised", "Only the main user may do this.")
    if key is None:
        raise Problem(409, "no_security_code", "This vehicle has no security code.")
    asked = deps.new_challenge()
    fact = Challenged(received_at=now, challenge=asked, user=_user(who), purpose=data.purpose)
    _check(await deps.acts.act(vin, fact))
    return ChallengeView(asked, str(key["salt"]), int(key["rounds"]), now + CHALLENGE_LIVES)


def running(granted: Grant) -> list[ModeView]:
    """What counts now, and what a workshop has asked for."""
    modes = granted.vehicle.modes
    asked = [] if modes.request is None else [_asked(modes.request)]
    return [*(view(one, granted) for one in modes.running), *asked]


def view(mode: SpecialMode, granted: Grant) -> ModeView:
    """A mode as this caller may see it: why it ended by itself would tell an owner of a silent alarm."""
    soc = granted.party == "soc"
    return ModeView(
        mode_id=mode.mode_id,
        mode=mode.mode,
        status="running" if mode.ended_at is None else "ended",
        starts_at=mode.starts_at,
        ends_at=mode.ends_at,
        place=_place(mode.place) if mode.place is None or _may_see(mode.place, granted) else None,
        set_by=mode.set_by,
        reason=mode.reason,
        requested_by=mode.requested_by,
        ended_at=mode.ended_at,
        ended_why=mode.ended_why if soc else None,
    )


def _asked_for(deps: Deps, granted: Grant, mode: str, body: ModeBody, now: datetime) -> SetMode:
    who, at = granted.token, body.place
    return SetMode(
        received_at=now,
        mode=mode,
        by=who.person,
        role=who.role,
        user=who.user,
        reason=body.reason,
        duration_s=body.duration_s,
        place=None if at is None else Place(at.latitude, at.longitude, at.radius_m),
        needs_code=granted.registration is not None and granted.registration.security_code_key is not None,
        answered=body.challenge_response is not None,
        challenge=_fitting(deps, granted, body.challenge_response),
    )


def _set(modes: Modes, mode: str) -> ModeView:
    """What the setter is answered: with the place, which the setter has just been trusted to set."""
    found = modes.of(mode)
    if found is None:
        raise Problem(409, "illegal_transition", "The mode ended at once: the car is being driven.")
    return ModeView(
        mode_id=found.mode_id,
        mode=found.mode,
        status="running",
        starts_at=found.starts_at,
        ends_at=found.ends_at,
        place=_place(found.place),
        set_by=found.set_by,
        reason=found.reason,
        requested_by=found.requested_by,
        ended_at=None,
        ended_why=None,
    )


def _asked(request: Request) -> ModeView:
    return ModeView(
        mode_id=None,
        mode="workshop",
        status="pending",
        starts_at=None,
        ends_at=None,
        place=_place(request.place),
        set_by=request.by,
        reason=request.reason,
        requested_by=request.by,
        ended_at=None,
        ended_why=None,
    )


def _place(place: Place | None) -> PlaceView | None:
    return None if place is None else PlaceView(place.latitude, place.longitude, place.radius_m)


def _may_see(place: Place, granted: Grant) -> bool:
    if not place.derived:
        return True
    if granted.vehicle.is_private:
        return False
    if granted.party == "owner":
        return bool(granted.registration and granted.registration.consents.get("position"))
    return granted.vehicle.case_id is not None


async def _registered(deps: Deps, who: Token, vin: str) -> Grant:
    """A vehicle that the registry does not know has no modes."""
    granted = await grant(deps, who, vin)
    if granted.registration is None:
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    return granted


def _user(who: Token) -> str:
    return who.user or who.person


def _fitting(deps: Deps, granted: Grant, answer: str | None) -> str | None:
    stored = granted.registration.security_code_key if granted.registration else None
    if answer is None or stored is None or granted.token.role not in OWNERS:
        return None
    vehicle = granted.vehicle
    key = deps.seal.open(vehicle.vin, stored)
    return (
        None
        if key is None
        else fitting(
            vehicle.code_guard,
            key,
            vin=vehicle.vin,
            user=_user(granted.token),
            purpose=PURPOSE,
            answer=answer,
        )
    )


def _check(effects: tuple[Effect, ...]) -> None:
    for effect in effects:
        if isinstance(effect, Refused):
            raise Problem(STATUS.get(effect.code, 409), effect.code, effect.detail)


routes = Router("/", route_handlers=[list_modes, set_mode, end_mode, challenge], tags=["special modes"])
