"""
Service terms: what a vehicle is entitled to at a given time.

Rules of this file:

1. A term belongs to the car: it names no person, and stays with the car when that is sold.
2. It is asked at each use, never at login.
3. An alarm is forwarded whatever is said here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from gateway.domain.signals import Registration

CAR_SECURITY = "car_security"
SERVICES = (CAR_SECURITY, "remote_access", "charging", "functions_on_demand", "navigation")

FIRST = datetime(1971, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 12, 31, tzinfo=UTC)

CarSecurity = Literal["none", "active_uncertified", "certified", "expired"]

Cause = Literal[
    "not_available_in_country",
    "not_available_for_model",
    "equipment_missing",
    "not_ordered",
    "not_started",
    "expired",
]
"""Why a service can't be used, first that applies."""


class Term(Struct, frozen=True):
    """One service of one vehicle, as the registry states it."""

    service: str
    until: datetime
    begins_at: datetime | None = None
    ordered: bool = True
    certified: bool = False
    certified_at: datetime | None = None
    certified_by: str | None = None


def term_of(registration: Registration | None, service: str) -> Term | None:
    """A service's term; None if there is none, or none that can be read: that must not cost an alarm."""
    stated: dict[str, Any] = {} if registration is None else registration.services.get(service, {})
    until = time_of(stated.get("until"))
    if until is None:
        return None
    ordered = stated.get("ordered")
    certified_by = stated.get("certified_by")
    return Term(
        service=service,
        until=until,
        begins_at=time_of(stated.get("from")),
        ordered=ordered is None or bool(ordered),
        certified=bool(stated.get("certified")),
        certified_at=time_of(stated.get("certified_at")),
        certified_by=None if certified_by is None else str(certified_by),
    )


def why_not(registration: Registration | None, service: str, now: datetime) -> Cause | None:
    """
    Why a vehicle may not use a service now; None: it may.

    Its term runs from ``from`` (included) until ``until`` (excluded), by the gateway's clock.
    """
    if registration is not None and service in registration.unavailable:
        return registration.unavailable[service]  # type: ignore[return-value]  # made by ``availability``
    term = term_of(registration, service)
    if term is None or not term.ordered:
        return "not_ordered"
    if term.begins_at is not None and now < term.begins_at:
        return "not_started"
    return "expired" if term.until <= now else None


def is_active(registration: Registration | None, service: str, now: datetime) -> bool:
    """Whether a vehicle may use a service now."""
    return why_not(registration, service, now) is None


def car_security(registration: Registration | None, now: datetime) -> CarSecurity:
    """State of the protection service, as the feed says it."""
    cause = why_not(registration, CAR_SECURITY, now)
    if cause is not None:
        return "expired" if cause == "expired" else "none"
    term = term_of(registration, CAR_SECURITY)
    return "certified" if term is not None and term.certified else "active_uncertified"


def time_of(stated: object) -> datetime | None:
    """A time of the registry; None where it can't be read or has no offset."""
    if not isinstance(stated, str):
        return None
    try:
        at = datetime.fromisoformat(stated)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    # The ends of the calendar mean "never" and "for ever"; nothing can be reckoned from them.
    return FIRST if at.year < FIRST.year else LAST if at.year > LAST.year else at
