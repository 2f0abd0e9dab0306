"""What the main user is told of data bundles. Pure: a vehicle in, a vehicle and what follows out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain.effects import Notify
from gateway.domain.outcome import Outcome, Part
from gateway.domain.services import data_bundle
from gateway.domain.services.data_bundle import Bundles, BundleState, Told
from gateway.domain.signals import DataBundle
from gateway.domain.vehicle import Vehicle

OVER = ("expired", "exhausted")


def state_bundle(vehicle: Vehicle, fact: DataBundle, now: datetime) -> Outcome:
    """Take a statement in, and tell each threshold that it passes."""
    bundles, fresh = data_bundle.state_bundle(vehicle.bundles, fact, now)
    vehicle = replace(vehicle, bundles=bundles)
    known = data_bundle.bundle_of(bundles, fact.bundle_id or "")
    return _told(vehicle, tuple((known, code) for code in fresh), now)


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """Tell what ends by itself; the vehicle may be asleep."""
    next_at = vehicle.bundles.next_at
    if next_at is None or now < next_at:
        return None
    bundles, found = data_bundle.due(vehicle.bundles, now)
    return _told(replace(vehicle, bundles=bundles), found, now)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When a bundle begins to end, and when it has ended."""
    next_at = vehicle.bundles.next_at
    return [] if next_at is None else [next_at]


def _told(vehicle: Vehicle, found: tuple[tuple[Told, BundleState], ...], now: datetime) -> Outcome:
    user = vehicle.registration.main_user if vehicle.registration else None
    if user is None or not found:
        return Outcome(vehicle)
    notices = (
        Notify(user, "data_bundle", code, _data(vehicle.bundles, known, code, now)) for known, code in found
    )
    return Outcome(vehicle, tuple(notices))


def _data(bundles: Bundles, known: Told, code: BundleState, now: datetime) -> dict[str, Any]:
    stated = known.stated
    if stated is None:
        return {"bundle_id": known.bundle_id}
    over = code in OVER
    another = over and data_bundle.whole(bundles, now).state not in OVER
    return {
        "bundle_id": known.bundle_id,
        "used_percent": round(data_bundle.used_share(stated) * 100),
        "valid_until": stated.valid_until,
        "auto_renew": bool(stated.auto_renew),
        "tries": known.failures,
        "hotspot": stated.hotspot,
        "hotspot_limited": over and not another and bool(stated.hotspot),
        "another": another,
    }


PART = Part(acts={DataBundle: state_bundle}, expire=expire, wakes=wakes)
