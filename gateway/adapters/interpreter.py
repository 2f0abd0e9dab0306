"""
Waits that the interpreter itself makes, kept short: the lock between threads, and the garbage collector's.

The collector looks at everything that lives whenever a quarter of it is new: more than a millisecond for each
thousand vehicles that are heard, while nothing else runs. What survives such a look will live for long. It is
set aside; from then on only what came later is looked at. What dies in a cycle later is found once a day.
"""

from __future__ import annotations

import gc
import sys
import time

SWITCH_INTERVAL_S = 0.0005
"""The writer thread must not wait 5 ms for the interpreter while telemetry is decoded."""
ALL_AGAIN_AFTER_S = 24 * 3600.0
OLDEST = 2


def tune() -> None:
    """Set the interpreter of this process up; to be called once."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.callbacks.append(Aside(time.monotonic()))


class Aside:
    """Told by the collector before and after each look."""

    def __init__(self, now_s: float) -> None:
        self._all_again_s = now_s + ALL_AGAIN_AFTER_S

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """After a look at everything: set it aside; a day later let everything be looked at again."""
        if phase != "stop" or info["generation"] != OLDEST:
            return
        now_s = time.monotonic()
        if now_s < self._all_again_s:
            gc.freeze()
        else:
            self._all_again_s = now_s + ALL_AGAIN_AFTER_S
            gc.unfreeze()
