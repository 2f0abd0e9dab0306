"""
When a vehicle was not heard for so long that it may be noted, and why. Pure.

1. A silence runs from the last message that left to the next one, or to the farewell at the end of a run.
2. It counts from ``DRIVING_MS`` on if the ignition was on when it began (contract 3.1: something each 30 s),
   else from ``PARKED_MS``: twice the 30 minutes in which a car that charges says something.
3. ``NOTHING_SAID`` is no reason: the radio worked, and the vehicle should have spoken.
4. What is told of a note when the vehicle is heard again is part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from vehicle_emulator.messages import rfc3339
from vehicle_emulator.verdict import epoch_s

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vehicle_emulator.vehicle import Vehicle
    from vehicle_emulator.verdict import Heard

Why = Literal["no coverage", "off the air", "nothing said"]
NOTHING_SAID: Final = "nothing said"
NOTED: Final = "supervision_lost"
DRIVING_MS: Final = 45_000
PARKED_MS: Final = 3_540_000
TOLD_WITHIN_S: Final = 10.0
MOST: Final = 100_000
"""So many are kept of a run; what goes beyond is counted."""


class Silence(msgspec.Struct, frozen=True):
    """One vehicle was not heard, in RFC 3339 times of the emulator's clock."""

    vin: str
    from_at: str
    until_at: str
    why: Why


def reasons(heard: Iterable[Heard], silences: Iterable[Silence]) -> dict[Heard, Why]:
    """Why a vehicle was silent when that was noted, for each such note."""
    spans: dict[str, list[tuple[float, float, Why]]] = {}
    for one in silences:
        span = epoch_s(one.from_at) + DRIVING_MS / 1_000, epoch_s(one.until_at) + TOLD_WITHIN_S
        spans.setdefault(one.vin, []).append((*span, one.why))
    return {
        note: next(
            (why for from_s, until_s, why in spans.get(note.vin, ()) if from_s <= note.at_s <= until_s),
            NOTHING_SAID,
        )
        for note in heard
        if note.cause == NOTED and not note.held_back
    }  # fmt: skip


class Watch:
    """Notices one vehicle's silences."""

    __slots__ = ("_drove", "_fell", "_spoke_ms")

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._spoke_ms, self._drove, self._fell = 0.0, False, False

    def fell(self) -> None:
        """The connection is gone."""
        self._fell = True

    def spoke(self, vehicle: Vehicle, now_ms: float) -> Silence | None:
        """Something has left, or the run ends; the silence that this ended, if it was one."""
        silent_ms, found = now_ms - self._spoke_ms, None
        if self._spoke_ms and silent_ms >= (DRIVING_MS if self._drove else PARKED_MS):
            span = rfc3339(int(self._spoke_ms)), rfc3339(int(now_ms))
            found = Silence(vehicle.vin, *span, self._why(vehicle))
        self._spoke_ms, self._drove, self._fell = now_ms, vehicle.has_ignition, False
        return found

    def _why(self, vehicle: Vehicle) -> Why:
        if vehicle.air.lost_ms >= int(self._spoke_ms):
            return "no coverage"
        return "off the air" if self._fell else NOTHING_SAID
