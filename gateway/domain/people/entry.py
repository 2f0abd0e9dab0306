"""
Fields of the registry: who may change which, and what follows from it.

Rules of this file:

1. One field that may not be changed refuses the whole change.
2. Contacts are proven with the security code; the old ones are kept for a week, for who took the phone.
3. A workshop teaches no card while a theft alarm is open: the card would make the thief a driver.
4. Another main user is another owner: everything of the one before ends, as after a hand-over.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain.effects import Effect, Refused, Register, Revoke
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
from gateway.domain.people.facts import ChangeEntry, Changes
from gateway.domain.people.handing_over import emptied
from gateway.domain.people.state import CONTACTS_KEPT, MAX_CARDS, MAX_SECONDARY_USERS, PastContacts
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle

MAY_CHANGE: dict[str, frozenset[str]] = {
    "driver_cards": frozenset({"workshop", "admin"}),
    "contacts": frozenset({"main_user"}),
    "language": frozenset({"main_user", "admin"}),
    "country": frozenset({"admin"}),
    "model": frozenset({"admin"}),
    "equipment": frozenset({"admin"}),
    "services": frozenset({"admin"}),
    "soc": frozenset({"admin"}),
    "main_user": frozenset({"admin"}),
    "secondary_users": frozenset({"admin"}),
}
"""Roles by field (contract 7)."""
MAX_PAST_CONTACTS = 4


def forbidden(changes: Changes, role: str) -> list[str]:
    """The fields that this role may not change."""
    return [name for name in changes.stated if role not in MAY_CHANGE[name]]


def change_entry(vehicle: Vehicle, fact: ChangeEntry, now: datetime) -> Outcome:
    """Change what is stated, or nothing."""
    stated = fact.changes.stated
    names = sorted(stated)
    wrong = _wrong(vehicle, fact, stated)
    if wrong is not None:
        return refuse(vehicle, fact, wrong, fields=names)
    cause = theft_of(vehicle)
    if "driver_cards" in stated and fact.role == "workshop" and cause is not None:
        return refuse(vehicle, fact, CALL_SOC, cause, fields=names)
    effects: tuple[Effect, ...] = ()
    if "contacts" in stated:
        proven = prove(vehicle, fact, now)
        if proven.effects:
            return proven
        vehicle = _contacts_kept(proven.vehicle, now)
        effects = tell((_main(vehicle),), "contacts_changed", count=len(stated["contacts"]))
    if "driver_cards" in stated:
        effects = (*effects, *tell((_main(vehicle),), "cards_changed", count=len(stated["driver_cards"])))
    if "main_user" in stated and stated["main_user"] != _main(vehicle):
        if cause is not None:
            return refuse(vehicle, fact, CALL_SOC, cause, fields=names)
        before = _main(vehicle)
        if before is not None:
            cleared = emptied(vehicle, stated["main_user"], fact.by, now)
            vehicle, effects = cleared.vehicle, (*effects, *cleared.effects)
            outcome = _changed(vehicle, fact, stated, effects)
            return replace(outcome, found=cleared.found)
    removed = _removed(vehicle, stated)
    if removed:
        effects = (*effects, Revoke(removed))
    return _changed(vehicle, fact, stated, effects)


def _changed(
    vehicle: Vehicle, fact: ChangeEntry, stated: dict[str, Any], effects: tuple[Effect, ...]
) -> Outcome:
    entry = replace(vehicle.registration or Registration(vin=vehicle.vin), **stated)
    effects = tuple(one for one in effects if not isinstance(one, Register))
    vehicle = replace(vehicle, registration=entry, people=replace(vehicle.people, owner=entry.main_user))
    return done(vehicle, fact, *effects, Register(entry), action="registry.changed", fields=sorted(stated))


def _wrong(vehicle: Vehicle, fact: ChangeEntry, stated: dict[str, Any]) -> Refused | None:
    not_allowed = forbidden(fact.changes, fact.role)
    if not_allowed:
        detail = f"The role {fact.role} may not change {', '.join(not_allowed)}."
        return Refused("not_authorised", detail)
    if vehicle.registration is None and fact.role != "admin":
        return UNREGISTERED
    if fact.role == "main_user" and not is_main_user(vehicle, fact):
        return Refused("not_main_user", "Only the vehicle's main user may do this.")
    if len(stated.get("driver_cards", ())) > MAX_CARDS:
        return Refused("invalid_request", f"driver_cards: at most {MAX_CARDS}.")
    entry = replace(vehicle.registration or Registration(vin=vehicle.vin), **stated)
    if len(entry.secondary_users) > MAX_SECONDARY_USERS:
        return Refused("too_many_users", f"secondary_users: at most {MAX_SECONDARY_USERS}.")
    if entry.main_user is not None and entry.main_user in entry.secondary_users:
        return Refused("invalid_request", "The main user is no secondary user as well.")
    return None


def _contacts_kept(vehicle: Vehicle, now: datetime) -> Vehicle:
    people, entry = vehicle.people, vehicle.registration
    if entry is None or not entry.contacts:
        return vehicle
    fresh = tuple(one for one in people.past_contacts if now < one.until)
    # The oldest of the week stay: whoever changes the list again and again must not push them out.
    kept = (*fresh, PastContacts(entry.contacts, now + CONTACTS_KEPT))[:MAX_PAST_CONTACTS]
    return replace(vehicle, people=replace(people, past_contacts=kept))


def _removed(vehicle: Vehicle, stated: dict[str, Any]) -> tuple[str, ...]:
    entry = vehicle.registration
    if entry is None or "secondary_users" not in stated:
        return ()
    return tuple(user for user in entry.secondary_users if user not in stated["secondary_users"])


def _main(vehicle: Vehicle) -> str | None:
    return vehicle.registration.main_user if vehicle.registration else None
