"""
Small seeded random numbers.

One 64-bit integer of state instead of the 2.5 kB of ``random.Random``, and an algorithm that is ours:
the same seed gives the same throws in every process and on every Python version.
Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_TO_UNIT = 2.0**-53
_TO_PAIR = 2.449489742783178 / 65_536
_T = TypeVar("_T")


class Dice:
    """A stream of random numbers that depends on nothing but its seed words."""

    __slots__ = ("_state",)

    def __init__(self, *seed: object) -> None:
        """Begin the stream that belongs to these words, e.g. ``Dice(7, vin, "journey")``."""
        words = "|".join(map(str, seed)).encode()
        self._state = int.from_bytes(hashlib.sha256(words).digest()[:8], "big")

    def bits(self) -> int:
        """64 random bits."""
        self._state = state = (self._state + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
        return state ^ (state >> 31)

    def unit(self) -> float:
        """A float in [0, 1)."""
        return (self.bits() >> 11) * _TO_UNIT

    def between(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self.unit()

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return self.bits() % limit

    def chance(self, probability: float) -> bool:
        """Whether something happens that happens this often."""
        return self.unit() < probability

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def bell(self) -> float:
        """Roughly normal, mean 0, deviation 1; a sum of throws, so that no platform's libm has a say."""
        return (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.7320508

    def pair(self) -> tuple[float, float]:
        """Two numbers of mean 0 and deviation 1, triangular, from one throw: noise for each message."""
        bits = self.bits()
        first = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF)
        second = (bits >> 32 & 0xFFFF) + (bits >> 48)
        return (first - 65_535) * _TO_PAIR, (second - 65_535) * _TO_PAIR
