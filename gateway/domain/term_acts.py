"""How the notices about service terms take part in the fold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain.effects import Notify
from gateway.domain.outcome import Outcome, Part
from gateway.domain.services.entitlements import CAR_SECURITY
from gateway.domain.signals import Registered, Surveyed
from gateway.domain.terms import Notice, look
from gateway.domain.vehicle import Vehicle


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """Tell what is due."""
    next_at = vehicle.terms.next_at
    return None if next_at is None or now < next_at else _looked(vehicle, now)


def watch(vehicle: Vehicle, _fact: Registered | Surveyed, now: datetime) -> Outcome | None:
    """The entry may hold other terms than before."""
    return _looked(vehicle, now)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When the next notice is due."""
    next_at = vehicle.terms.next_at
    return [] if next_at is None else [next_at]


def _looked(vehicle: Vehicle, now: datetime) -> Outcome | None:
    terms, notices = look(vehicle.registration, vehicle.terms, now)
    if terms == vehicle.terms:
        return None
    user = vehicle.registration.main_user if vehicle.registration else None
    told = tuple(Notify(user, "service_term", one.code, _data(one)) for one in notices if user is not None)
    return Outcome(replace(vehicle, terms=terms), told)


def _data(notice: Notice) -> dict[str, Any]:
    return {
        "service": notice.service,
        "until": notice.until,
        "days_left": notice.days_left,
        "alarms_go_on": notice.service == CAR_SECURITY,
    }


PART = Part(watches=(Registered, Surveyed), watch=watch, expire=expire, wakes=wakes)
