"""
A rate that climbs in steps until the system under test no longer keeps up. Pure: time is passed in.

1. Each step holds its rate; its messages are those that were due in it, whenever they left.
2. A step of alarms is *served* if 99 % of them have a receipt within a second of the moment they were due.
3. What becomes of telemetry only its receiver knows. So alarms go along at a steady rate, each behind its
   vehicle's telemetry on the same connection: a step of telemetry is served if 99 % of it has left within a
   second of the moment it was due, and 99 % of these alarms have a receipt by rule 2. What a receiver drops
   and still keeps up is not seen here.
4. The knee is the first step that is not served, with all that follows it; the highest rate before it is
   *sustained*.
5. Where the emulator itself was late or had no core left, the step says so: what it shows is the emulator.
"""

from __future__ import annotations

import math
from array import array
from enum import StrEnum
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator.figures import Percentiles, percentiles
from vehicle_emulator.share import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vehicle_emulator.share import Share

SERVED_WITHIN_MS: Final = 1_000.0
SERVED_SHARE: Final = 0.99
LATE_MS: Final = 50.0
BUSY_CORES: Final = 0.9
MOST_STEPS: Final = 100
MOST_PER_S: Final = 100_000.0
PROBES_PER_S: Final = 20.0


# Moments are sums of floats: one that begins a step must not fall into the step before.
_ROUNDING_MS = 0.001


class RampError(Exception):
    """The text says what may be written."""


class Kind(StrEnum):
    """What climbs."""

    ALARMS = "alarms"
    TELEMETRY = "telemetry"


class Ramp(msgspec.Struct, frozen=True):
    """Messages per second of each step, and how long each is held; ``probes_per_s``: alarms by rule 3."""

    rates_per_s: tuple[float, ...]
    hold_s: float
    kind: Kind = Kind.ALARMS
    probes_per_s: float = PROBES_PER_S

    @property
    def length_s(self) -> float:
        """From the first message to the last."""
        return len(self.rates_per_s) * self.hold_s

    @property
    def alarms(self) -> Ramp:
        """The alarms of each step: all of it, or those that go along."""
        if self.kind is Kind.ALARMS:
            return self
        return Ramp((self.probes_per_s,) * len(self.rates_per_s), self.hold_s)


class Step(msgspec.Struct, frozen=True):
    """
    One step: ``wanted`` messages, ``alarms`` of them or beside them.

    ``own_lateness_ms``: of the emulator's turns; ``own_cores``: CPU that it used in all, ``busiest_core`` by
    its busiest process.
    """

    rate_per_s: float
    wanted: int
    alarms: int
    receipted: int
    served_share: float
    latency_ms: Percentiles
    own_lateness_ms: Percentiles
    own_cores: float
    busiest_core: float

    @property
    def is_served(self) -> bool:
        """Rules 2 and 3."""
        return self.served_share >= SERVED_SHARE

    @property
    def limit(self) -> str:
        """Rule 5: what the emulator lacked, or nothing."""
        return own_limit(self.own_lateness_ms, self.busiest_core)


class Climb(msgspec.Struct, frozen=True):
    """The whole ramp; ``knee_per_s`` is None where every step was served."""

    steps: tuple[Step, ...]
    sustained_per_s: float
    knee_per_s: float | None
    kind: Kind = Kind.ALARMS

    @property
    def unit(self) -> str:
        """What is counted per second."""
        return "events/s" if self.kind is Kind.ALARMS else "telemetry/s"

    def sentence(self) -> str:
        """What was found, for people."""
        if self.knee_per_s is None:
            return f"no knee up to {self.sustained_per_s:,.0f} {self.unit}"
        knee = next(step for step in self.steps if step.rate_per_s == self.knee_per_s)
        limit = f"; there {knee.limit}" if knee.limit else ""
        return f"{self.sustained_per_s:,.0f} {self.unit} sustained, knee at {self.knee_per_s:,.0f}{limit}"


def own_limit(lateness_ms: Percentiles, busiest_core: float) -> str:
    """Whether the emulator was its own bottleneck, in words; nothing if it was not."""
    if busiest_core > BUSY_CORES:
        return f"the emulator was the limit: it used {busiest_core:.2f} of one core (take more --processes)"
    if lateness_ms.p99 > LATE_MS:
        return f"the emulator was the limit: it was {lateness_ms.p99:,.0f} ms late itself (p99)"
    return ""


def read(text: str, hold_s: float, kind: Kind = Kind.ALARMS, probes_per_s: float = PROBES_PER_S) -> Ramp:
    """
    Read ``FROM:TO:STEP`` in messages per second.

    Errors:  RampError.
    """
    try:
        low, high, step = (float(part) for part in text.split(":"))
    except ValueError:
        low = high = step = -1.0
    if not (0.0 < low <= high <= MOST_PER_S and step > 0.0 and (high - low) / step < MOST_STEPS):
        sentence = f"write FROM:TO:STEP in messages/s, up to {MOST_PER_S:,.0f} in at most {MOST_STEPS} steps"
        raise RampError(f"{text}: {sentence}")
    count = int((high - low) / step + 1e-9) + 1
    return Ramp(tuple(low + step * number for number in range(count)), hold_s, kind, probes_per_s)


class Stairs:
    """The moments of all steps, as ``load.Slots`` gives those of one rate."""

    __slots__ = ("_moments", "_taken", "next_at_ms")

    def __init__(self, ramp: Ramp, start_ms: float, share: Share = ALL) -> None:
        """The first moment of all is the start; a share of them lies between those of the others."""
        self._taken = 0
        self._moments = islice(_moments(ramp, start_ms), share.index, None, share.of)
        self.next_at_ms = next(self._moments, math.inf)

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
    """How many messages a step has; the last is half a period before its end, so that it is in it."""
    return max(1, math.ceil(rate_per_s * hold_s - 0.5))


class Counted(msgspec.Struct):
    """What one process knows of one step; ``left``: telemetry that left in time."""

    wanted: int
    alarms: int
    left: int = 0
    latencies_ms: array[float] = msgspec.field(default_factory=lambda: array("d"))
    lags_ms: array[float] = msgspec.field(default_factory=lambda: array("d"))
    cpu_s: tuple[float, float] | None = None
    """When it was first looked at, and last."""

    @property
    def used_s(self) -> float:
        """CPU."""
        return self.cpu_s[1] - self.cpu_s[0] if self.cpu_s else 0.0


class Watch:
    """Sorts what happens into the steps to which it belongs."""

    def __init__(self, ramp: Ramp, start_ms: float, share: Share = ALL) -> None:
        """The ramp begins at the start."""
        self._ramp, self._start_ms = ramp, start_ms
        self.steps = tuple(map(Counted, _wanted(ramp, share), _wanted(ramp.alarms, share)))

    def receipted(self, intended_ms: float, now_ms: float) -> None:
        """An alarm that was due then has its receipt now."""
        if (step := self._at(intended_ms)) is not None:
            step.latencies_ms.append(now_ms - intended_ms)

    def left(self, intended_ms: float, now_ms: float) -> None:
        """Telemetry that was due then has left now."""
        step = self._at(intended_ms)
        if step is not None and now_ms - intended_ms <= SERVED_WITHIN_MS:
            step.left += 1

    def turned(self, now_ms: float, late_ms: float, cpu_s: float) -> None:
        """The emulator has played what was due, so late, and has used so much CPU since it began."""
        if (step := self._at(now_ms)) is not None:
            step.lags_ms.append(late_ms)
            step.cpu_s = (step.cpu_s[0] if step.cpu_s else cpu_s, cpu_s)

    def _at(self, at_ms: float) -> Counted | None:
        number = int((at_ms + _ROUNDING_MS - self._start_ms) / (self._ramp.hold_s * 1_000))
        return self.steps[number] if at_ms >= self._start_ms and number < len(self.steps) else None


def climb(ramp: Ramp, shares: Sequence[tuple[Counted, ...]]) -> Climb:
    """What was found, from what each process has counted of each step."""
    steps = tuple(
        _step(ramp, rate, counted)
        for rate, counted in zip(ramp.rates_per_s, zip(*shares, strict=True), strict=True)
    )
    knee = next((number for number, step in enumerate(steps) if not step.is_served), None)
    served = steps if knee is None else steps[:knee]
    return Climb(
        steps, served[-1].rate_per_s if served else 0.0, None if knee is None else steps[knee].rate_per_s,
        ramp.kind,
    )  # fmt: skip


def _wanted(ramp: Ramp, share: Share) -> Iterator[int]:
    """How many messages of each step a share has."""
    counts = [wanted(rate, ramp.hold_s) for rate in ramp.rates_per_s]
    return map(share.count, accumulate(counts[:-1], initial=0), counts)


def _step(ramp: Ramp, rate_per_s: float, shares: Sequence[Counted]) -> Step:
    """Samples of all processes are put together: percentiles can't be averaged."""
    latencies_ms = [sample for one in shares for sample in one.latencies_ms]
    alarms, due = sum(one.alarms for one in shares), sum(one.wanted for one in shares)
    served = sum(one <= SERVED_WITHIN_MS for one in latencies_ms) / max(1, alarms)
    if ramp.kind is Kind.TELEMETRY:
        served = min(served, sum(one.left for one in shares) / max(1, due))
    cores = [one.used_s / ramp.hold_s for one in shares]
    return Step(
        rate_per_s, due, alarms, len(latencies_ms), round(served, 4), percentiles(latencies_ms),
        percentiles([sample for one in shares for sample in one.lags_ms]),
        round(sum(cores), 3), round(max(cores), 3),
    )  # fmt: skip
