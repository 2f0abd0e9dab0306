"""
What a fleet does, measured from the messages that it sends and nothing else. Pure.

1. A trip is from the ignition going on to its going off, if the wheels turned in between.
2. Intervals are between two telemetry messages as they were written (the car's clock), by what the car was
   doing at the first; what waits in a hole is so counted as it was meant.
3. Home is where a car spends most of its parked time, to about 400 m.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field

from vehicle_emulator import body, messages
from vehicle_emulator.rest import SLEEP_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vehicle_emulator.day import Sent

DAY_S: Final = 86_400.0
_DAY_MS: Final = 86_400_000
_TOPIC_BYTES: Final = len("v1/vehicles//")
_MONTH_DAYS: Final = 30.0
# Beside the payload: topic, MQTT and TLS records, and two TCP/IP headers (it, and its acknowledgement).
OVERHEAD_BYTES: Final = 5 + 29 + 2 * 40
_PLACE_DEG: Final = 0.0025
# A longer pause than this, parked: its computers sleep.
_SLEEPS_S: Final = 300.0
_STATES: Final = ("driving", "charging", "awake", "asleep")


class Spread(Struct, frozen=True):
    """How something is distributed."""

    count: int
    mean: float
    p10: float
    p50: float
    p90: float
    p99: float


class Histogram(Struct, frozen=True):
    """Counts in bins of equal width from 0; the last bin holds what is beyond, too."""

    title: str
    unit: str
    width: float
    counts: tuple[int, ...]


class Measured(Struct, frozen=True):
    """The whole measurement; ``figures`` by the names of ``published``."""

    vehicles: int
    days: float
    seed: int
    messages: int
    figures: dict[str, float]
    spreads: dict[str, Spread]
    histograms: tuple[Histogram, ...]
    bearers: dict[str, int]
    kinds: dict[str, int]


class _Told(Struct):
    occurred_at: str
    signals: dict[str, Any]


class _Connection(Struct):
    online: bool
    bearer: str | None = None


_decode = msgspec.json.Decoder(_Told).decode
_decode_connection = msgspec.json.Decoder(_Connection).decode


class _Car(Struct):
    """What is known of one car on the way."""

    vin: str
    signals: dict[str, Any] = field(default_factory=dict)
    told_s: float = 0.0
    off_s: float = 0.0
    trip_s: float | None = None
    trip_m: float = 0.0
    slept: bool = False
    moving_s: float = 0.0
    parked_at: defaultdict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))


class Meter:
    """Takes a fleet's messages in the order of sending."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self._cars: dict[str, _Car] = {}
        self._samples: dict[str, list[float]] = {
            name: [] for name in ("speed", "trip_km", "trip_min", "size", "hour", "awake_min", *_STATES)
        }
        self.kinds: Counter[str] = Counter()
        self.bearers: Counter[str] = Counter()
        self._bytes: Counter[tuple[str, int]] = Counter()
        self._trips: Counter[tuple[str, int]] = Counter()

    def take(self, sent: Iterable[Sent]) -> None:
        """Count everything."""
        for at_ms, vin, message in sent:
            self.kinds[message.kind] += 1
            topic_bytes = _TOPIC_BYTES + len(vin) + len(message.kind)
            self._bytes[vin, at_ms // _DAY_MS] += len(message.payload) + topic_bytes + OVERHEAD_BYTES
            if message.kind == messages.TELEMETRY:
                self._samples["size"].append(len(message.payload))
                car = self._cars.get(vin) or self._cars.setdefault(vin, _Car(vin))
                self._hear(car, _decode(message.payload), at_ms / 1_000)
            elif message.kind == messages.CONNECTION:
                connection = _decode_connection(message.payload)
                if connection.online:
                    self.bearers[connection.bearer or "none"] += 1

    def _hear(self, car: _Car, told: _Told, sent_s: float) -> None:
        now_s = min(sent_s, _seconds(told.occurred_at))
        if car.signals and now_s > car.told_s:
            self._pass(car, now_s)
        before = car.signals.get(body.IGNITION)
        car.signals |= told.signals
        car.told_s = max(car.told_s, now_s)
        after = car.signals.get(body.IGNITION)
        if before != after:
            self._switch(car, now_s, is_on=after == "ON")
        if speed := car.signals.get(body.SPEED):
            self._samples["speed"].append(speed)

    def _pass(self, car: _Car, now_s: float) -> None:
        """Time since the last message: what the car was doing."""
        gap_s, state = now_s - car.told_s, _state(car)
        self._samples[state].append(round(gap_s, 1))
        if car.signals.get(body.SPEED):
            car.moving_s += gap_s
        car.slept |= state == "charging"  # that keeps its computers awake
        if gap_s > _SLEEPS_S and car.off_s and not car.slept:
            car.slept = True
            self._samples["awake_min"].append((car.told_s - car.off_s) / 60)
        if state != "driving":
            car.parked_at[_square(car.signals)] += gap_s

    def _switch(self, car: _Car, now_s: float, *, is_on: bool) -> None:
        if is_on:
            car.trip_s, car.trip_m = now_s, car.signals[body.ODOMETER]
            return
        car.off_s, car.slept = now_s, False
        if car.trip_s is not None and car.signals[body.ODOMETER] > car.trip_m:
            self._samples["trip_km"].append((car.signals[body.ODOMETER] - car.trip_m) / 1_000)
            self._samples["trip_min"].append((now_s - car.trip_s) / 60)
            self._samples["hour"].append(car.trip_s % DAY_S / 3_600)
            self._trips[car.vin, int(car.trip_s // DAY_S)] += 1
        car.trip_s = None

    def measured(self, seed: int, days: float) -> Measured:
        """The figures, as one."""
        samples, cars = self._samples, len(self._cars)
        car_days = max(1, cars) * days
        total_s = car_days * DAY_S
        moving_s = sum(car.moving_s for car in self._cars.values())
        home_s = sum(_around(car.parked_at) for car in self._cars.values())
        spreads = {name: spread(values) for name, values in samples.items()}
        trips = len(samples["trip_km"])
        figures = {
            "moving_percent": 100 * moving_s / total_s,
            "home_percent": 100 * home_s / total_s,
            "trips_a_day": trips / car_days,
            "trip_min": spreads["trip_min"].mean,
            "trip_km_h": 60 * spreads["trip_km"].mean / max(0.01, spreads["trip_min"].mean),
            "day_km": spreads["trip_km"].mean * trips / car_days,
            **{f"{state}_s": spreads[state].p50 for state in _STATES},
            "awake_min": spreads["awake_min"].p50,
            "messages_per_s": self.kinds.total() / total_s,
            "month_mb": self._bytes.total() / car_days * _MONTH_DAYS / 1_000_000,
            "telemetry_bytes": spreads["size"].mean,
        }
        return Measured(
            vehicles=cars, days=days, seed=seed, messages=self.kinds.total(),
            figures={name: round(value, 4) for name, value in figures.items()}, spreads=spreads,
            histograms=self._histograms(), bearers=dict(self.bearers.most_common()),
            kinds=dict(self.kinds.most_common()),
        )  # fmt: skip

    def _per_day(self, counts: Counter[tuple[str, int]], unit: int) -> list[float]:
        """One value for each car and each day of the run, none left out."""
        days = {day for _, day in self._bytes}
        return [counts[vin, day] / unit for vin in self._cars for day in sorted(days)]

    def _histograms(self) -> tuple[Histogram, ...]:
        samples = self._samples
        return (
            histogram("Speed while moving", "km/h", samples["speed"], 10, 14),
            histogram("Length of a trip", "km", samples["trip_km"], 5, 16),
            histogram("Length of a trip in time", "min", samples["trip_min"], 5, 16),
            histogram("Trips by the hour they begin (UTC)", "h", samples["hour"], 1, 24),
            histogram("Size of a telemetry message", "B", samples["size"], 100, 14),
            histogram("Data per car and day, as sent", "kB", self._per_day(self._bytes, 1_000), 100, 16),
            histogram("Trips per car and day", "", self._per_day(self._trips, 1), 1, 14),
            histogram("Publish interval, parked", "s", samples["awake"] + samples["asleep"], 30, 21),
        )


def spread(values: list[float]) -> Spread:
    """Nearest rank; zeros where there is no sample."""
    ordered = sorted(values) or [0.0]

    def rank(percent: int) -> float:
        return round(float(ordered[max(0, -(-len(ordered) * percent // 100) - 1)]), 3)

    mean = round(sum(ordered) / len(ordered), 3)
    return Spread(len(values), mean, rank(10), rank(50), rank(90), rank(99))


def histogram(title: str, unit: str, values: list[float], width: float, bins: int) -> Histogram:
    """Count the values into bins."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(value / width))] += 1
    return Histogram(title, unit, width, tuple(counts))


def _state(car: _Car) -> str:
    if car.signals.get(body.IGNITION) == "ON":
        return "driving"
    if car.signals.get(body.IS_CHARGING):
        return "charging"
    return "awake" if car.told_s < car.off_s + SLEEP_AFTER_S and car.off_s else "asleep"


def _square(signals: dict[str, Any]) -> tuple[int, int]:
    """Which square of the map this is."""
    return round(signals[body.LATITUDE] / _PLACE_DEG), round(signals[body.LONGITUDE] / _PLACE_DEG)


def _around(parked_at: dict[tuple[int, int], float]) -> float:
    """Seconds in the square where it stands most, and those beside it: a fix wanders over an edge."""
    if not parked_at:
        return 0.0
    (north, east), _ = max(parked_at.items(), key=lambda place: (place[1], place[0]))
    near = (-1, 0, 1)
    return sum(parked_at.get((north + up, east + right), 0.0) for up in near for right in near)


def _seconds(text: str) -> float:
    """An RFC 3339 time in UTC with milliseconds, as vehicles write it."""
    day, rest = text[:10], text[11:23]
    return _midnight_s(day) + int(rest[:2]) * 3_600 + int(rest[3:5]) * 60 + float(rest[6:])


@lru_cache(maxsize=64)
def _midnight_s(day: str) -> float:
    return (date.fromisoformat(day).toordinal() - 719_163) * DAY_S
