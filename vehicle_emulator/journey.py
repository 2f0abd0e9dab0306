"""
Motion along a way: legs of road, and the speeds at which a car takes them. Pure; metres and metres a second.

1. The whole profile is laid when the car sets out: on each leg it accelerates, cruises and brakes for what
   comes next, at constant rates, so speed, distance and place are exact at any moment and cost the same
   whether they are asked for each second or each minute.
2. Limits, bends, and stops at junctions bound the speed; a pass backwards makes every one of them brakeable,
   a pass forwards reachable.
3. Cars drive a little faster or slower than the limit, each its own way; traffic slows some legs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vehicle_emulator.dice import Dice

METRES_PER_DEGREE: Final = 111_320.0
KMH_PER_MPS: Final = 3.6
ACCELERATION_MPS2: Final = 1.9
_BRAKING_MPS2: Final = 2.2
_MANNER: Final = (0.88, 1.08)
_STRAIGHT_ON_DEG: Final = 20.0
# How fast one takes a bend: up to so many degrees, at so many m/s.
_BENDS: Final = ((_STRAIGHT_ON_DEG, 99.0), (50.0, 13.0), (75.0, 8.0), (180.0, 5.5))
_SLOWEST_MPS: Final = 1.5
_AT_THE_LINE_M: Final = 0.1
_LIGHTS_S: Final = (3.0, 40.0)
_WAIT_IN_TRAFFIC: Final = 1.5


class Leg(NamedTuple):
    """
    A straight piece of road.

    ``stops``: how often one has to stop at its end; ``air``: the radio bearer there, "" for none.
    """

    heading_deg: float
    length_m: float
    limit_mps: float
    stops: float = 0.0
    air: str = "LTE"
    is_urban: bool = False
    is_abroad: bool = False


class _Phase(NamedTuple):
    """A stretch of constant acceleration."""

    from_s: float
    at_m: float
    speed_mps: float
    gain_mps2: float


class Journey:
    """A car under way. ``advance`` moves it; its place is relative to where it set out."""

    __slots__ = (
        "_corners", "_leg", "_legs", "_phase", "_phases", "along_m", "east_m", "elapsed_s", "length_m",
        "north_m", "speed_mps", "takes_s",
    )  # fmt: skip

    def __init__(
        self,
        legs: Sequence[Leg],
        dice: Dice,
        *,
        traffic: float = 0.0,
        acceleration_mps2: float = ACCELERATION_MPS2,
        top_mps: float = math.inf,
    ) -> None:
        """Stand at the beginning of the first leg; ``traffic``: from 0, free roads, to 1, the rush hour."""
        self._legs = legs
        cruise = _cruising(legs, dice, traffic, top_mps)
        ends, waits_s = _ends(legs, cruise, dice, traffic)
        _reach(legs, ends, acceleration_mps2)
        self._phases, self.takes_s = _phases(legs, cruise, ends, waits_s, acceleration_mps2)
        self._corners = _corners(legs)
        self.length_m = self._corners[-1][0]
        self._phase = self._leg = 0
        self.elapsed_s = self.along_m = self.east_m = self.north_m = self.speed_mps = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the car has arrived and stands."""
        return self.elapsed_s >= self.takes_s

    @property
    def leg(self) -> Leg:
        """The road it is on."""
        return self._legs[self._leg]

    @property
    def heading_deg(self) -> float:
        """Where the car points."""
        return self._legs[self._leg].heading_deg

    @property
    def left_s(self) -> float:
        """How long until it arrives."""
        return max(0.0, self.takes_s - self.elapsed_s)

    def advance(self, elapsed_s: float) -> float:
        """Drive on for a while; the distance driven in metres."""
        before_m = self.along_m
        self.elapsed_s = now_s = min(self.elapsed_s + elapsed_s, self.takes_s)
        phases, phase = self._phases, self._phase
        while phase + 1 < len(phases) and phases[phase + 1].from_s <= now_s:
            phase += 1
        self._phase = phase
        from_s, at_m, speed_mps, gain_mps2 = phases[phase]
        since_s = now_s - from_s
        self.speed_mps = max(0.0, speed_mps + gain_mps2 * since_s)
        self.along_m = min(at_m + (speed_mps + 0.5 * gain_mps2 * since_s) * since_s, self.length_m)
        if now_s >= self.takes_s:
            self.speed_mps, self.along_m = 0.0, self.length_m
        self._place()
        return self.along_m - before_m

    def _place(self) -> None:
        corners, leg = self._corners, self._leg
        # Who waits at a junction is still on the road that leads there.
        while leg + 1 < len(self._legs) and corners[leg + 1][0] + _AT_THE_LINE_M < self.along_m:
            leg += 1
        self._leg = leg
        from_m, east_m, north_m, to_east, to_north = corners[leg]
        beyond_m = self.along_m - from_m
        self.east_m, self.north_m = east_m + to_east * beyond_m, north_m + to_north * beyond_m


def place(latitude: float, longitude: float, north_m: float, east_m: float) -> tuple[float, float]:
    """Shift a position by metres, on a flat patch of earth: right to a metre over a day's driving."""
    widening = math.cos(math.radians(latitude))
    return latitude + north_m / METRES_PER_DEGREE, longitude + east_m / (METRES_PER_DEGREE * widening)


def _cruising(legs: Sequence[Leg], dice: Dice, traffic: float, top_mps: float) -> list[float]:
    """How fast each leg is driven where nothing stops one."""
    manner = dice.between(*_MANNER)
    speeds = []
    for leg in legs:
        speed_mps = min(leg.limit_mps * manner, top_mps)
        if traffic and leg.air and dice.chance(0.5):  # traffic does not stand in tunnels
            speed_mps *= 1.0 - traffic * dice.between(0.1, 0.65)
        speeds.append(max(_SLOWEST_MPS, speed_mps))
    return speeds


def _ends(
    legs: Sequence[Leg], cruise: list[float], dice: Dice, traffic: float
) -> tuple[list[float], list[float]]:
    """How fast each leg's end may be passed, and how long one waits there."""
    speeds, waits_s = [], []
    longer = 1.0 + traffic * _WAIT_IN_TRAFFIC
    for index, leg in enumerate(legs):
        last = index + 1 == len(legs)
        if last or (leg.stops and dice.chance(leg.stops)):
            speeds.append(0.0)
            waits_s.append(0.0 if last else dice.between(*_LIGHTS_S) * longer)
        else:
            bend_mps = _bend_mps(leg.heading_deg, legs[index + 1].heading_deg)
            speeds.append(min(cruise[index], cruise[index + 1], bend_mps))
            waits_s.append(0.0)
    return speeds, waits_s


def _bend_mps(here_deg: float, there_deg: float) -> float:
    bend_deg = abs((there_deg - here_deg + 180.0) % 360.0 - 180.0)
    return next((speed_mps for up_to_deg, speed_mps in _BENDS if bend_deg <= up_to_deg), _BENDS[-1][1])


def _reach(legs: Sequence[Leg], ends: list[float], gain_mps2: float) -> None:
    """Rule 2: what can be braked for and what can be reached."""
    for index in range(len(legs) - 2, -1, -1):
        after = ends[index + 1]
        ends[index] = min(
            ends[index], math.sqrt(after * after + 2 * _BRAKING_MPS2 * legs[index + 1].length_m)
        )
    before = 0.0
    for index, leg in enumerate(legs):
        ends[index] = before = min(ends[index], math.sqrt(before * before + 2 * gain_mps2 * leg.length_m))


def _phases(
    legs: Sequence[Leg], cruise: list[float], ends: list[float], waits_s: list[float], gain_mps2: float
) -> tuple[list[_Phase], float]:
    """The stretches of the whole way, and how long it takes."""
    phases: list[_Phase] = []
    now_s = at_m = before = 0.0
    for leg, wish, after, wait_s in zip(legs, cruise, ends, waits_s, strict=True):
        end_m = at_m + leg.length_m
        peak = max(before, after, min(wish, _peak(before, after, leg.length_m, gain_mps2)))
        gain_m = (peak * peak - before * before) / (2 * gain_mps2)
        brake_m = (peak * peak - after * after) / (2 * _BRAKING_MPS2)
        cruise_m = max(0.0, leg.length_m - gain_m - brake_m)
        for length_m, speed, rate, takes_s in (
            (gain_m, before, gain_mps2, (peak - before) / gain_mps2),
            (cruise_m, peak, 0.0, cruise_m / peak if peak else 0.0),
            (brake_m, peak, -_BRAKING_MPS2, (peak - after) / _BRAKING_MPS2),
        ):
            if takes_s > 0.0:
                phases.append(_Phase(now_s, at_m, speed, rate))
                now_s, at_m = now_s + takes_s, at_m + length_m
        at_m, before = end_m, after
        if wait_s:
            phases.append(_Phase(now_s, at_m, 0.0, 0.0))
            now_s += wait_s
    return phases, now_s


def _peak(before: float, after: float, length_m: float, gain_mps2: float) -> float:
    """The speed at which accelerating and braking meet on a short leg."""
    squared = (
        2 * gain_mps2 * _BRAKING_MPS2 * length_m + _BRAKING_MPS2 * before * before + gain_mps2 * after**2
    )
    return math.sqrt(squared / (gain_mps2 + _BRAKING_MPS2))


def _corners(legs: Sequence[Leg]) -> list[tuple[float, float, float, float, float]]:
    """Where each leg begins (along, east, north) and where it points; last the end of the way."""
    corners = []
    along_m = east_m = north_m = to_east = to_north = 0.0
    for leg in legs:
        heading = math.radians(leg.heading_deg)
        to_east, to_north = math.sin(heading), math.cos(heading)
        corners.append((along_m, east_m, north_m, to_east, to_north))
        along_m += leg.length_m
        east_m += to_east * leg.length_m
        north_m += to_north * leg.length_m
    corners.append((along_m, east_m, north_m, to_east, to_north))
    return corners
