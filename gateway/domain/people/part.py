"""How people's acts take part in the fold."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

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


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """A hand-over lapses, and contacts that were kept are let go."""
    past = vehicle.people.past_contacts
    if past and past[0].until <= now:
        people = replace(vehicle.people, past_contacts=tuple(one for one in past if now < one.until))
        vehicle = replace(vehicle, people=people)
        return transfer.expire(vehicle, now) or Outcome(vehicle)
    return transfer.expire(vehicle, now)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When one of them does."""
    return [*transfer.wakes(vehicle), *(one.until for one in vehicle.people.past_contacts[:1])]


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
    watch=transfer.watch,
    expire=expire,
    wakes=wakes,
)
