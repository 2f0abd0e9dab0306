"""Meters on prometheus-client, with the totals that ``/health/ready`` shows."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from gateway.names import METRICS
from gateway.pipeline.meters import Tally

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200)


class PrometheusMeters(Tally):
    """Metrics are made at their first use, with the labels of that use."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        self._made: dict[str, Any] = {}
        self._children: dict[tuple[str, ...], Any] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        super().count(name, amount)
        self._child(Counter, name, labels).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        super().gauge(name, value, **labels)
        self._child(Gauge, name, labels).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation."""
        self._child(Histogram, name, labels).observe(value)

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def _child(self, kind: type[Any], name: str, labels: dict[str, str]) -> Any:
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            metric = self._made.get(name) or self._make(kind, name, tuple(labels))
            child = self._children[key] = metric.labels(**labels) if labels else metric
        return child

    def _make(self, kind: type[Any], name: str, labels: tuple[str, ...]) -> Any:
        options: dict[str, Any] = {"registry": self.registry}
        if kind is Histogram:
            options["buckets"] = SECONDS if name.endswith("_seconds") else SIZES
        self._made[name] = kind(name, METRICS[name], labels, **options)
        return self._made[name]
