"""How long a delivery that failed waits. Pure."""

from __future__ import annotations

import random

BACKOFF_FROM_S = 0.5
BACKOFF_TO_S = 30.0


def pause_s(rng: random.Random, attempts: int, after_s: float | None) -> float:
    """Full jitter; what the SOC asked for (``after_s``) comes first, spread a little."""
    if after_s is not None:
        return min(max(after_s, BACKOFF_FROM_S), BACKOFF_TO_S) + rng.uniform(0, BACKOFF_FROM_S)
    return rng.uniform(BACKOFF_FROM_S, min(BACKOFF_TO_S, BACKOFF_FROM_S * 2.0 ** min(attempts, 10)))


def least_s(after_s: float | None) -> float:
    """The shortest pause, or what the SOC asked for: it holds whatever happens to the sink meanwhile."""
    return max(BACKOFF_FROM_S, min(after_s or 0.0, BACKOFF_TO_S))
