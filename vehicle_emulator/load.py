"""
Load on an open-loop schedule.

A slow answer never slows the next message down, and latency counts from the moment a message was meant to go
out. Messages go round the fleet, so that no vehicle passes its own rate limit by chance.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from vehicle_emulator.messages import THEFT_CAUSES, ZONES
from vehicle_emulator.share import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vehicle_emulator.dice import Dice
    from vehicle_emulator.ramp import Stairs, Watch
    from vehicle_emulator.share import Share
    from vehicle_emulator.unit import Unit

# A rate beyond the emulator's own must not keep it from hearing, or from being stopped.
MOST_AT_ONCE: Final = 2_000
# Below 15 s a siren is no alarm; load events are all meant to be one.
_SIREN_S = 17


class Slots:
    """Evenly spaced moments."""

    __slots__ = ("_period_ms", "_start_ms", "_taken")

    def __init__(self, rate_per_s: float, start_ms: float, share: Share = ALL) -> None:
        """The first moment of all is the start; a share of them lies between those of the others."""
        period_ms = 1_000.0 / rate_per_s
        self._period_ms, self._start_ms = period_ms * share.of, start_ms + period_ms * share.index
        self._taken = 0

    @property
    def next_at_ms(self) -> float:
        """The first moment not taken yet."""
        return self._start_ms + self._taken * self._period_ms

    def take(self, now_ms: float) -> Iterator[tuple[int, float]]:
        """All moments up to now: their number and time."""
        while (at_ms := self.next_at_ms) <= now_ms:
            self._taken += 1
            yield self._taken - 1, at_ms


class TelemetryLoad:
    """Telemetry of what changed, and of the core signals, from each vehicle in turn."""

    __slots__ = ("_units", "_watch", "slots")

    def __init__(self, units: Sequence[Unit], slots: Slots | Stairs, watch: Watch | None = None) -> None:
        """At these moments over the whole fleet; ``watch`` is told what has left."""
        self._units, self.slots, self._watch = units, slots, watch

    def play(self, now_ms: float) -> float:
        """Send what is due, the rest of very much next time; how late the first of it was."""
        late_ms = max(0.0, now_ms - self.slots.next_at_ms)
        for number, at_ms in islice(self.slots.take(now_ms), MOST_AT_ONCE):
            unit = self._units[number % len(self._units)]
            has_left = unit.hand_over(unit.vehicle.body.changes(int(at_ms), with_core=True), at_ms)
            if has_left and self._watch is not None:
                self._watch.left(at_ms, now_ms)
        return late_ms


class AlarmLoad:
    """Theft-sensor triggers of random causes from each vehicle in turn; each is one that must be alarmed."""

    __slots__ = ("_dice", "_units", "slots")

    def __init__(self, units: Sequence[Unit], slots: Slots | Stairs, dice: Dice) -> None:
        """At these moments over the whole fleet."""
        self._units, self.slots, self._dice = units, slots, dice

    def play(self, now_ms: float) -> float:
        """Send what is due, the rest of very much next time; how late the first of it was."""
        late_ms = max(0.0, now_ms - self.slots.next_at_ms)
        for number, at_ms in islice(self.slots.take(now_ms), MOST_AT_ONCE):
            unit = self._units[number % len(self._units)]
            self._trigger(unit, int(at_ms))
            for message, _ in unit.vehicle.take_told():
                unit.hand_over(message, at_ms)
        return late_ms

    def _trigger(self, unit: Unit, at_ms: int) -> None:
        cause = self._dice.pick(THEFT_CAUSES)
        if cause == "car_alarm":
            unit.vehicle.trigger(at_ms, cause, active_for_s=_SIREN_S)
        elif cause == "intrusion":
            unit.vehicle.trigger(at_ms, cause, zone=self._dice.pick(ZONES))
        else:
            unit.vehicle.trigger(at_ms, cause)
