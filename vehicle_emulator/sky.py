"""
What a satellite receiver reads: the true place and an error that wanders. Pure.

The error is a Gauss-Markov walk, a few metres wide under an open sky and several times that between high
houses, where reflections also push it aside for some fixes. The stated accuracy follows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import body, journey

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice
    from vehicle_emulator.vehicle import Vehicle

_OPEN_M: Final = 1.8
_URBAN_M: Final = 6.0
_KEPT: Final = 0.9
_NEW: Final = 0.436  # the rest of the variance: sqrt(1 - 0.9 ** 2)
_REFLECTED: Final = 0.004
_REFLECTED_M: Final = 30.0
_FARTHEST_M: Final = 60.0
_BEST_M: Final = 3
_ROOF_M: Final = 25


class Sky(msgspec.Struct):
    """The receiver's error in metres."""

    east_m: float = 0.0
    north_m: float = 0.0

    def wander(self, dice: Dice, *, is_urban: bool) -> None:
        """One more fix."""
        wide_m = _URBAN_M if is_urban else _OPEN_M
        east, north = dice.pair()
        self.east_m = _bound(_KEPT * self.east_m + _NEW * wide_m * east)
        self.north_m = _bound(_KEPT * self.north_m + _NEW * wide_m * north)
        if is_urban and dice.chance(_REFLECTED):
            self.east_m = _bound(self.east_m + _REFLECTED_M * north)

    @property
    def accuracy_m(self) -> int:
        """What the receiver states."""
        return _BEST_M + int(max(abs(self.east_m), abs(self.north_m)))


def read(vehicle: Vehicle, *, is_urban: bool = False) -> None:
    """Read the place where the vehicle is; under a roof it is reckoned from the wheels, and less exact."""
    sky, readings, is_roofed = vehicle.sky, vehicle.body, not vehicle.air.is_covered
    sky.wander(vehicle.dice, is_urban=is_urban or is_roofed)
    latitude, longitude = vehicle.at
    readings.set(body.LATITUDE, round(latitude + sky.north_m / journey.METRES_PER_DEGREE, 6))
    readings.set(body.LONGITUDE, round(longitude + sky.east_m * vehicle.degrees_per_m_east, 6))
    readings.set(body.ACCURACY, sky.accuracy_m + (_ROOF_M if is_roofed else 0))


def _bound(error_m: float) -> float:
    return min(_FARTHEST_M, max(-_FARTHEST_M, error_m))
