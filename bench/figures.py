"""Numbers about numbers: percentiles, median and spread of rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct


class Percentiles(Struct, frozen=True):
    """Nearest rank; zeros where nothing was counted."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    def text(self, unit: str = "ms", digits: int = 1) -> str:
        """One line for a table."""
        if not self.count:
            return "nothing counted"
        numbers = (self.p50, self.p95, self.p99, self.max)
        p50, p95, p99, most = (f"{number:,.{digits}f}" for number in numbers)
        return f"p50 {p50}  p95 {p95}  p99 {p99}  max {most} {unit}  (of {self.count:,})"


class Rounds(Struct, frozen=True):
    """The same figure of several rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values) if self.values else 0.0

    def text(self, digits: int = 0) -> str:
        """Median and spread."""
        if not self.values:
            return "nothing counted"
        low, high = min(self.values), max(self.values)
        spread = f"{low:,.{digits}f} to {high:,.{digits}f} in {len(self.values)} rounds"
        return f"{self.median:,.{digits}f}  ({spread})"


def percentiles(samples: Sequence[float]) -> Percentiles:
    """Summarise samples, in the samples' own unit."""
    if not samples:
        return Percentiles()
    ordered = sorted(samples)

    def rank(percent: int) -> float:
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

    return Percentiles(len(ordered), rank(50), rank(95), rank(99), ordered[-1])


def slope_per_s(points: Sequence[tuple[float, float]]) -> float:
    """Least squares through (seconds, value)."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_s = sum(at_s for at_s, _ in points) / count
    mean = sum(value for _, value in points) / count
    spread = sum((at_s - mean_s) ** 2 for at_s, _ in points)
    return sum((at_s - mean_s) * (value - mean) for at_s, value in points) / spread if spread else 0.0
