"""Numbers about numbers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds."""

    count: int
    p50: float
    p99: float
    p999: float
    max: float


def percentiles(samples: Sequence[float]) -> Percentiles:
    """Nearest rank; zeros where there is no sample."""
    ordered = sorted(samples) or [0.0]

    def rank(per_mille: int) -> float:
        return round(ordered[max(0, -(-len(ordered) * per_mille // 1_000) - 1)], 3)

    return Percentiles(len(samples), rank(500), rank(990), rank(999), round(ordered[-1], 3))
