"""
When people drive and where to: an outing is a list of stops that ends at home. Pure.

Each day of each vehicle has dice of its own, so a day is the same whatever happened before it. The hours are
local; a clock change is not played. Aims (RAC Foundation, 2012, from the British travel survey): 2.6 trips a
day of 20 min each, at home four fifths of the time; the rest is this project's own guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from vehicle_emulator.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
# Winter time in the middle of Europe, where most of the places are.
LOCAL_MS: Final = HOUR_MS
# 1970 began on a Thursday; 0 is Monday.
_FIRST_WEEKDAY = 3
_SATURDAY = 5

Whither = Literal["home", "work", "shop", "school", "visit", "far", "drop", "fuel", "charge"]


class Stop(NamedTuple):
    """Where to, and for how long."""

    whither: Whither
    stay_s: float


class Outing(NamedTuple):
    """When a car leaves home, and the stops; the last is home."""

    leave_ms: int
    stops: tuple[Stop, ...]


_HOME: Final = Stop("home", 0.0)


def today(seed: int, vin: str, life: str, day: int) -> tuple[Outing, ...]:
    """The outings of one local day (days since 1970), in order, none beginning before the one before it."""
    dice = Dice(seed, vin, "day", day)
    is_weekend = (day + _FIRST_WEEKDAY) % 7 >= _SATURDAY
    planned = _PLANS[life](dice, is_weekend)
    day_ms = day * DAY_MS - LOCAL_MS
    return tuple(
        Outing(day_ms + round(hour * HOUR_MS), (*stops, _HOME))
        for hour, stops in sorted(planned, key=lambda outing: outing[0])
    )


def local_day(at_ms: int) -> int:
    """The local day (days since 1970) of a moment."""
    return (at_ms + LOCAL_MS) // DAY_MS


def traffic(at_ms: int) -> float:
    """How full the roads are: from 0 at night to 1 in a weekday's rush hours."""
    hour = (at_ms + LOCAL_MS) % DAY_MS / HOUR_MS
    is_weekend = (local_day(at_ms) + _FIRST_WEEKDAY) % 7 >= _SATURDAY
    if is_weekend:
        return 0.3 * _hump(hour, 14.0, 5.0)
    return max(_hump(hour, 8.0, 1.6), _hump(hour, 17.3, 2.2), 0.3 * _hump(hour, 12.5, 6.0))


_Planned = list[tuple[float, tuple[Stop, ...]]]


def _commuter(dice: Dice, is_weekend: bool) -> _Planned:  # noqa: FBT001  # a plan's one question
    if is_weekend:
        return _free_day(dice)
    if not dice.chance(0.8):
        return _at_home(dice)
    work = Stop("work", _stay_s(dice, 8.3, 0.7))
    first = (Stop("school", 120.0), work) if dice.chance(0.06) else (work,)
    stops = (*first, Stop("shop", _stay_s(dice, 0.45, 0.15))) if dice.chance(0.28) else first
    planned = [(_hour(dice, 7.5, 0.65), stops)]
    if dice.chance(0.16):
        planned.append((_hour(dice, 19.2, 0.6), (Stop("visit", _stay_s(dice, 1.6, 0.5)),)))
    return planned


def _homebody(dice: Dice, is_weekend: bool) -> _Planned:  # noqa: FBT001  # a plan's one question
    if is_weekend:
        return _free_day(dice)
    planned = _at_home(dice)
    if dice.chance(0.18):
        planned.append((_hour(dice, 8.0, 0.12), (Stop("school", 180.0),)))
        planned.append((_hour(dice, 15.0, 0.15), (Stop("school", 420.0),)))
    return planned


def _delivery(dice: Dice, is_weekend: bool) -> _Planned:  # noqa: FBT001  # a plan's one question
    if is_weekend or dice.chance(0.06):
        return []
    drops = tuple(Stop("drop", 60.0 * dice.between(4.0, 16.0)) for _ in range(4 + dice.below(7)))
    return [(_hour(dice, 7.2, 0.4), (Stop("work", 1_500.0), *drops))]


def _pleasure(dice: Dice, is_weekend: bool) -> _Planned:  # noqa: FBT001  # a plan's one question
    if is_weekend and dice.chance(0.5):
        whither: Whither = "far" if dice.chance(0.3) else "visit"
        return [(_hour(dice, 12.5, 1.5), (Stop(whither, _stay_s(dice, 1.5, 0.5)),))]
    if dice.chance(0.2):
        return [(_hour(dice, 17.8, 0.7), (Stop("visit", _stay_s(dice, 1.0, 0.4)),))]
    return []


def _at_home(dice: Dice) -> _Planned:
    planned: _Planned = []
    if dice.chance(0.55):
        planned.append((_hour(dice, 10.6, 1.1), (Stop("shop", _stay_s(dice, 0.7, 0.25)),)))
    if dice.chance(0.3):
        planned.append((_hour(dice, 16.6, 1.2), (Stop("visit", _stay_s(dice, 1.2, 0.5)),)))
    return planned


def _free_day(dice: Dice) -> _Planned:
    if dice.chance(0.06):
        return [(_hour(dice, 9.3, 0.8), (Stop("far", _stay_s(dice, 5.5, 1.0)),))]
    planned: _Planned = []
    if dice.chance(0.5):
        planned.append((_hour(dice, 11.0, 0.9), (Stop("shop", _stay_s(dice, 0.9, 0.3)),)))
    if dice.chance(0.45):
        planned.append((_hour(dice, 15.2, 1.1), (Stop("visit", _stay_s(dice, 2.6, 0.8)),)))
    return planned


_PLANS: Final[dict[str, Callable[[Dice, bool], _Planned]]] = {
    "commuter": _commuter,
    "homebody": _homebody,
    "delivery": _delivery,
    "pleasure": _pleasure,
}


def _hour(dice: Dice, mean_h: float, spread_h: float) -> float:
    return min(23.0, max(0.5, mean_h + spread_h * dice.bell()))


def _stay_s(dice: Dice, mean_h: float, spread_h: float) -> float:
    return 3_600.0 * max(0.1, mean_h + spread_h * dice.bell())


def _hump(hour: float, middle_h: float, width_h: float) -> float:
    """From 1 in the middle down to 0 at so many hours from it."""
    away = abs(hour - middle_h) / width_h
    return max(0.0, 1.0 - away * away)
