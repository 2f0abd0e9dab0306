"""
Resale: the vehicle is handed over from one main user to the next, in one step.

Rules of this file:

1. It needs three words: the main user's (with the security code), the next one's (with the code of the
   hand-over), and the car's own: a ``mode`` event that states ``remote_access_enabled``, either way, later
   than the start. Who only holds a phone can't sell a car.
2. It waits while a theft alarm or a case is open, and goes on by itself when that is closed.
3. It lapses seven days after its start, or when somebody else has become the main user.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain.effects import Audited, Refused
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import (
    CALL_SOC,
    done,
    is_main_user,
    locked,
    prove,
    refuse,
    tell,
    theft_of,
    wrong_code,
)
from gateway.domain.people.facts import AcceptTransfer, CancelTransfer, StartTransfer
from gateway.domain.people.handing_over import emptied
from gateway.domain.people.state import TRANSFER_LIVES, Code, Transfer, is_open
from gateway.domain.security_code import Tries
from gateway.domain.signals import Close, Mode, Registered
from gateway.domain.vehicle import Vehicle

NONE = Refused("unknown_transfer", "No hand-over is under way.")


def start(vehicle: Vehicle, fact: StartTransfer, now: datetime) -> Outcome:
    """Begin a hand-over; one that was under way before is replaced."""
    entry = vehicle.registration
    if entry is None or fact.user is None or not is_main_user(vehicle, fact):
        return refuse(vehicle, fact, Refused("not_main_user", "Only the vehicle's main user may do this."))
    if fact.to_user == entry.main_user:
        return refuse(vehicle, fact, Refused("invalid_request", "to_user: is the main user already."))
    cause = theft_of(vehicle)
    if cause is not None:
        return refuse(vehicle, fact, CALL_SOC, cause)
    proven = prove(vehicle, fact, now)
    if proven.effects:
        return proven
    code = Code(fact.code, fact.user, now, now + TRANSFER_LIVES, fact.to_user)
    vehicle = _with(proven.vehicle, Transfer(fact.user, code))
    told = tell((entry.main_user,), "transfer_started", to_user=fact.to_user, ends_at=code.expires_at)
    return done(vehicle, fact, *told, action="transfer.started", to_user=fact.to_user)


def accept(vehicle: Vehicle, fact: AcceptTransfer, now: datetime) -> Outcome:
    """The next main user agrees."""
    held = locked(vehicle, fact, now)
    if held is not None:
        return held
    transfer = vehicle.people.transfer
    code = None if transfer is None else transfer.code
    if transfer is None or transfer.accepted_at is not None or not is_open(code, fact.fits, fact.user, now):
        return wrong_code(vehicle, fact, now, "no hand-over" if transfer is None else "wrong or used")
    cause = theft_of(vehicle)
    if cause is not None:
        return refuse(vehicle, fact, CALL_SOC, cause)
    vehicle = _with(vehicle, replace(transfer, accepted_at=now), tries=Tries(""))
    told = tell((transfer.from_user, transfer.to_user), "transfer_accepted", to_user=transfer.to_user)
    outcome = done(vehicle, fact, *told, action="transfer.accepted", to_user=transfer.to_user)
    return outcome.then(_complete_if_ready(outcome.vehicle, now))


def cancel(vehicle: Vehicle, fact: CancelTransfer, now: datetime) -> Outcome:  # noqa: ARG001  # an act takes the time
    """Call it off: the main user, an admin, or who was to get the vehicle."""
    transfer = vehicle.people.transfer
    if transfer is None:
        return refuse(vehicle, fact, NONE)
    if fact.role != "admin" and not is_main_user(vehicle, fact) and fact.user != transfer.to_user:
        return refuse(vehicle, fact, Refused("not_main_user", "Only the vehicle's main user may do this."))
    told = tell((transfer.from_user, transfer.to_user), "transfer_cancelled")
    return done(_with(vehicle, None), fact, *told, action="transfer.cancelled")


def watch(vehicle: Vehicle, fact: Mode | Close | Registered, now: datetime) -> Outcome | None:
    """What the car states, alarms that are closed, and another main user by an import."""
    transfer = vehicle.people.transfer
    if transfer is None:
        return None
    if _is_overtaken(vehicle, transfer):
        return Outcome(_with(vehicle, None), (_audited("transfer.overtaken", transfer),))
    if isinstance(fact, Mode) and fact.remote_access_enabled is not None and fact.at > transfer.code.made_at:
        vehicle = _with(vehicle, replace(transfer, confirmed_at=transfer.confirmed_at or now))
    return _complete_if_ready(vehicle, now)


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """End what is too old."""
    transfer = vehicle.people.transfer
    if transfer is None or now < transfer.code.expires_at:
        return None
    told = tell((transfer.from_user, transfer.to_user), "transfer_lapsed")
    return Outcome(_with(vehicle, None), (*told, _audited("transfer.lapsed", transfer)))


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When a hand-over lapses."""
    transfer = vehicle.people.transfer
    return [] if transfer is None else [transfer.code.expires_at]


def _complete_if_ready(vehicle: Vehicle, now: datetime) -> Outcome:
    transfer = vehicle.people.transfer
    if transfer is None or transfer.accepted_at is None or transfer.confirmed_at is None:
        return Outcome(vehicle)
    if _is_overtaken(vehicle, transfer) or now >= transfer.code.expires_at:
        return Outcome(vehicle)
    cause = theft_of(vehicle)
    if cause is not None:
        if transfer.waits:
            return Outcome(vehicle)
        waiting = _with(vehicle, replace(transfer, waits=True))
        return Outcome(waiting, (_audited("transfer.waits", transfer, cause=cause),))
    outcome = emptied(vehicle, transfer.to_user, "gateway", now)
    told = tell((transfer.to_user,), "transfer_completed")
    effects = (*outcome.effects, *told, _audited("transfer.completed", transfer))
    return Outcome(outcome.vehicle, effects, outcome.found)


def _is_overtaken(vehicle: Vehicle, transfer: Transfer) -> bool:
    """Whether somebody else has become the main user meanwhile."""
    entry = vehicle.registration
    return entry is None or entry.main_user != transfer.from_user


def _with(vehicle: Vehicle, transfer: Transfer | None, **more: Any) -> Vehicle:
    return replace(vehicle, people=replace(vehicle.people, transfer=transfer, **more))


def _audited(action: str, transfer: Transfer, **more: Any) -> Audited:
    return Audited("gateway", action, {"from_user": transfer.from_user, "to_user": transfer.to_user, **more})
