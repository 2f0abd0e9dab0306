"""
The pairing code: eight digits that bind a vehicle to its main user.

Rules of this file:

1. A code serves once, for a day, and only the last one made counts.
2. It makes a main user where there is none; it never takes a vehicle away from one.
3. A secondary user's try is refused with the true cause, and uses nothing up.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.effects import Refused, Register
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import (
    CALL_SOC,
    UNREGISTERED,
    done,
    is_main_user,
    locked,
    refuse,
    tell,
    theft_of,
    wrong_code,
)
from gateway.domain.people.facts import MakePairingCode, Pair
from gateway.domain.people.state import PAIRING_LIVES, Code, is_open
from gateway.domain.security_code import Tries
from gateway.domain.vehicle import Vehicle


def make_code(vehicle: Vehicle, fact: MakePairingCode, now: datetime) -> Outcome:
    """A new code; the one before serves no more."""
    entry = vehicle.registration
    if entry is None:
        return refuse(vehicle, fact, UNREGISTERED)
    if entry.main_user is not None:
        detail = "The vehicle has a main user: it is handed over by a transfer."
        return refuse(vehicle, fact, Refused("has_main_user", detail))
    code = Code(fact.code, fact.by, now, now + PAIRING_LIVES)
    # An admin helps whoever was locked out by others' guesses.
    tries = Tries("") if fact.role == "admin" else vehicle.people.tries
    return done(
        replace(vehicle, people=replace(vehicle.people, pairing=code, tries=tries)),
        fact,
        action="pairing_code.made",
    )


def pair(vehicle: Vehicle, fact: Pair, now: datetime) -> Outcome:
    """Become the main user with a code."""
    entry, people = vehicle.registration, vehicle.people
    if entry is not None and (fact.role == "secondary_user" or fact.user in entry.secondary_users):
        detail = "A secondary user can't pair a vehicle: only its main user can."
        return refuse(vehicle, fact, Refused("not_main_user", detail))
    held = locked(vehicle, fact, now)
    if held is not None:
        return held
    if entry is None or fact.user is None or not is_open(people.pairing, fact.fits, fact.user, now):
        return wrong_code(vehicle, fact, now, "no code" if people.pairing is None else "wrong or too old")
    cause = theft_of(vehicle)
    if cause is not None:
        return refuse(vehicle, fact, CALL_SOC, cause)
    vehicle = replace(vehicle, people=replace(people, pairing=None, tries=Tries("")))
    if is_main_user(vehicle, fact):
        return done(vehicle, fact, action="pairing.repeated")
    if entry.main_user is not None:
        return refuse(vehicle, fact, Refused("has_main_user", "The vehicle has a main user."))
    entry = replace(entry, main_user=fact.user)
    vehicle = replace(vehicle, people=replace(vehicle.people, owner=fact.user))
    told = tell((fact.user,), "paired")
    return done(replace(vehicle, registration=entry), fact, Register(entry), *told, action="pairing.done")
