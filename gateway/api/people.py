"""
What the routes about people share: in whose name, with which proof, and how a refusal is answered.

Rules of this file:

1. A code that is stated counts against its person before it is judged, whatever happens meanwhile.
2. A vehicle that does not exist and a wrong code are answered alike: nobody learns which VINs there are.
3. Codes are hashed off the event loop, on purpose slowly.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import structlog

from gateway.api.deps import Deps
from gateway.api.grants import Grant, decode_vehicle, grant
from gateway.api.modes import STATUS
from gateway.api.problems import Problem
from gateway.api.trail import audit
from gateway.domain.effects import Effect, Refused
from gateway.domain.people.common import PURPOSE
from gateway.domain.people.facts import Hashed, PersonAct
from gateway.domain.people.state import CODE_DIGITS, Code, fits, hashed
from gateway.domain.security_code import fitting
from gateway.domain.vehicle import Vehicle
from gateway.ports import Token
from gateway.wire.topics import is_vin

log = structlog.get_logger()

STATUSES: dict[str, int] = STATUS | {
    "not_main_user": 403,
    "code_wrong": 403,
    "code_locked": 403,
    "unknown_user": 404,
    "unknown_transfer": 404,
}
"""Refusals that are not answered 409."""
WRONG = Problem(403, "code_wrong", "The code is wrong, used up or too old.")


async def registered(deps: Deps, who: Token, vin: str) -> Grant:
    """The caller's right on a vehicle that the registry knows; else 404."""
    granted = await grant(deps, who, vin)
    if granted.registration is None:
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    return granted


def actor(deps: Deps, granted: Grant) -> dict[str, Any]:
    """Who acts, as every act states it."""
    who = granted.token
    return {"received_at": deps.clock.now(), "by": who.person, "role": who.role, "user": acting_user(granted)}


def acting_user(granted: Grant) -> str | None:
    """The user that the caller is; a main user's token for one vehicle speaks for its main user."""
    who, entry = granted.token, granted.registration
    if who.user is None and who.role == "main_user" and entry is not None:
        return entry.main_user
    return who.user


def proof(deps: Deps, granted: Grant, answer: str | None) -> dict[str, Any]:
    """What the answer to a challenge proves."""
    stored = granted.registration.security_code_key if granted.registration else None
    vehicle, who = granted.vehicle, granted.token
    key = None if answer is None or stored is None else deps.seal.open(vehicle.vin, stored)
    challenge = None
    if answer is not None and key is not None:
        challenge = fitting(
            vehicle.code_guard,
            key,
            vin=vehicle.vin,
            user=who.user or who.person,
            purpose=PURPOSE,
            answer=answer,
        )
    return {"answered": answer is not None, "challenge": challenge}


async def act(deps: Deps, vin: str, fact: PersonAct) -> tuple[Effect, ...]:
    """Decide an act; a refusal ends the request."""
    effects = await deps.acts.act(vin, fact)  # type: ignore[arg-type]  # every act is one of the facts
    check(effects)
    return effects


def check(effects: tuple[Effect, ...]) -> None:
    """End the request if the act was refused."""
    for effect in effects:
        if isinstance(effect, Refused):
            raise Problem(STATUSES.get(effect.code, 409), effect.code, effect.detail)


async def new_code() -> tuple[str, Hashed]:
    """A code to show once, and what is kept of it."""
    code, salt = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}", secrets.token_hex(16)
    return code, Hashed(salt, await asyncio.to_thread(hashed, code, salt))


async def stated(  # noqa: PLR0917  # who, what, and where it is kept
    deps: Deps,
    who: Token,
    vin: str,
    code: str,
    kind: Any,
    kept: Callable[[Vehicle, str], Code | None],
) -> None:
    """Let a person state a code; returns when it has served, else ends the request."""
    user = user_of(who)
    if who.vin not in {None, vin}:
        raise Problem(403, "not_authorised", "This token is bound to another vehicle.")
    until = await deps.store.begin_try(user, deps.clock.now())
    if until is not None:
        await _refused(deps, who, vin, "code_locked")
        raise Problem(403, "code_locked", "Too many wrong codes: try again later.")
    registration = await deps.store.registration(vin) if is_vin(vin) else None
    # Asked for whether or not there is such a vehicle: the time that it takes tells nobody.
    body = await deps.store.vehicle(vin)
    vehicle = decode_vehicle(vin, None if registration is None else body)
    found = await asyncio.to_thread(fits, kept(vehicle, user), code)
    if registration is None:
        await _refused(deps, who, vin, "code_wrong")
        raise WRONG
    fact = kind(received_at=deps.clock.now(), by=who.person, role=who.role, user=user, fits=found)
    effects = await deps.acts.act(vin, fact)
    refused = [one.code for one in effects if isinstance(one, Refused)]
    if found is not None and "code_wrong" not in refused:
        await deps.store.forgive_try(user, deps.clock.now())  # whatever else stands against it
    for code_of in refused:
        deps.on_code_refused(code_of)
    check(effects)


def named(vin: str) -> str:
    """A stated VIN as the audit trail names it: what is none may be the code in the wrong field."""
    return vin if is_vin(vin) else ""


def user_of(who: Token) -> str:
    """The user whom a token is bound to; a code serves nobody else."""
    if who.user is None:
        raise Problem(422, "invalid_request", "This needs a token that is bound to a user.")
    return who.user


async def _refused(deps: Deps, who: Token, vin: str, code: str) -> None:
    log.warning("code.refused", person=who.person, code=code)
    deps.on_code_refused(code)
    await audit(deps, who, "code.refused", named(vin), code=code)
