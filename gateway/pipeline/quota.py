"""How often one person may ask: a bucket that fills by the second. Bounded in people."""

from __future__ import annotations

from collections import OrderedDict

BURST = 20
PER_S = 1.0
MAX_PEOPLE = 10_000


class Quota:
    """Counts by the monotonic clock, which the caller gives."""

    def __init__(self, burst: int = BURST, per_s: float = PER_S) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is left, and as of when."""

    def takes(self, who: str, now_s: float) -> bool:
        """Whether one more is within bounds; it is counted then."""
        left, at_s = self._left.get(who, (float(self._burst), now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        allowed = left >= 1
        self._left[who] = (left - allowed, now_s)
        self._left.move_to_end(who)
        if len(self._left) > MAX_PEOPLE:
            self._left.popitem(last=False)  # the one who has asked for nothing for the longest time
        return allowed
