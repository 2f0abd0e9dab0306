"""
Another security code: who knew the old one has no remote access until the car itself has granted it anew.

A change is proven with the old code; an admin's reset needs none and leaves the vehicle without a code.
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
    prove,
    refuse,
    tell,
    theft_of,
)
from gateway.domain.people.facts import ChangeCode
from gateway.domain.security_code import CodeGuard
from gateway.domain.signals import Mode
from gateway.domain.vehicle import Vehicle


def change_code(vehicle: Vehicle, fact: ChangeCode, now: datetime) -> Outcome:
    """Set, change or reset the security code."""
    entry = vehicle.registration
    if entry is None:
        return refuse(vehicle, fact, UNREGISTERED)
    if fact.role != "admin":
        if not is_main_user(vehicle, fact):
            return refuse(
                vehicle, fact, Refused("not_main_user", "Only the vehicle's main user may do this.")
            )
        if fact.key is None:
            detail = "Only an admin takes a security code away."
            return refuse(vehicle, fact, Refused("not_authorised", detail))
        cause = theft_of(vehicle)
        if cause is not None:
            return refuse(vehicle, fact, CALL_SOC, cause)
        if entry.security_code_key is not None:
            proven = prove(vehicle, fact, now)
            if proven.effects:
                return proven
            vehicle = proven.vehicle
    entry = replace(entry, security_code_key=fact.key)
    people = replace(vehicle.people, code_changed_at=now)
    # What was asked and answered under the old code counts no more. Lock-outs stay, but for a reset.
    guard = CodeGuard() if fact.role == "admin" else replace(vehicle.code_guard, challenges=())
    vehicle = replace(vehicle, registration=entry, people=people, code_guard=guard)
    code = "code_reset" if fact.key is None else "code_changed"
    told = tell((entry.main_user,), code)
    return done(vehicle, fact, Register(entry), *told, action=f"security_{code}")


def remote_access_suspended(vehicle: Vehicle) -> bool:
    """Whether remote access waits: the code has changed, and it was not enabled in the car since."""
    changed_at = vehicle.people.code_changed_at
    if changed_at is None:
        return False
    stated = vehicle.stated.get("mode.remote_access_enabled")
    return not (isinstance(stated, Mode) and stated.remote_access_enabled and stated.at > changed_at)
