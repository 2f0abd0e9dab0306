"""
The end of one owner's time: in one step, everything of that person is gone from the vehicle.

Services, equipment and the history of alarms belong to the car and stay.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain import mode_life
from gateway.domain.effects import Notify, Register, Revoke
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import users_of
from gateway.domain.people.state import People
from gateway.domain.remote_access.actions import OWNERS
from gateway.domain.remote_access.state import RemoteAccess, user_digest
from gateway.domain.security_code import CodeGuard
from gateway.domain.services.special_modes import MODES, Modes
from gateway.domain.vehicle import Vehicle


def emptied(vehicle: Vehicle, main_user: str | None, by: str, now: datetime) -> Outcome:
    """
    The vehicle as its next main user gets it (None: nobody yet).

    Users, invitations, codes, security code, contacts, consents and taught cards are gone, special modes end,
    and remote access waits for the car.
    """
    entry = vehicle.registration
    if entry is None:
        return Outcome(vehicle)
    before = tuple(user for user in users_of(entry) if user != main_user)
    outcome = Outcome(vehicle)
    for mode in vehicle.modes.running:
        if mode.mode in MODES:
            outcome = outcome.then(mode_life.end(outcome.vehicle, mode, "transferred", by, now))
    entry = replace(
        entry,
        main_user=main_user,
        secondary_users=(),
        driver_cards=(),
        contacts=(),
        consents={},
        consented_at={},
        security_code_key=None,
        language=None,
    )
    kept = Modes(running=outcome.vehicle.modes.running, made=outcome.vehicle.modes.made)
    vehicle = replace(
        outcome.vehicle,
        registration=entry,
        people=People(owner=main_user, code_changed_at=now),
        code_guard=CodeGuard(),
        card_cells=(),
        modes=kept,
        quiet_spots=(),
        remote=without_owners(outcome.vehicle.remote),
    )
    # Whoever is no user any more hears nothing any more, this included.
    effects = tuple(one for one in outcome.effects if not isinstance(one, Notify))
    return Outcome(vehicle, (*effects, Register(entry), Revoke(before, unnamed=True)), outcome.found)


def without_owners(remote: RemoteAccess) -> RemoteAccess:
    """Commands without those of the vehicle's users: what the SOC has asked for goes on."""
    return replace(
        remote,
        open=tuple(one for one in remote.open if one.role not in OWNERS),
        done=tuple(one for one in remote.done if one.role not in OWNERS),
        remembered=tuple(one for one in remote.remembered if one.role not in OWNERS),
        refused=(),
        challenges=(),
    )


def without_user(remote: RemoteAccess, user: str) -> RemoteAccess:
    """Commands without those of one user."""
    return replace(
        remote,
        open=tuple(one for one in remote.open if one.user != user),
        done=tuple(one for one in remote.done if one.user != user),
        remembered=tuple(one for one in remote.remembered if not one.digest.startswith(user_digest(user))),
        refused=tuple(one for one in remote.refused if one.user != user),
        challenges=tuple(one for one in remote.challenges if one.user != user),
    )
