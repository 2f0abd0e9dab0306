"""
When a parked vehicle sleeps, and how long it takes to wake for a command. Pure.

Awake while the ignition is on and for a while after it (or after a wake). Then its computers sleep and only
the modem listens: a command wakes them, which takes seconds. After days even the modem is off: the vehicle is
offline, and comes up for a moment at each sign of life and whenever a sensor has something to say.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

# A maker's cloud takes a quarter of an hour without data as sleep; a unit that was woken dozes off sooner.
SLEEP_AFTER_S: Final = 900.0
OFFLINE_AFTER_S: Final = 72 * 3_600.0
WOKEN_FOR_MS: Final = 60_000
_AWAKE_MS: Final = (250.0, 700.0)
# Paging, then starting the computers: mostly seconds, sometimes half a minute.
_WAKE_TYPICAL_MS: Final = 5_000.0
_WAKE_SPREAD_MS: Final = 3_000.0
_WAKE_MS: Final = (2_000.0, 25_000.0)
_BAD_RECEPTION_CHANCE: Final = 0.08
_BAD_RECEPTION_MS: Final = (8_000.0, 20_000.0)


class Phase(Enum):
    """How deep it sleeps."""

    AWAKE = "awake"
    ASLEEP = "asleep"
    OFFLINE = "offline"


class Habit(msgspec.Struct, frozen=True):
    """After how long parked it falls asleep, and goes offline."""

    sleep_after_s: float = SLEEP_AFTER_S
    offline_after_s: float = OFFLINE_AFTER_S


class Rest(msgspec.Struct):
    """
    What a vehicle's rest depends on.

    ``parked_ms`` is None with the ignition on; ``ready_ms``: when all that was heard has had its turn.
    """

    habit: Habit = Habit()
    parked_ms: int | None = None
    awake_until_ms: int = 0
    ready_ms: int = 0
    is_doze_planned: bool = False

    def park(self, at_ms: int, *, asleep: bool = False) -> None:
        """The ignition goes off; ``asleep``: it did long ago."""
        self.parked_ms = at_ms
        self.awake_until_ms = at_ms if asleep else at_ms + round(self.habit.sleep_after_s * 1_000)

    def drive(self) -> None:
        """The ignition goes on."""
        self.parked_ms = None

    def rouse(self, at_ms: int) -> None:
        """Something woke it: it stays up for a while."""
        self.awake_until_ms = max(self.awake_until_ms, at_ms + WOKEN_FOR_MS)

    @property
    def offline_at_ms(self) -> int:
        """When even the modem goes off."""
        return (self.parked_ms or 0) + round(self.habit.offline_after_s * 1_000)

    def phase(self, at_ms: int) -> Phase:
        """How deep it sleeps at this moment."""
        if self.parked_ms is None or at_ms < self.awake_until_ms:
            return Phase.AWAKE
        return Phase.OFFLINE if at_ms >= self.offline_at_ms else Phase.ASLEEP

    def turn_ms(self, at_ms: int, takes_ms: int, dice: Dice) -> int:
        """When a command that is heard now has its turn: after waking, and after those heard before it."""
        turn_ms = max(at_ms + self._wake_ms(at_ms, dice), self.ready_ms)
        self.ready_ms = turn_ms + takes_ms
        return turn_ms

    def _wake_ms(self, at_ms: int, dice: Dice) -> int:
        if self.phase(at_ms) is Phase.AWAKE:
            return round(dice.between(*_AWAKE_MS))
        low_ms, high_ms = _WAKE_MS
        takes_ms = _WAKE_TYPICAL_MS + _WAKE_SPREAD_MS * dice.bell()
        if dice.chance(_BAD_RECEPTION_CHANCE):
            takes_ms += dice.between(*_BAD_RECEPTION_MS)
        return round(min(high_ms, max(low_ms, takes_ms)))
