"""Counting what happens: the port that metrics are written through."""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Meters(Protocol):
    """Write-only metrics; names are those of ``gateway.names.METRICS``. Never raises, never blocks."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation, in the unit of the name."""
        ...


class Tally:
    """Meters that only remember totals: for tests, and as the base of what ``/health/ready`` counts."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; labels are summed over."""
        del labels
        self.totals[name] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge; one value per label set."""
        self.gauges["/".join((name, *labels.values()))] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Count the observation."""
        del value, labels
        self.totals[name] += 1
