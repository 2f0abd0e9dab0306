"""
How often people use their car's app, and for what. Pure.

Source of the rates: 7 million subscribers made 8.8 million app actions a month (OnStar, 2015): 1.26 each; the
peak is a winter morning, everybody warming the car at half past seven, taken as twenty times the mean. The
mix of actions is this project's own guess.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

ACTIONS_PER_MONTH: Final = 1.26
PEAK: Final = 20.0
PEAK_HOUR: Final = 7.5
_PEAK_WIDTH_H: Final = 0.75
_MONTH_S: Final = 30 * 86_400.0
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
MIX: Final = (
    ("climate_start", 30), ("unlock", 22), ("lock", 22), ("locate", 8), ("charge_start", 5),
    ("climate_stop", 5), ("honk_flash", 4), ("charge_stop", 4),
)  # fmt: skip
_TOTAL: Final = sum(share for _, share in MIX)


def busy(at_ms: float) -> float:
    """How many times the mean is asked at this moment (UTC): from 1 to 20."""
    hour = at_ms % _DAY_MS / _HOUR_MS
    away_h = min(abs(hour - PEAK_HOUR), 24.0 - abs(hour - PEAK_HOUR))
    return 1.0 + (PEAK - 1.0) * math.exp(-((away_h / _PEAK_WIDTH_H) ** 2))


def mean_per_s(users: int) -> float:
    """Actions per second of so many people, over a whole month."""
    return users * ACTIONS_PER_MONTH / _MONTH_S


def pick(dice: Dice) -> str:
    """What somebody wants."""
    throw = dice.below(_TOTAL)
    for action, share in MIX:
        throw -= share
        if throw < 0:
            return action
    return MIX[0][0]


class Wishes:
    """The moments at which somebody wants something, at random; ``rate_per_s`` 0: as often as people do."""

    __slots__ = ("_dice", "_per_ms", "_usual", "next_at_ms")

    def __init__(self, users: int, rate_per_s: float, start_ms: float, dice: Dice) -> None:
        """Begin at ``start_ms``."""
        self._dice, self._usual = dice, not rate_per_s
        self._per_ms = (rate_per_s or mean_per_s(users) * PEAK) / 1_000
        self.next_at_ms = start_ms
        self._go_on()

    def take(self, now_ms: float) -> list[float]:
        """All moments up to now."""
        moments = []
        while self.next_at_ms <= now_ms:
            # Thinned from the peak's rate: most hours are quiet.
            if not self._usual or self._dice.chance(busy(self.next_at_ms) / PEAK):
                moments.append(self.next_at_ms)
            self._go_on()
        return moments

    def _go_on(self) -> None:
        self.next_at_ms += -math.log(1.0 - self._dice.unit()) / self._per_ms
