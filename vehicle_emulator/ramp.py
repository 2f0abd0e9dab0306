"""
A rate that climbs in steps until the system under test no longer keeps up. Pure: time is passed in.

1. Each step holds its rate; its events are those that were due in it, whenever they left.
2. A step is *served* if 99 % of its events have a receipt within a second of the moment they were due. The
   knee is the first step that is not, with all that follows it; the highest rate before it is *sustained*.
3. Where the emulator itself was late or had no core left, the step says so: what it shows is the emulator.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator.figures import Percentiles, percentiles

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED_WITHIN_MS: Final = 1_000.0
SERVED_SHARE: Final = 0.99
LATE_MS: Final = 50.0
BUSY_CORES: Final = 0.9
MOST_STEPS: Final = 100
MOST_PER_S: Final = 100_000.0


# Moments are sums of floats: one that begins a step must not fall into the step before.
_ROUNDING_MS = 0.001


class RampError(Exception):
    """The text says what may be written."""


class Ramp(msgspec.Struct, frozen=True):
    """Events per second of each step, and how long each of them is held."""

    rates_per_s: tuple[float, ...]
    hold_s: float

    @property
    def length_s(self) -> float:
        """From the first event to the last."""
        return len(self.rates_per_s) * self.hold_s


class Step(msgspec.Struct, frozen=True):
    """One step. ``own_lateness_ms``: of the emulator's turns; ``own_cores``: CPU that it used."""

    rate_per_s: float
    wanted: int
    receipted: int
    served_share: float
    latency_ms: Percentiles
    own_lateness_ms: Percentiles
    own_cores: float

    @property
    def is_served(self) -> bool:
        """Rule 2."""
        return self.served_share >= SERVED_SHARE

    @property
    def limit(self) -> str:
        """Rule 3: what the emulator lacked, or nothing."""
        return own_limit(self.own_lateness_ms, self.own_cores)


class Climb(msgspec.Struct, frozen=True):
    """The whole ramp; ``knee_per_s`` is None where every step was served."""

    steps: tuple[Step, ...]
    sustained_per_s: float
    knee_per_s: float | None

    def sentence(self) -> str:
        """What was found, for people."""
        if self.knee_per_s is None:
            return f"no knee up to {self.sustained_per_s:,.0f} events/s"
        knee = next(step for step in self.steps if step.rate_per_s == self.knee_per_s)
        limit = f"; there {knee.limit}" if knee.limit else ""
        return f"{self.sustained_per_s:,.0f} events/s sustained, knee at {self.knee_per_s:,.0f}{limit}"


def own_limit(lateness_ms: Percentiles, cores: float) -> str:
    """Whether the emulator was its own bottleneck, in words; nothing if it was not."""
    if cores > BUSY_CORES:
        return f"the emulator was the limit: it used {cores:.2f} of its one core"
    if lateness_ms.p99 > LATE_MS:
        return f"the emulator was the limit: it was {lateness_ms.p99:,.0f} ms late itself (p99)"
    return ""


def read(text: str, hold_s: float) -> Ramp:
    """
    Read ``FROM:TO:STEP`` in events per second.

    Errors:  RampError.
    """
    try:
        low, high, step = (float(part) for part in text.split(":"))
    except ValueError:
        low = high = step = -1.0
    if not (0.0 < low <= high <= MOST_PER_S and step > 0.0 and (high - low) / step < MOST_STEPS):
        sentence = f"write FROM:TO:STEP in events/s, up to {MOST_PER_S:,.0f} in at most {MOST_STEPS} steps"
        raise RampError(f"{text}: {sentence}")
    count = int((high - low) / step + 1e-9) + 1
    return Ramp(tuple(low + step * number for number in range(count)), hold_s)


class Stairs:
    """The moments of all steps, as ``load.Slots`` gives those of one rate."""

    __slots__ = ("_moments", "_taken", "next_at_ms")

    def __init__(self, ramp: Ramp, start_ms: float) -> None:
        """The first moment is the start."""
        self._taken, self._moments = 0, _moments(ramp, start_ms)
        self.next_at_ms = next(self._moments)

    def take(self, now_ms: float) -> Iterator[tuple[int, float]]:
        """All moments up to now: their number and time."""
        while (at_ms := self.next_at_ms) <= now_ms:
            number, self._taken = self._taken, self._taken + 1
            self.next_at_ms = next(self._moments, math.inf)
            yield number, at_ms


def _moments(ramp: Ramp, start_ms: float) -> Iterator[float]:
    for step, rate in enumerate(ramp.rates_per_s):
        begin_ms = start_ms + step * ramp.hold_s * 1_000
        for place in range(wanted(rate, ramp.hold_s)):
            yield begin_ms + place * 1_000 / rate


def wanted(rate_per_s: float, hold_s: float) -> int:
    """How many events a step has; the last of them is half a period before its end, so that it is in it."""
    return max(1, math.ceil(rate_per_s * hold_s - 0.5))


class _Counted:
    """What is known of one step so far."""

    __slots__ = ("cpu_s", "lags_ms", "latencies_ms")

    def __init__(self) -> None:
        self.latencies_ms: array[float] = array("d")
        self.lags_ms: array[float] = array("d")
        self.cpu_s: list[float] = []


class Watch:
    """Sorts what happens into the steps to which it belongs."""

    def __init__(self, ramp: Ramp, start_ms: float) -> None:
        """The ramp begins at the start."""
        self._ramp, self._start_ms = ramp, start_ms
        self._steps = [_Counted() for _ in ramp.rates_per_s]

    def receipted(self, intended_ms: float, now_ms: float) -> None:
        """An event that was due then has its receipt now."""
        if (step := self._at(intended_ms)) is not None:
            step.latencies_ms.append(now_ms - intended_ms)

    def turned(self, now_ms: float, late_ms: float, cpu_s: float) -> None:
        """The emulator has played what was due, so late, and has used so much CPU since it began."""
        if (step := self._at(now_ms)) is not None:
            step.lags_ms.append(late_ms)
            step.cpu_s.append(cpu_s)

    def climb(self) -> Climb:
        """What was found."""
        steps = tuple(map(self._step, self._ramp.rates_per_s, self._steps))
        knee = next((number for number, step in enumerate(steps) if not step.is_served), None)
        served = steps if knee is None else steps[:knee]
        return Climb(
            steps, served[-1].rate_per_s if served else 0.0, None if knee is None else steps[knee].rate_per_s
        )

    def _step(self, rate_per_s: float, counted: _Counted) -> Step:
        due = wanted(rate_per_s, self._ramp.hold_s)
        in_time = sum(one <= SERVED_WITHIN_MS for one in counted.latencies_ms)
        used_s = counted.cpu_s[-1] - counted.cpu_s[0] if counted.cpu_s else 0.0
        return Step(
            rate_per_s, due, len(counted.latencies_ms), round(in_time / due, 4),
            percentiles(counted.latencies_ms), percentiles(counted.lags_ms),
            round(used_s / self._ramp.hold_s, 3),
        )  # fmt: skip

    def _at(self, at_ms: float) -> _Counted | None:
        number = int((at_ms + _ROUNDING_MS - self._start_ms) / (self._ramp.hold_s * 1_000))
        return self._steps[number] if at_ms >= self._start_ms and number < len(self._steps) else None
