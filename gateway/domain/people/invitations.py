"""
Secondary users: invited by the main user, at most five with the invitations, removed at once.

An invitation names its person, so a code that strays serves nobody else; of several for one person the last
one counts.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.effects import Effect, Refused, Register, Revoke
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import done, is_main_user, locked, refuse, tell, wrong_code
from gateway.domain.people.facts import Invite, Join, RemoveUser
from gateway.domain.people.handing_over import without_user
from gateway.domain.people.state import INVITATION_LIVES, MAX_SECONDARY_USERS, Code, is_open
from gateway.domain.security_code import Tries
from gateway.domain.vehicle import Vehicle

NOT_MAIN_USER = Refused("not_main_user", "Only the vehicle's main user may do this.")


def invite(vehicle: Vehicle, fact: Invite, now: datetime) -> Outcome:
    """Make an invitation; an earlier one of this person serves no more."""
    entry, people = vehicle.registration, vehicle.people
    if entry is None or not is_main_user(vehicle, fact):
        return refuse(vehicle, fact, NOT_MAIN_USER)
    if fact.invited in {entry.main_user, *entry.secondary_users}:
        return refuse(vehicle, fact, Refused("invalid_request", "user: uses the vehicle already."))
    others = tuple(one for one in people.invitations if one.user != fact.invited and now < one.expires_at)
    if len(others) + len(entry.secondary_users) >= MAX_SECONDARY_USERS:
        detail = f"At most {MAX_SECONDARY_USERS} secondary users, invited ones included."
        return refuse(vehicle, fact, Refused("too_many_users", detail))
    code = Code(fact.code, fact.user or fact.by, now, now + INVITATION_LIVES, fact.invited)
    vehicle = replace(vehicle, people=replace(people, invitations=(*others, code)))
    return done(vehicle, fact, action="invitation.made", user=fact.invited)


def invitation_of(vehicle: Vehicle, user: str | None) -> Code | None:
    """The invitation that names this person."""
    return next((one for one in vehicle.people.invitations if one.user == user), None)


def join(vehicle: Vehicle, fact: Join, now: datetime) -> Outcome:
    """Become a secondary user with the code of an invitation."""
    held = locked(vehicle, fact, now)
    if held is not None:
        return held
    entry, people, code = vehicle.registration, vehicle.people, invitation_of(vehicle, fact.user)
    stale = code is None or entry is None or code.by != entry.main_user
    if entry is None or fact.user is None or stale or not is_open(code, fact.fits, fact.user, now):
        return wrong_code(vehicle, fact, now, "no invitation" if stale else "wrong or too old")
    left = tuple(one for one in people.invitations if one.user != fact.user)
    vehicle = replace(vehicle, people=replace(people, invitations=left, tries=Tries("")))
    if len(entry.secondary_users) >= MAX_SECONDARY_USERS:
        detail = f"The vehicle has {MAX_SECONDARY_USERS} secondary users already."
        return refuse(vehicle, fact, Refused("too_many_users", detail))
    entry = replace(entry, secondary_users=(*entry.secondary_users, fact.user))
    told = tell((entry.main_user, fact.user), "user_joined", user=fact.user)
    return done(replace(vehicle, registration=entry), fact, Register(entry), *told, action="user.joined")


def remove(vehicle: Vehicle, fact: RemoveUser, now: datetime) -> Outcome:  # noqa: ARG001  # an act takes the time
    """End a secondary user's rights, or an invitation, at once."""
    entry, people = vehicle.registration, vehicle.people
    allowed = fact.role == "admin" or is_main_user(vehicle, fact) or fact.user == fact.removed
    if entry is None or not allowed:
        return refuse(vehicle, fact, NOT_MAIN_USER)
    invitations = tuple(one for one in people.invitations if one.user != fact.removed)
    known = fact.removed in entry.secondary_users
    if not known and len(invitations) == len(people.invitations):
        return refuse(
            vehicle, fact, Refused("unknown_user", "There is no such secondary user or invitation.")
        )
    vehicle = replace(vehicle, people=replace(people, invitations=invitations))
    if not known:
        return done(vehicle, fact, action="invitation.taken_back", user=fact.removed)
    left = tuple(user for user in entry.secondary_users if user != fact.removed)
    entry = replace(entry, secondary_users=left)
    remote = without_user(vehicle.remote, fact.removed)
    vehicle = replace(vehicle, registration=entry, remote=remote)
    told = tell((entry.main_user,), "user_removed", user=fact.removed)
    effects: tuple[Effect, ...] = (Register(entry), Revoke((fact.removed,)), *told)
    return done(vehicle, fact, *effects, action="user.removed", user=fact.removed)
