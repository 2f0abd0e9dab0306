"""The registry over HTTP: each field by its roles, consents, and the security code."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec
from litestar import Response, Router, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.grants import Grant, decode_vehicle, grant
from gateway.api.people import act, actor, proof, registered
from gateway.api.problems import Problem, problems
from gateway.api.registry_bodies import (
    CodeBody,
    ConsentBody,
    ConsentView,
    EntryBody,
    EntryView,
    PastContactsView,
)
from gateway.api.trail import audit
from gateway.domain.people.consents import CONSENTS
from gateway.domain.people.facts import ChangeCode, ChangeEntry, Changes, Consent
from gateway.domain.people.shapes import CODE_ROUNDS, wrong_terms
from gateway.domain.security_code import key_of
from gateway.ports import Token
from gateway.wire.topics import is_vin

_made = ResponseSpec(EntryView, description="The registry did not know the vehicle.")


@get(
    "/vehicles/{vin:str}/registry",
    operation_id="readRegistry",
    summary="Read the registry's entry",
    responses=problems(404),
)
async def read_entry(deps: FromApp, who: Caller, vin: FromPath[str]) -> EntryView:
    """What the registry says of one vehicle; every read is audited."""
    granted = await registered(deps, who, vin)
    await audit(deps, who, "registry.read", vin)
    return view(granted)


@put(
    "/vehicles/{vin:str}",
    operation_id="changeRegistry",
    summary="Change the registry",
    status_code=200,
    responses={201: _made, **problems(400, 404, 409, 413, 415, 422)},
)
async def change_entry(
    deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[EntryBody]
) -> Response[EntryView]:
    """
    Change fields of the registry; what is left out stays, and one field that may not be changed refuses all.

    Driver Cards: workshop, admin. Contacts: main user, with the security code (challenge purpose `transfer`);
    the main user is told, and the ones before are kept for 7 days. Language: main user, admin. All else:
    admin.
    Another main user ends everything of the one before, as a hand-over does.
    """
    granted, fresh = await _entry(deps, who, vin)
    changes = _changes(data)
    fact = ChangeEntry(
        changes=changes, **actor(deps, granted), **proof(deps, granted, data.challenge_response)
    )
    await act(deps, vin, fact)
    return Response(view(await registered(deps, who, vin)), status_code=201 if fresh else 200)


@put(
    "/vehicles/{vin:str}/consents/{consent:str}",
    operation_id="setConsent",
    summary="Give or take back a consent",
    status_code=200,
    responses=problems(400, 404, 413, 415, 422),
)
async def set_consent(
    deps: FromApp, who: Caller, vin: FromPath[str], consent: FromPath[str], data: JSONBody[ConsentBody]
) -> ConsentView:
    """`position`: own users may see where the vehicle is. `dealer_data`: a dealer may be given its data."""
    granted = await registered(deps, who, vin)
    if consent not in CONSENTS:
        raise Problem(404, "unknown_consent", f"There are the consents {', '.join(CONSENTS)}.")
    await act(deps, vin, Consent(consent=consent, given=data.given, **actor(deps, granted)))
    return (view(await registered(deps, who, vin)).consents or {})[consent]


@put(
    "/vehicles/{vin:str}/security-code",
    operation_id="changeSecurityCode",
    summary="Change the security code",
    status_code=200,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def change_code(deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[CodeBody]) -> EntryView:
    """
    Set another security code, proven with the old one (challenge purpose `transfer`); an admin may reset it.

    Remote access then waits until the car states `remote_access_enabled: true` anew.
    """
    granted = await registered(deps, who, vin)
    if data.security_code is not None and data.security_code_key is not None:
        raise Problem(422, "invalid_request", "security_code: state the key or the code, not both.")
    key = await _key(data)
    if key is not None:
        key = deps.seal.close(vin, key)
    if key is None and who.role != "admin":
        raise Problem(422, "invalid_request", "security_code_key: state the new code's key.")
    fact = ChangeCode(key=key, **actor(deps, granted), **proof(deps, granted, data.challenge_response))
    await act(deps, vin, fact)
    return view(await registered(deps, who, vin))


def view(granted: Grant) -> EntryView:
    """
    The entry as this caller may see it.

    A workshop has nothing to do with people, and sees what was bought only while `dealer_data` is given.
    """
    entry, people = granted.registration, granted.vehicle.people
    if entry is None:
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    workshop = granted.token.role == "workshop"
    past = [PastContactsView(list(one.contacts), one.until) for one in people.past_contacts]
    consents = {
        name: ConsentView(given, entry.consented_at.get(name)) for name, given in entry.consents.items()
    }
    return EntryView(
        vin=entry.vin,
        country=entry.country,
        model=entry.model,
        equipment=None if entry.equipment is None else list(entry.equipment),
        language=entry.language,
        soc=entry.soc,
        services={} if workshop and not entry.consents.get("dealer_data") else entry.services,
        driver_cards=list(entry.driver_cards),
        has_security_code=entry.security_code_key is not None,
        main_user=None if workshop else entry.main_user,
        secondary_users=None if workshop else list(entry.secondary_users),
        contacts=None if workshop else list(entry.contacts),
        past_contacts=None if workshop else past,
        consents=None if workshop else consents,
    )


async def _entry(deps: Deps, who: Token, vin: str) -> tuple[Grant, bool]:
    """The caller's right; an admin may name a vehicle that nobody knows yet."""
    if who.role == "admin" and is_vin(vin) and await deps.store.registration(vin) is None:
        body = await deps.store.vehicle(vin)
        if body is None and deps.vehicles.heard_at(vin) is None:
            return _nobody(who, vin), True
        return await grant(deps, who, vin), True
    return await registered(deps, who, vin), False


def _nobody(who: Token, vin: str) -> Grant:
    return Grant(who, None, decode_vehicle(vin, None))


def _changes(body: EntryBody) -> Changes:
    if body.services is not UNSET:
        wrong = wrong_terms(body.services)
        if wrong is not None:
            raise Problem(422, "invalid_request", wrong)
    users = [] if body.secondary_users is UNSET else list(body.secondary_users)
    users += [body.main_user] if isinstance(body.main_user, str) else []
    if any(is_vin(user) for user in users):
        raise Problem(422, "invalid_request", "A user must not look like a VIN.")
    if body.secondary_users is not UNSET and len(set(body.secondary_users)) < len(body.secondary_users):
        raise Problem(422, "invalid_request", "secondary_users: each once.")
    stated: dict[str, Any] = {name: getattr(body, name) for name in Changes.__struct_fields__}
    if body.contacts is not UNSET:
        stated["contacts"] = tuple(msgspec.to_builtins(one) for one in body.contacts)
    changes = Changes(**stated)
    if not changes.stated:
        raise Problem(422, "invalid_request", "State at least one field to change.")
    return changes


async def _key(body: CodeBody) -> dict[str, Any] | None:
    if body.security_code_key is not None:
        return {name: getattr(body.security_code_key, name) for name in ("salt", "rounds", "key")}
    if body.security_code is None:
        return None
    salt = secrets.token_hex(16)
    key = await asyncio.to_thread(key_of, body.security_code, salt, CODE_ROUNDS)
    return {"salt": salt, "rounds": CODE_ROUNDS, "key": key.hex()}


routes = Router("/", route_handlers=[read_entry, change_entry, set_consent, change_code], tags=["registry"])
