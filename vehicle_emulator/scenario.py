"""What a scenario is: acts at set moments, and a label that says what must come of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vehicle_emulator.messages import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.vehicle import Act, Vehicle

    Tell = Callable[[int, str], None]

ANY = "any"


class Expected(msgspec.Struct, frozen=True):
    """
    An alarm that must come: at the latest ``within_s`` after the moment ``after_s`` of the scenario.

    ``held_back``: a special mode covers it, so it must be recorded as ``alarm.suppressed``.
    """

    cause: str
    within_s: float
    after_s: float = 0.0
    held_back: bool = False

    def sentence(self) -> str:
        """The promise for people; the time counts from what causes it."""
        return f"{self.cause}{' held back' if self.held_back else ''} within {self.within_s:g} s"


class Label(msgspec.Struct, frozen=True):
    """What must be alarmed and what must not; ``any`` in ``never`` stands for every alarm not expected."""

    must: tuple[Expected, ...] = ()
    never: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The label for people."""
        must = ", ".join(expected.sentence() for expected in self.must)
        return f"must: {must or 'nothing'}; never: {', '.join(self.never) or 'nothing'}"


class Beat(NamedTuple):
    """One act of a scenario, when it plays, and the line that tells it to people."""

    at_s: float
    act: Act
    says: str = ""


class ModeWish(msgspec.Struct, frozen=True):
    """A special mode that the main user sets before the first beat, around where the car stands."""

    mode: str
    reason: str
    radius_m: int = 300


class Scenario(msgspec.Struct, frozen=True):
    """
    A labelled story of one vehicle.

    It begins with a parked, locked vehicle without its Driver Card that nothing else happens to; with
    ``parked_for_s`` it has stood so for that long and is armed.
    """

    name: str
    played: str
    label: Label
    beats: tuple[Beat, ...]
    parked_for_s: float = 0.0
    mode: ModeWish | None = None

    @property
    def length_s(self) -> float:
        """From the first beat until the last promise of the label has run out."""
        promises_s = (expected.after_s + expected.within_s for expected in self.label.must)
        return max(self.beats[-1].at_s, *promises_s, 0.0)

    def prepare(self, vehicle: Vehicle, now_ms: int) -> None:
        """Set a vehicle up before it connects for the first time."""
        if self.parked_for_s:
            vehicle.left_standing(now_ms - round(self.parked_for_s * 1_000))

    def stage(self, vehicle: Vehicle, start_ms: int, tell: Tell | None = None) -> None:
        """Put the acts on a vehicle's agenda; ``tell`` hears the moment and line of each that has one."""
        for beat in self.beats:
            act = partial(_narrated, beat=beat, tell=tell) if tell and beat.says else beat.act
            vehicle.plan(start_ms + round(beat.at_s * 1_000), act)


class Deadline(msgspec.Struct, frozen=True):
    """An expected alarm with its place in time."""

    cause: str
    from_at: str
    by_at: str
    held_back: bool = False


class Play(msgspec.Struct, frozen=True):
    """One staging: which vehicle plays what from when, and its label on the clock."""

    name: str
    vin: str
    started_at: str
    must: tuple[Deadline, ...]
    never: tuple[str, ...]


def bill(scenario: Scenario, vin: str, start_ms: int) -> Play:
    """Announce a staging, so that a feed can be scored against it."""
    must = tuple(_deadline(expected, start_ms) for expected in scenario.label.must)
    return Play(scenario.name, vin, rfc3339(start_ms), must, scenario.label.never)


def _deadline(expected: Expected, start_ms: int) -> Deadline:
    from_ms = start_ms + round(expected.after_s * 1_000)
    by_ms = from_ms + round(expected.within_s * 1_000)
    return Deadline(expected.cause, rfc3339(from_ms), rfc3339(by_ms), expected.held_back)


def _narrated(vehicle: Vehicle, at_ms: int, beat: Beat, tell: Tell) -> None:
    tell(at_ms, beat.says)
    beat.act(vehicle, at_ms)
