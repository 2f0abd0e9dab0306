"""
May this person do this to this vehicle, now? One pure function: a grant, or the first reason why not.

``CHECKS`` stands in the contract's order (4.1), and each row is one reason. What the SOC does for the car is
stopped by no service term and by nothing that a thief could have set in the car.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.domain import security_code
from gateway.domain.causes import BY_NAME
from gateway.domain.people.code_change import remote_access_suspended
from gateway.domain.remote_access.actions import ACTIONS, OWNERS, SOC, Action, life_of
from gateway.domain.remote_access.facts import Asked, CommandRequested, Stated
from gateway.domain.remote_access.interlocks import is_door_open, movement, wakes_left
from gateway.domain.remote_access.state import Command, has_room
from gateway.domain.services.entitlements import is_active, why_not
from gateway.domain.signals import Mode, Registration
from gateway.domain.vehicle import Vehicle

SERVICE = "remote_access"
AHEAD = timedelta(seconds=30)

Reason = Literal[
    "malformed",
    "expired",
    "clock",
    "unknown_vehicle",
    "not_authorised",
    "service_not_active",
    "remote_access_disabled",
    "private_mode",
    "call_soc",
    "security_code_locked",
    "security_code_required",
    "security_code_wrong",
    "not_supported",
    "vehicle_moving",
    "door_open",
    "state_unknown",
    "wake_budget",
]


class Denial(Struct, frozen=True):
    """Why not: what the person is told, and the true cause for the SOC and the audit trail."""

    reason: Reason
    cause: str


class Granted(Struct, frozen=True):
    """It may be done, until ``expires_at``."""

    role: str
    action: Action
    issued_at: datetime
    expires_at: datetime


class Case(Struct, frozen=True, kw_only=True):
    """Everything that a check may look at."""

    vehicle: Vehicle
    now: datetime
    role: str | None
    name: str
    action: Action | None
    user: str
    issued_at: datetime
    expires_at: datetime
    received_at: datetime
    stated: Stated | None = None
    malformed: str | None = None
    answered: bool = False
    challenge: str | None = None

    @property
    def is_soc(self) -> bool:
        """Whether it is asked in the SOC's name."""
        return self.role in SOC


def role_of(asked: Asked, registration: Registration | None) -> str | None:
    """
    The person's role on the vehicle; None if there is none.

    A role in the SOC is the token's. Any other is what the registry says, and no more than the token says.
    """
    if registration is None or asked.stranger:
        return None
    if asked.role in SOC:
        return asked.role
    if asked.role in OWNERS and is_bound(asked, registration):
        return asked.role
    role = user_role(registration, asked.user)
    return role if asked.role in {None, role} else None


def is_bound(asked: Asked, registration: Registration | None) -> bool:
    """Whether it is the token that gives the role: where it or the registry names nobody."""
    nobody = asked.nameless or registration is None or registration.main_user is None
    return asked.vin_bound and nobody


def user_role(registration: Registration | None, user: str) -> str | None:
    """What a person is to a vehicle, as the registry says."""
    if registration is None or registration.main_user is None:
        return None
    if user == registration.main_user:
        return "main_user"
    return "secondary_user" if user in registration.secondary_users else None


def authorise(vehicle: Vehicle, asked: CommandRequested, now: datetime) -> Granted | Denial:
    """Decide a request; ``now`` is never before its arrival."""
    case = case_of(vehicle, asked, now)
    denial = first(CHECKS, case)
    if denial is not None:
        return denial
    assert case.action is not None  # noqa: S101  # the check for not_supported
    assert case.role is not None  # noqa: S101  # the check for unknown_vehicle
    return Granted(case.role, case.action, case.issued_at, case.expires_at)


def case_of(vehicle: Vehicle, asked: CommandRequested, now: datetime) -> Case:
    """A request as a case. It is as old as it says, or as its arrival if it says that it is younger."""
    issued_at = asked.issued_at or asked.received_at
    return Case(
        vehicle=vehicle,
        now=now,
        role=role_of(asked, vehicle.registration),
        name=asked.action,
        action=ACTIONS.get(asked.action),
        user=asked.user,
        issued_at=issued_at,
        expires_at=min(issued_at, asked.received_at) + life_of(asked.action),
        received_at=asked.received_at,
        stated=asked.stated,
        malformed=asked.malformed,
        answered=asked.answered,
        challenge=asked.challenge,
    )


def still_allowed(vehicle: Vehicle, command: Command, now: datetime) -> Denial | None:
    """Look again before a command that has waited is sent: what stood then may stand no more."""
    role: str | None = command.role
    if command.listed:
        role = user_role(vehicle.registration, command.user)
    case = Case(
        vehicle=vehicle,
        now=now,
        role=role,
        name=command.action,
        action=ACTIONS.get(command.action),
        user=command.user,
        issued_at=command.issued_at,
        expires_at=command.expires_at,
        received_at=command.issued_at,
        stated=command.stated,
    )
    return first(STANDING, case)


def first(checks: tuple[Check, ...], case: Case) -> Denial | None:
    """The first reason that applies."""
    for check in checks:
        denial = check(case)
        if denial is not None:
            return denial
    return None


# -- the reasons, in the contract's order -------------------------------------------------------------------


def _malformed(case: Case) -> Denial | None:
    return None if case.malformed is None else Denial("malformed", case.malformed)


def _expired(case: Case) -> Denial | None:
    return Denial("expired", "the request is too old") if case.expires_at <= case.now else None


def _clock(case: Case) -> Denial | None:
    ahead = case.issued_at > case.received_at + AHEAD
    return Denial("clock", "issued_at is more than 30 s ahead") if ahead else None


def _unknown_vehicle(case: Case) -> Denial | None:
    if case.vehicle.registration is None:
        return Denial("unknown_vehicle", "not registered")
    return Denial("unknown_vehicle", "no role on the vehicle") if case.role is None else None


def _not_authorised(case: Case) -> Denial | None:
    if case.action is None or case.role in case.action.roles:
        return None
    return Denial("not_authorised", f"{case.role} may not {case.name}")


def _service_not_active(case: Case) -> Denial | None:
    registration = case.vehicle.registration
    if case.is_soc or is_active(registration, SERVICE, case.now):
        return None
    return Denial("service_not_active", str(why_not(registration, SERVICE, case.now)))


def _remote_access_disabled(case: Case) -> Denial | None:
    mode = case.vehicle.stated.get("mode")
    enabled = isinstance(mode, Mode) and mode.remote_access_enabled is True
    if case.is_soc:
        return None
    if not enabled:
        return Denial("remote_access_disabled", "not enabled in the car")
    if remote_access_suspended(case.vehicle):
        return Denial("remote_access_disabled", "not enabled in the car since the code was changed")
    return None


def _private_mode(case: Case) -> Denial | None:
    if case.is_soc or not case.vehicle.is_private or case.vehicle.stolen:
        return None
    return Denial("private_mode", "private mode is on")


def _call_soc(case: Case) -> Denial | None:
    if case.is_soc:
        return None
    if case.vehicle.stolen:
        return Denial("call_soc", "stolen")
    causes = sorted(cause for cause in case.vehicle.alarms if BY_NAME[cause].cause_class == "theft")
    return Denial("call_soc", f"open alarm: {', '.join(causes)}") if causes else None


def _security_code_locked(case: Case) -> Denial | None:
    if not _needs_code(case):
        return None
    until = security_code.locked_until(case.vehicle.code_guard, case.user, case.now)
    return None if until is None else Denial("security_code_locked", f"locked until {until.isoformat()}")


def _security_code_required(case: Case) -> Denial | None:
    if not _needs_code(case):
        return None
    registration = case.vehicle.registration
    if registration is None or registration.security_code_key is None:
        return Denial("security_code_required", "the vehicle has no security code")
    return None if case.answered else Denial("security_code_required", "no challenge response")


def _security_code_wrong(case: Case) -> Denial | None:
    if not _needs_code(case):
        return None
    if case.challenge is None:
        return Denial("security_code_wrong", WRONG_ANSWER)
    if security_code.is_open(case.vehicle.code_guard, case.challenge, case.now):
        return None
    return Denial("security_code_wrong", "challenge used or too old")


WRONG_ANSWER = "the answer fits no challenge"
"""The cause of a denial that counts as a wrong answer."""


def _needs_code(case: Case) -> bool:
    return case.action is not None and case.action.needs_code


def _not_supported(case: Case) -> Denial | None:
    return Denial("not_supported", "no such action") if case.action is None else None


def _vehicle_moving(case: Case) -> Denial | None:
    if case.action is None or not case.action.standing_only:
        return None
    moves = movement(case.vehicle, case.stated, case.now) == "moving"
    return Denial("vehicle_moving", "the car moves") if moves else None


def _door_open(case: Case) -> Denial | None:
    if case.action is None or not case.action.doors_closed or not is_door_open(case.stated):
        return None
    return Denial("door_open", "a door is open")


def _state_unknown(case: Case) -> Denial | None:
    if case.action is None or not case.action.standing_only:
        return None
    unknown = movement(case.vehicle, case.stated, case.now) == "unknown"
    return Denial("state_unknown", "nobody knows whether the car moves") if unknown else None


def _wake_budget(case: Case) -> Denial | None:
    if not has_room(case.vehicle.remote, case.now, soc=case.is_soc):
        return Denial("wake_budget", "too many commands at once")
    if case.is_soc or wakes_left(case.vehicle, case.stated) > 0:
        return None
    return Denial("wake_budget", "15 commands since the ignition was last on")


Check = Callable[[Case], Denial | None]

CHECKS: tuple[Check, ...] = (
    _malformed,
    _expired,
    _clock,
    _unknown_vehicle,
    _not_authorised,
    _service_not_active,
    _remote_access_disabled,
    _private_mode,
    _call_soc,
    _security_code_locked,
    _security_code_required,
    _security_code_wrong,
    _not_supported,
    _vehicle_moving,
    _door_open,
    _state_unknown,
    _wake_budget,
)

STANDING: tuple[Check, ...] = (
    _unknown_vehicle,
    _not_authorised,
    _service_not_active,
    _remote_access_disabled,
    _private_mode,
    _call_soc,
    _vehicle_moving,
    _door_open,
    _state_unknown,
)
"""What must still hold when a command that has waited is sent."""

BEFORE_A_CHALLENGE: tuple[Check, ...] = (_malformed, _expired, _clock, _unknown_vehicle)
