"""
Why a registered car is not protected, and from when until when: the SOC sees tonight's before it is night.

Nothing here asks for the time: what time alone changes has its beginning and end, so that a list can be kept
and asked for any night without reading a vehicle again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.domain.offline import is_online, longest, why_offline
from gateway.domain.reasons import Code, Reason
from gateway.domain.services.entitlements import CAR_SECURITY, is_active, term_of
from gateway.domain.services.special_modes import MODES
from gateway.domain.signals import Mode
from gateway.domain.silence import LONGEST, SUPERVISION, state_of
from gateway.domain.vehicle import Vehicle

TUNNEL = timedelta(minutes=15)
"""A car that is driven out of coverage is no news before."""
LONG_AFTER = timedelta(days=3650)


def reasons(vehicle: Vehicle) -> tuple[Reason, ...]:
    """Every reason, now or to come, unless something changes; none for a car that is not registered."""
    if vehicle.registration is None or vehicle.is_gateway:
        return ()
    return (*_service(vehicle), *_modes(vehicle), *_contact(vehicle), *_silence(vehicle))


def ingredients(vehicle: Vehicle) -> tuple[object, ...]:
    """What reasons are made of: while these are the same, so are they. Cheap, for every commit asks."""
    online = is_online(vehicle)
    return (
        vehicle.registration,
        vehicle.modes.running,
        online,
        None if online else (vehicle.heard_at, vehicle.sensed, vehicle.past.now.ignition_on),
        _is_silent(vehicle),
        vehicle.stated.get("mode"),
    )


def _service(vehicle: Vehicle) -> Iterator[Reason]:
    registration = vehicle.registration
    term = term_of(registration, CAR_SECURITY)
    unavailable = registration.unavailable.get(CAR_SECURITY) if registration else None
    if term is None or not term.ordered or unavailable is not None:
        yield Reason("no_service", detail=unavailable or "not_ordered")
        return
    if term.begins_at is not None:
        yield Reason("service_not_started", until_at=term.begins_at)
    if not term.certified:
        yield Reason("not_certified", from_at=term.begins_at, until_at=term.until)
    yield Reason("service_expired", from_at=term.until)


def _modes(vehicle: Vehicle) -> Iterator[Reason]:
    for mode in vehicle.modes.running:
        if mode.mode in MODES:
            code: Code = "driver_card_deactivated" if mode.mode == "deactivation" else "special_mode"
            yield Reason(code, mode.starts_at, mode.ends_at, mode.mode)


def _contact(vehicle: Vehicle) -> Iterator[Reason]:
    registration = vehicle.registration
    if registration is not None and not any(one.get("phone") for one in registration.contacts):
        yield Reason("no_contact")
    mode = vehicle.stated.get("mode")
    if not isinstance(mode, Mode) or mode.remote_access_enabled is not False:
        return
    term = term_of(registration, "remote_access")
    if term is not None and is_active(registration, "remote_access", mode.at):
        yield Reason("remote_access_off", from_at=mode.at, until_at=term.until)


def _silence(vehicle: Vehicle) -> Iterator[Reason]:
    heard_at = vehicle.heard_at
    if heard_at is None:
        yield Reason("never_heard")
        return
    if is_online(vehicle):
        if _is_silent(vehicle):
            yield Reason("silent", from_at=heard_at)
        return
    yield from _offline(vehicle, heard_at)


def _offline(vehicle: Vehicle, heard_at: datetime) -> Iterator[Reason]:
    first, later = why_offline(vehicle, heard_at), why_offline(vehicle, heard_at + LONG_AFTER)
    dead_at = heard_at + longest(state_of(vehicle))
    if first is not None and first.reason in ("jammed", "power_cut", "unit_dead"):
        yield Reason(first.reason, from_at=heard_at, detail=first.evidence)
    elif _last_word(vehicle, "tamper", heard_at):
        yield Reason("tampered", from_at=heard_at)
    else:
        if first is not None and first.reason in ("no_coverage", "edge_call"):
            after = TUNNEL if first.reason == "no_coverage" else LONGEST["edge"]
            yield Reason("offline", from_at=heard_at + after, until_at=dead_at, detail=first.evidence)
        if later is not None and later.reason == "unit_dead":
            yield Reason("unit_dead", from_at=dead_at, detail=later.evidence)


def _last_word(vehicle: Vehicle, cause: str, heard_at: datetime) -> bool:
    known = vehicle.sensed.get(cause)
    if known is None or known.triggered is None or not known.is_on:
        return False
    return heard_at - known.triggered.received_at <= timedelta(hours=1)


def _is_silent(vehicle: Vehicle) -> bool:
    """Whether its silence was noted, and nothing has been heard since."""
    heard_at = vehicle.heard_at
    return (
        heard_at is not None
        and bool(vehicle.settled)
        and f"{SUPERVISION}/{heard_at.isoformat()}" in vehicle.settled
    )
