"""Service terms: what a vehicle is entitled to at a given time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from gateway.domain.signals import Registration

SERVICES = ("car_security", "remote_access", "charging", "functions_on_demand", "navigation")

CarSecurity = Literal["none", "active_uncertified", "certified", "expired"]


def car_security(registration: Registration | None, now: datetime) -> CarSecurity:
    """State of the protection service. An alarm is forwarded whatever it says."""
    term: dict[str, Any] = {} if registration is None else registration.services.get("car_security", {})
    until = term.get("until")
    if until is None:
        return "none"
    try:
        expired = datetime.fromisoformat(until) <= now
    except (TypeError, ValueError):
        return "none"  # an entry that can't be read must not cost an alarm
    if expired:
        return "expired"
    return "certified" if term.get("certified") else "active_uncertified"
