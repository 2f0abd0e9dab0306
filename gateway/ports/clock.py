"""The only source of time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for stamping."""
        ...

    def mono_s(self) -> float:
        """Monotonic seconds: for every duration inside the process."""
        ...
