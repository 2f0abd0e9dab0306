"""A vehicle's mobile-data bundle: what driving uses of it, and what happens at its end. Acts; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import messages
from vehicle_emulator.messages import rfc3339

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

_DAY_MS: Final = 86_400_000
_MONTH_MS: Final = 30 * _DAY_MS
_RENEWS_AFTER_MS: Final = 60_000
_BOUGHT_AFTER_MS: Final = 2 * _DAY_MS


class Bundle(msgspec.Struct):
    """What was bought, and what is used of it."""

    bundle_id: str
    used_mb: float
    total_mb: int
    valid_until_ms: int
    auto_renew: bool
    renewal: str = "none"
    is_over: bool = False


def use(vehicle: Vehicle, driven_m: float) -> None:
    """People on board use data by the kilometre, until there is none left."""
    bundle = vehicle.bundle
    bundle.used_mb = min(bundle.total_mb, bundle.used_mb + driven_m / 1_000 * vehicle.model.mb_per_km)


def state(vehicle: Vehicle, at_ms: int) -> None:
    """Say how much is used; at its end it is renewed, or bought anew some days later."""
    bundle = vehicle.bundle
    is_at_end = bundle.used_mb >= bundle.total_mb or at_ms >= bundle.valid_until_ms
    if is_at_end and not bundle.is_over:
        bundle.is_over = True
        bundle.renewal = "renewing" if bundle.auto_renew else "none"
        wait_ms = _RENEWS_AFTER_MS if bundle.auto_renew else _BOUGHT_AFTER_MS
        vehicle.plan(at_ms + wait_ms, _renew)
    vehicle.event(
        at_ms, messages.DATA_BUNDLE, messages.DataBundle,
        bundle_id=bundle.bundle_id, used_mb=int(bundle.used_mb), total_mb=bundle.total_mb,
        valid_until=rfc3339(bundle.valid_until_ms), auto_renew=bundle.auto_renew, renewal=bundle.renewal,
        hotspot=False,
    )  # fmt: skip


def _renew(vehicle: Vehicle, at_ms: int) -> None:
    """A new bundle, a new name."""
    old = vehicle.bundle
    vehicle.bundle = Bundle(
        f"B{int(old.bundle_id[1:]) + 10_000}", 0.0, old.total_mb, at_ms + _MONTH_MS, old.auto_renew
    )
    state(vehicle, at_ms)
