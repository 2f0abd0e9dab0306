"""
Whose vehicle it is.

A route about one vehicle works with a grant, never with a bare VIN. Another party's vehicle is answered
exactly as one that does not exist.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.api.deps import Deps
from gateway.api.policy import OWNERS
from gateway.api.problems import Problem
from gateway.domain.services.availability import resolve
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.states import decode_state
from gateway.ports import StoredVehicle, Token


class Grant(Struct, frozen=True):
    """The right of one caller on one vehicle, with what is known of it."""

    token: Token
    registration: Registration | None
    vehicle: Vehicle

    @property
    def party(self) -> Literal["soc", "owner"]:
        """In whose name the caller reads."""
        return "owner" if self.token.role in OWNERS else "soc"


async def grant(deps: Deps, token: Token, vin: str) -> Grant:
    """The caller's right on a vehicle; 404 if there is none, or no such vehicle."""
    registration = await deps.store.registration(vin)
    body = await deps.store.vehicle(vin)
    known = registration is not None or body is not None or deps.vehicles.heard_at(vin) is not None
    if not known or is_gateway(vin) or not may_see(token, vin, registration):
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    if registration is not None:
        registration = resolve(registration, deps.availability)
    return Grant(token, registration, decode_vehicle(vin, body))


def decode_vehicle(vin: str, stored: StoredVehicle | None) -> Vehicle:
    """Committed state of a vehicle; an empty one if nothing was ever decided."""
    return decode_state(vin, stored)[0]


def is_gateway(vin: str) -> bool:
    """Whether it is a gateway's own record and no vehicle."""
    return vin.startswith("gateway:")


def may_see(token: Token, vin: str, registration: Registration | None) -> bool:
    """Whether it is the caller's own vehicle, or the caller belongs to the SOC."""
    if token.role not in OWNERS:
        return token.role != "workshop" or token.vin in {None, vin}
    if token.vin is not None and token.vin != vin:
        return False
    if token.user is None:
        return token.vin == vin
    if registration is None or registration.main_user is None:
        # The registry names no owner: then the binding that the token was made with counts.
        return token.vin == vin
    if token.role == "main_user":
        return token.user == registration.main_user
    return token.user in registration.secondary_users
