"""
Where a car was parked, and how far it has been carried from there.

Rules of this file:

1. The spot is the last position before the ignition went off, or any in the minute after: receivers settle.
2. The distance is smoothed (4/5 old, 1/5 new), so that no single wrong position moves a car.
3. A position that can't be true (0,0; faster than any truck) is left out and noted. It is no alarm.
"""

from __future__ import annotations

from datetime import timedelta
from math import asin, cos, radians, sin, sqrt

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.moment import Moment

EARTH_RADIUS_M = 6_371_000.0
SETTLES = timedelta(seconds=60)
SPOT_IS_FRESH = timedelta(minutes=10)
"""An older position says nothing about where the ignition went off; the first one after it does."""
KEPT = 0.8
FASTEST_M_S = 110.0
"""No train or truck carries a car at 400 km/h."""
JITTER_M = 200.0
"""How far an honest receiver may jump at once."""
VAGUE_M = 1000.0
"""A position less accurate than this is no position."""
MAX_LEFT_OUT = 1_000_000


class Fix(Struct, frozen=True, array_like=True):
    """A position and when it was so, degrees."""

    latitude: float
    longitude: float
    moment: Moment


class Parking(Struct, frozen=True, array_like=True):
    """The newest position that can be believed, and while the ignition is off where the car was left."""

    fix: Fix
    spot: Fix | None = None
    smoothed_m: float = 0.0
    beyond: Moment | None = None
    """When the smoothed distance first passed the limit."""
    left_out: int = 0
    """Positions that can't be true."""


def distance_m(first: Fix, second: Fix) -> float:
    """Great-circle distance."""
    north_1, north_2 = radians(first.latitude), radians(second.latitude)
    half = sin((north_2 - north_1) / 2) ** 2
    half += cos(north_1) * cos(north_2) * sin(radians(second.longitude - first.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


def located(
    parking: Parking | None, fix: Fix, accuracy_m: float | None, off_since: Moment | None, limit_m: float
) -> Parking | None:
    """Take a position in; ``off_since`` is when the ignition went off, None while it is not off."""
    if not _credible(parking, fix, accuracy_m):
        return None if parking is None else replace(parking, left_out=min(parking.left_out + 1, MAX_LEFT_OUT))
    if parking is None:
        return Parking(fix, None if off_since is None else fix)
    if fix.moment.at < parking.fix.moment.at:
        return parking
    if off_since is None:
        return Parking(fix)
    if parking.spot is None or fix.moment.at <= off_since.at + SETTLES:
        return replace(parking, fix=fix, spot=fix, smoothed_m=0.0, beyond=None)
    smoothed_m = KEPT * parking.smoothed_m + (1 - KEPT) * distance_m(parking.spot, fix)
    beyond = parking.beyond or (fix.moment if smoothed_m > limit_m else None)
    return replace(parking, fix=fix, smoothed_m=smoothed_m, beyond=beyond)


def left(parking: Parking | None, off: Moment, moved: Moment | None) -> Parking | None:
    """Take note that the ignition went off; a place from before it last ``moved`` is where it was, not is."""
    if parking is None:
        return None
    stated_at = parking.fix.moment.at
    fresh = off.at - stated_at <= SPOT_IS_FRESH and (moved is None or moved.at - stated_at <= SETTLES)
    return Parking(parking.fix, parking.fix if fresh else None)


def _credible(parking: Parking | None, fix: Fix, accuracy_m: float | None) -> bool:
    if (fix.latitude == 0 and fix.longitude == 0) or (accuracy_m is not None and accuracy_m > VAGUE_M):
        return False
    if parking is None or fix.moment.at < parking.fix.moment.at:
        return True
    passed_s = (fix.moment.at - parking.fix.moment.at).total_seconds()
    return distance_m(parking.fix, fix) <= JITTER_M + FASTEST_M_S * passed_s
