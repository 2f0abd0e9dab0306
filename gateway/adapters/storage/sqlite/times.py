"""Times as the database holds them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache


@lru_cache(maxsize=64)  # all rows of a decision bear the same few
def text(at: datetime) -> str:
    """Fixed-width RFC 3339 in UTC, so that text order is time order."""
    return at.isoformat(timespec="microseconds")
