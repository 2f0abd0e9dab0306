"""How people's acts take part in the fold."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.effects import Revoke
from gateway.domain.outcome import Outcome, Part
from gateway.domain.people import invitations, pairing, transfer
from gateway.domain.people.code_change import change_code
from gateway.domain.people.consents import set_consent
from gateway.domain.people.entry import change_entry
from gateway.domain.people.erasure import erase
from gateway.domain.people.facts import (
    AcceptTransfer,
    CancelTransfer,
    ChangeCode,
    ChangeEntry,
    Consent,
    EraseUser,
    Invite,
    Join,
    MakePairingCode,
    Pair,
    RemoveUser,
    StartTransfer,
)
from gateway.domain.signals import Close, Mode, Registered
from gateway.domain.vehicle import Vehicle


def watch(vehicle: Vehicle, fact: Mode | Close | Registered, now: datetime) -> Outcome | None:
    """Another main user by an import ends what was given to the one before; the rest is the hand-over's."""
    outcome = _followed(vehicle) if isinstance(fact, Registered) else Outcome(vehicle)
    following = transfer.watch(outcome.vehicle, fact, now)
    return outcome if following is None else outcome.then(following)


def _followed(vehicle: Vehicle) -> Outcome:
    entry, before = vehicle.registration, vehicle.people.owner
    if entry is None or entry.main_user == before:
        return Outcome(vehicle)  # an entry that can't be read ends nobody's rights for good
    owner = entry.main_user
    vehicle = replace(vehicle, people=replace(vehicle.people, owner=owner))
    return Outcome(vehicle, () if before is None else (Revoke((before,), unnamed=True),))


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """A hand-over lapses; codes that are over, whom they named, and contacts of last week are let go."""
    people = vehicle.people
    pairing = people.pairing
    left = replace(
        people,
        pairing=None if pairing is not None and pairing.expires_at <= now else pairing,
        invitations=tuple(one for one in people.invitations if now < one.expires_at),
        past_contacts=tuple(one for one in people.past_contacts if now < one.until),
    )
    if left == people:
        return transfer.expire(vehicle, now)
    vehicle = replace(vehicle, people=left)
    return transfer.expire(vehicle, now) or Outcome(vehicle)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When one of them is over."""
    people = vehicle.people
    if not (people.transfer or people.pairing or people.invitations or people.past_contacts):
        return []  # nearly always
    times = transfer.wakes(vehicle)
    if people.pairing is not None:
        times.append(people.pairing.expires_at)
    times += [one.expires_at for one in people.invitations]
    times += [one.until for one in people.past_contacts]
    return times


PART = Part(
    acts={
        Consent: set_consent,
        ChangeEntry: change_entry,
        ChangeCode: change_code,
        MakePairingCode: pairing.make_code,
        Pair: pairing.pair,
        Invite: invitations.invite,
        Join: invitations.join,
        RemoveUser: invitations.remove,
        StartTransfer: transfer.start,
        AcceptTransfer: transfer.accept,
        CancelTransfer: transfer.cancel,
        EraseUser: erase,
    },
    watches=(Mode, Close, Registered),
    watch=watch,
    expire=expire,
    wakes=wakes,
)
