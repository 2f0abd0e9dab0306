"""A person's account is deleted: nothing of the person stays with the vehicle; evidence of alarms does."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.effects import Register, Revoke
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import CALL_SOC, done, refuse, theft_of
from gateway.domain.people.facts import EraseUser
from gateway.domain.people.handing_over import emptied, without_user
from gateway.domain.vehicle import Vehicle

ERASED = "erased"


def erase(vehicle: Vehicle, fact: EraseUser, now: datetime) -> Outcome:
    """Take a person out; a main user's vehicle is emptied. Never while that would orphan a stolen car."""
    entry, gone = vehicle.registration, fact.erased
    outcome = Outcome(vehicle)
    if entry is not None and entry.main_user == gone:
        cause = theft_of(vehicle)
        if cause is not None:
            return refuse(vehicle, fact, CALL_SOC, cause)
        outcome = emptied(vehicle, None, fact.by, now)
    elif entry is not None and gone in entry.secondary_users:
        entry = replace(entry, secondary_users=tuple(one for one in entry.secondary_users if one != gone))
        outcome = Outcome(replace(vehicle, registration=entry), (Register(entry), Revoke((gone,))))
    cleaned = done(_cleaned(outcome.vehicle, gone), fact, action="user.erased")
    return outcome.then(cleaned)


def _cleaned(vehicle: Vehicle, gone: str) -> Vehicle:
    people, guard, modes = vehicle.people, vehicle.code_guard, vehicle.modes
    transfer = people.transfer
    if transfer is not None and gone in {transfer.from_user, transfer.to_user}:
        transfer = None
    people = replace(
        people,
        transfer=transfer,
        invitations=tuple(one for one in people.invitations if gone not in {one.user, one.by}),
    )
    guard = replace(
        guard,
        challenges=tuple(one for one in guard.challenges if one.user != gone),
        people=tuple(one for one in guard.people if one.user != gone),
    )
    past = tuple(
        replace(one, user=None, set_by=ERASED, reason="") if one.user == gone else one for one in modes.past
    )
    return replace(
        vehicle,
        people=people,
        code_guard=guard,
        modes=replace(modes, past=past),
        quiet_spots=(),
        remote=without_user(vehicle.remote, gone),
    )
