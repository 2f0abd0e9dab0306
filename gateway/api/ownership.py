"""Pairing, secondary users, and hand-over of a vehicle. What is allowed is decided in its one fold."""

from __future__ import annotations

from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody

from gateway.api.deps import Caller, FromApp
from gateway.api.grants import Grant
from gateway.api.people import act, actor, named, new_code, proof, registered, stated, user_of
from gateway.api.problems import Problem, problems
from gateway.api.registry_bodies import (
    InvitationView,
    InviteBody,
    MadeCode,
    RoleView,
    StatedBody,
    TransferBody,
    TransferView,
    UsersView,
)
from gateway.api.trail import audit
from gateway.domain.people.facts import (
    AcceptTransfer,
    CancelTransfer,
    Invite,
    Join,
    MakePairingCode,
    Pair,
    RemoveUser,
    StartTransfer,
)
from gateway.domain.people.invitations import invitation_of
from gateway.domain.people.state import INVITATION_LIVES, PAIRING_LIVES, Code, Transfer
from gateway.domain.vehicle import Vehicle
from gateway.ports import AuditEntry
from gateway.wire.topics import is_vin


@post(
    "/vehicles/{vin:str}/pairing-code",
    operation_id="makePairingCode",
    summary="Make a pairing code",
    status_code=201,
    responses=problems(404, 409),
)
async def make_pairing_code(deps: FromApp, who: Caller, vin: FromPath[str]) -> MadeCode:
    """Make the code that gives a vehicle its main user. It lives a day, and only the last one counts."""
    granted = await registered(deps, who, vin)
    code, kept = await new_code()
    fact = MakePairingCode(code=kept, **actor(deps, granted))
    await act(deps, vin, fact)
    return MadeCode(code, fact.received_at + PAIRING_LIVES)


@post(
    "/pairing",
    operation_id="pair",
    summary="Pair a vehicle",
    status_code=200,
    responses=problems(400, 409, 413, 415, 422),
)
async def pair(deps: FromApp, who: Caller, data: JSONBody[StatedBody]) -> RoleView:
    """Become the main user of a vehicle with its code. Wrong codes lock the person and the vehicle out."""
    known = await deps.store.registration(data.vin) if is_vin(data.vin) else None
    if who.role != "main_user" or (known is not None and who.user in known.secondary_users):
        entry = AuditEntry(
            deps.clock.now(), who.person, "code.refused", named(data.vin), {"code": "not_main_user"}
        )
        await deps.store.audit([entry])
        detail = "A secondary user can't pair a vehicle: only its main user can."
        raise Problem(403, "not_main_user", detail)
    await stated(deps, who, data.vin, data.code, Pair, lambda vehicle, _user: vehicle.people.pairing)
    return RoleView(data.vin, "main_user")


@get(
    "/vehicles/{vin:str}/users",
    operation_id="listUsers",
    summary="List a vehicle's users",
    responses=problems(404),
)
async def list_users(deps: FromApp, who: Caller, vin: FromPath[str]) -> UsersView:
    """Who may use the vehicle, who is invited, and a hand-over under way."""
    granted = await registered(deps, who, vin)
    await audit(deps, who, "users.read", vin)
    return _users(granted)


@post(
    "/vehicles/{vin:str}/invitations",
    operation_id="invite",
    summary="Invite a secondary user",
    status_code=201,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def invite(deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[InviteBody]) -> MadeCode:
    """Invite one person, for 12 hours; of several for one person the last one counts. At most five."""
    granted = await registered(deps, who, vin)
    if is_vin(data.user):
        raise Problem(422, "invalid_request", "user: must not look like a VIN.")
    code, kept = await new_code()
    fact = Invite(invited=data.user, code=kept, **actor(deps, granted))
    await act(deps, vin, fact)
    return MadeCode(code, fact.received_at + INVITATION_LIVES)


@post(
    "/joining",
    operation_id="join",
    summary="Accept an invitation",
    status_code=200,
    responses=problems(400, 409, 413, 415, 422),
)
async def join(deps: FromApp, who: Caller, data: JSONBody[StatedBody]) -> RoleView:
    """Become a secondary user with the code of one's own invitation."""
    await stated(deps, who, data.vin, data.code, Join, invitation_of)
    return RoleView(data.vin, "secondary_user")


@delete(
    "/vehicles/{vin:str}/users/{user:str}",
    operation_id="removeUser",
    summary="Remove a secondary user",
    status_code=200,
    responses=problems(404, 409),
)
async def remove_user(deps: FromApp, who: Caller, vin: FromPath[str], user: FromPath[str]) -> UsersView:
    """Remove a secondary user or an invitation; its tokens end at once. One may remove oneself."""
    granted = await registered(deps, who, vin)
    before = _users(granted)
    await act(deps, vin, RemoveUser(removed=user, **actor(deps, granted)))
    if who.user == user:
        return UsersView(vin, before.main_user, [], [], None)
    return _users(await registered(deps, who, vin))


@post(
    "/vehicles/{vin:str}/transfer",
    operation_id="startTransfer",
    summary="Hand a vehicle over",
    status_code=201,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def start_transfer(
    deps: FromApp, who: Caller, vin: FromPath[str], data: JSONBody[TransferBody]
) -> TransferView:
    """
    Begin a hand-over, proven with the security code (challenge purpose `transfer`).

    It is completed once the next main user has accepted it and the car has stated `remote_access_enabled`
    (either way) in a `mode` event later than the start; it waits while a theft alarm is open, and lapses
    after 7 days. Then everything of the main user before ends; services and the history of alarms stay.
    """
    granted = await registered(deps, who, vin)
    if is_vin(data.to_user):
        raise Problem(422, "invalid_request", "to_user: must not look like a VIN.")
    code, kept = await new_code()
    fact = StartTransfer(
        to_user=data.to_user,
        code=kept,
        **actor(deps, granted),
        **proof(deps, granted, data.challenge_response),
    )
    await act(deps, vin, fact)
    transfer = (await registered(deps, who, vin)).vehicle.people.transfer
    if transfer is None:
        raise Problem(409, "unknown_transfer", "The hand-over was called off at once.")
    return _transfer(vin, transfer, code)


@delete(
    "/vehicles/{vin:str}/transfer",
    operation_id="cancelTransfer",
    summary="Call a hand-over off",
    status_code=200,
    responses=problems(404, 409),
)
async def cancel_transfer(deps: FromApp, who: Caller, vin: FromPath[str]) -> TransferView:
    """Call a hand-over off that is under way."""
    granted = await registered(deps, who, vin)
    transfer = granted.vehicle.people.transfer
    await act(deps, vin, CancelTransfer(**actor(deps, granted)))
    if transfer is None:
        raise Problem(404, "unknown_transfer", "No hand-over is under way.")
    return TransferView(
        vin, "cancelled", transfer.to_user, transfer.code.expires_at, transfer.confirmed_at is not None
    )


@post(
    "/transfer-acceptance",
    operation_id="acceptTransfer",
    summary="Accept a hand-over",
    status_code=200,
    responses=problems(400, 409, 413, 415, 422),
)
async def accept_transfer(deps: FromApp, who: Caller, data: JSONBody[StatedBody]) -> TransferView:
    """Accept a vehicle with the code of its hand-over, as the user whom it names."""
    seen: list[Transfer] = []

    def kept(vehicle: Vehicle, _user: str) -> Code | None:
        transfer = vehicle.people.transfer
        seen.extend([] if transfer is None else [transfer])
        return None if transfer is None else transfer.code

    await stated(deps, who, data.vin, data.code, AcceptTransfer, kept)
    entry = await deps.store.registration(data.vin)
    completed = entry is not None and entry.main_user == user_of(who)
    transfer = seen[0]
    return TransferView(
        data.vin,
        "completed" if completed else "accepted",
        transfer.to_user,
        transfer.code.expires_at,
        completed or transfer.confirmed_at is not None,
    )


def _users(granted: Grant) -> UsersView:
    entry, people = granted.registration, granted.vehicle.people
    if entry is None:
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    return UsersView(
        vin=entry.vin,
        main_user=entry.main_user,
        secondary_users=list(entry.secondary_users),
        invitations=[InvitationView(one.user or "", one.expires_at) for one in people.invitations],
        transfer=None if people.transfer is None else _transfer(entry.vin, people.transfer),
    )


def _transfer(vin: str, transfer: Transfer, code: str | None = None) -> TransferView:
    status = "started" if transfer.accepted_at is None else "accepted"
    return TransferView(
        vin,
        status,  # type: ignore[arg-type]  # one of the two
        transfer.to_user,
        transfer.code.expires_at,
        transfer.confirmed_at is not None,
        code,
    )


routes = Router(
    "/",
    route_handlers=[
        make_pairing_code,
        pair,
        list_users,
        invite,
        join,
        remove_user,
        start_transfer,
        cancel_transfer,
        accept_transfer,
    ],
    tags=["ownership"],
)
