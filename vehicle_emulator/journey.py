"""
A drive as legs of road and as motion along them. Pure; distances in metres, speeds in metres per second.

A way leaves a residential street, crosses town and, if it is long, takes a country road or a motorway, and
ends in another residential street. Cars brake for turns, wait at some of them, and drive a little faster or
slower than the limit, each its own way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

METRES_PER_DEGREE: Final = 111_320.0
KMH_PER_MPS: Final = 3.6
_ACCELERATION_MPS2 = 1.9
_BRAKING_MPS2 = 2.4
_TURN_MPS = 5.0
_CREEP_MPS = 1.0
_SUBSTEP_S = 1.0
_WAIT_CHANCE = 0.25
_STRAIGHT_ON_DEG = 20.0


class Road(NamedTuple):
    """A kind of road: how fast, how long between turns."""

    limit_kmh: int
    shortest_m: int
    longest_m: int


_STREET = Road(30, 80, 250)
_TOWN = Road(50, 200, 900)
_COUNTRY = Road(80, 900, 3_500)
_MOTORWAY = Road(120, 3_000, 9_000)
# Which roads a way takes, by its length; after the outermost they follow backwards.
_WAYS = (
    (_STREET, _TOWN, _TOWN),
    (_STREET, _TOWN, _TOWN, _COUNTRY),
    (_STREET, _TOWN, _COUNTRY, _MOTORWAY),
)
_TURNS_DEG = (-90.0, -90.0, -35.0, 0.0, 35.0, 90.0, 90.0)


class Leg(NamedTuple):
    """A straight piece of road."""

    heading_deg: float
    length_m: float
    limit_mps: float


def plan(dice: Dice) -> tuple[Leg, ...]:
    """Lay a way from home to somewhere."""
    outwards = dice.pick(_WAYS)
    roads = outwards + tuple(reversed(outwards))
    heading_deg = float(dice.below(360))
    legs: list[Leg] = []
    for road in roads:
        for _ in range(1 + dice.below(3)):
            heading_deg = (heading_deg + dice.pick(_TURNS_DEG)) % 360.0
            length_m = dice.between(road.shortest_m, road.longest_m)
            legs.append(Leg(heading_deg, length_m, road.limit_kmh / KMH_PER_MPS))
    return tuple(legs)


def back(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Turn a way round."""
    return tuple(
        Leg((leg.heading_deg + 180.0) % 360.0, leg.length_m, leg.limit_mps) for leg in reversed(legs)
    )


class Journey:
    """A car under way. ``advance`` moves it; its place is relative to where it set out."""

    __slots__ = ("_dice", "_legs", "_manner", "_next", "_wait_s", "along_m", "east_m", "north_m", "speed_mps")

    def __init__(self, legs: tuple[Leg, ...], dice: Dice) -> None:
        """Stand at the beginning of the first leg."""
        self._legs, self._dice = legs, dice
        self._next, self._wait_s = 0, 0.0
        self._manner = dice.between(0.88, 1.08)
        self.along_m = self.east_m = self.north_m = self.speed_mps = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the car has arrived and stands."""
        return self._next >= len(self._legs)

    @property
    def heading_deg(self) -> float:
        """Where the car points."""
        return self._legs[min(self._next, len(self._legs) - 1)].heading_deg

    def advance(self, elapsed_s: float) -> float:
        """Drive on for a while; the distance driven in metres."""
        driven_m = 0.0
        while elapsed_s > 0.0 and not self.is_over:
            step_s = min(_SUBSTEP_S, elapsed_s)
            driven_m += self._substep(step_s)
            elapsed_s -= step_s
        return driven_m

    def _substep(self, step_s: float) -> float:
        if self._wait_s > 0.0:
            self._wait_s -= step_s
            return 0.0
        leg = self._legs[self._next]
        self.speed_mps = self._wish_mps(leg, step_s)
        step_m = min(self.speed_mps * step_s, leg.length_m - self.along_m)
        self._move(leg, step_m)
        if self.along_m >= leg.length_m - 0.01:
            self._turn(leg)
        return step_m

    def _wish_mps(self, leg: Leg, step_s: float) -> float:
        """Speed up towards the limit, but no faster than one can still brake for the end of the leg."""
        end_mps = self._end_mps()
        room_m = max(0.0, leg.length_m - self.along_m)
        brakeable_mps = math.sqrt(end_mps * end_mps + 2.0 * _BRAKING_MPS2 * room_m)
        faster_mps = self.speed_mps + _ACCELERATION_MPS2 * step_s
        return max(_CREEP_MPS, min(faster_mps, leg.limit_mps * self._manner, brakeable_mps))

    def _end_mps(self) -> float:
        if self._next + 1 >= len(self._legs):
            return 0.0
        here, there = self._legs[self._next], self._legs[self._next + 1]
        bend_deg = abs((there.heading_deg - here.heading_deg + 180.0) % 360.0 - 180.0)
        return min(here.limit_mps, there.limit_mps) if bend_deg < _STRAIGHT_ON_DEG else _TURN_MPS

    def _move(self, leg: Leg, step_m: float) -> None:
        heading = math.radians(leg.heading_deg)
        self.along_m += step_m
        self.north_m += math.cos(heading) * step_m
        self.east_m += math.sin(heading) * step_m

    def _turn(self, leg: Leg) -> None:
        """On to the next leg; in town one waits at some turns."""
        self._next += 1
        self.along_m = 0.0
        in_town = leg.limit_mps * KMH_PER_MPS <= _TOWN.limit_kmh
        if self.is_over or (in_town and self._dice.chance(_WAIT_CHANCE)):
            self.speed_mps = 0.0
            self._wait_s = self._dice.between(3.0, 25.0)


def place(latitude: float, longitude: float, north_m: float, east_m: float) -> tuple[float, float]:
    """Shift a position by metres, on a flat patch of earth: right to a metre over a day's driving."""
    widening = math.cos(math.radians(latitude))
    return latitude + north_m / METRES_PER_DEGREE, longitude + east_m / (METRES_PER_DEGREE * widening)
