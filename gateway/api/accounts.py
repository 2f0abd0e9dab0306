"""A person's own data: shown as one document, and erased. Evidence of alarms has a retention of its own."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from litestar import Response, Router, delete, get
from litestar.params import FromPath

from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.grants import decode_vehicle
from gateway.api.people import STATUSES
from gateway.api.problems import Problem, problems
from gateway.api.registry_bodies import ErasedView, ExportView
from gateway.api.trail import audit
from gateway.domain.effects import Refused
from gateway.domain.people.common import CALL_SOC, theft_of
from gateway.domain.people.facts import EraseUser
from gateway.domain.signals import Registration
from gateway.ports import AuditEntry, Token

SECRETS = frozenset({"key", "security_code_key", "code", "fits", "challenge", "challenge_response", "answer"})
"""Fields of the journal that are no business of an export, hashed as they are."""
MAX_JOURNAL = 10_000


@get(
    "/users/{user:str}/export",
    operation_id="exportUser",
    summary="Export a person's data",
    responses=problems(404),
)
async def export(deps: FromApp, who: Caller, user: FromPath[str]) -> Response[ExportView]:
    """Everything held about a person, as one JSON document; for that person or an admin."""
    _own(who, user)
    held = await deps.store.held_of(user)
    journal = await deps.store.mentions(user)
    vehicles = [await _vehicle(deps, vin, user) for vin in await _vehicles(deps, user)]
    if not any((*held.values(), journal, vehicles)):
        raise _unknown()
    now = deps.clock.now()
    await deps.store.audit([AuditEntry(now, who.person, "user.exported", _digest(user), {"role": who.role})])
    facts = [
        {"vin": one.vin, "kind": one.kind, "fact": _plain(msgspec.json.decode(one.body))}
        for one in journal[-MAX_JOURNAL:]
    ]
    document = ExportView(user=user, exported_at=now, vehicles=vehicles, journal=facts, **held)
    headers = {"Content-Disposition": 'attachment; filename="export.json"'}
    return Response(document, headers=headers)


@delete(
    "/users/{user:str}",
    operation_id="eraseUser",
    summary="Delete an account",
    status_code=200,
    responses=problems(404, 409),
)
async def erase(deps: FromApp, who: Caller, user: FromPath[str]) -> ErasedView:
    """
    Erase what belongs to a person: rights, invitations, tokens, notifications, journal.

    Alarms and the audit trail stay for their own retention. 409 `call_soc` while a vehicle whose main user
    this is has an open theft alarm: no stolen car is left without an owner.
    """
    _own(who, user)
    vins = await _vehicles(deps, user)
    held = await deps.store.held_of(user)
    journal = await deps.store.mentions(user)
    if not any((*held.values(), journal, vins)):
        raise _unknown()
    for vin in vins:  # first all, so that a refusal leaves everything as it was
        await _check_no_theft(deps, who, user, vin)
    now = deps.clock.now()
    for vin in vins:
        fact = EraseUser(received_at=now, by=who.role, role=who.role, user=who.user, erased=user)
        for effect in await deps.acts.act(vin, fact):
            if isinstance(effect, Refused):
                raise Problem(STATUSES.get(effect.code, 409), effect.code, effect.detail)
    mentioned = [one.n for one in await deps.store.mentions(user)]
    details = {"role": who.role, "vehicles": len(vins), "journal_entries": len(mentioned)}
    entry = AuditEntry(now, who.role, "user.erased", _digest(user), details)
    await deps.store.erase(user, mentioned, entry)
    return ErasedView(vins, len(mentioned))


def _own(who: Token, user: str) -> None:
    """Another person's account is answered as one that does not exist; it takes a token for all vehicles."""
    if who.vin is not None:
        raise Problem(403, "not_authorised", "This needs a token that is bound to no vehicle.")
    if who.role != "admin" and who.user != user:
        raise _unknown()


def _unknown() -> Problem:
    return Problem(404, "unknown_user", "There is no such user.")


async def _vehicles(deps: Deps, user: str) -> list[str]:
    vins = {vin for vin, _ in await deps.store.vehicles_of(user)}
    return sorted(vins | set(await deps.store.involved(user)))


async def _check_no_theft(deps: Deps, who: Token, user: str, vin: str) -> None:
    entry = await deps.store.registration(vin)
    cause = theft_of(decode_vehicle(vin, await deps.store.vehicle(vin)))
    if cause is None or entry is None or entry.main_user != user:
        return
    await audit(deps, who, "user.erasure.refused", vin, code=CALL_SOC.code, cause=cause)
    raise Problem(409, CALL_SOC.code, CALL_SOC.detail)


async def _vehicle(deps: Deps, vin: str, user: str) -> dict[str, Any]:
    entry = await deps.store.registration(vin)
    people = decode_vehicle(vin, await deps.store.vehicle(vin)).people
    found: dict[str, Any] = {"vin": vin, "role": _role(entry, user)}
    if entry is not None and entry.main_user == user:
        found["entry"] = _plain(msgspec.to_builtins(entry))
        found["past_contacts"] = [msgspec.to_builtins(one) for one in people.past_contacts]
    if any(one.user == user for one in people.invitations):
        found["invited"] = True
    transfer = people.transfer
    if transfer is not None and user in {transfer.from_user, transfer.to_user}:
        found["transfer"] = {"from_user": transfer.from_user, "to_user": transfer.to_user}
    return found


def _role(entry: Registration | None, user: str) -> str | None:
    if entry is None:
        return None
    if entry.main_user == user:
        return "main_user"
    return "secondary_user" if user in entry.secondary_users else None


def _plain(value: Any) -> Any:
    """A stored value without secrets."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name not in SECRETS}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _digest(user: str) -> str:
    """How the audit trail, which keeps longer than an account, names one that is gone."""
    return f"user:{sha256(user.encode()).hexdigest()[:16]}"


routes = Router("/", route_handlers=[export, erase], tags=["ownership"])
