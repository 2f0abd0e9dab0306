"""What a scenario is: acts at set moments, and a label that says what must come of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vehicle_emulator.messages import rfc3339

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Act, Vehicle


class Expected(msgspec.Struct, frozen=True):
    """An alarm that must come: at the latest ``within_s`` after the moment ``after_s`` of the scenario."""

    cause: str
    within_s: float
    after_s: float = 0.0


class Label(msgspec.Struct, frozen=True):
    """What must be alarmed and what must not; ``any`` in ``never`` stands for every cause not expected."""

    must: tuple[Expected, ...] = ()
    never: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The label for people."""
        must = ", ".join(f"{expected.cause} within {expected.within_s:g} s" for expected in self.must)
        return f"must: {must or 'nothing'}; never: {', '.join(self.never) or 'nothing'}"


class Beat(NamedTuple):
    """One act of a scenario and when it plays."""

    at_s: float
    act: Act


class Scenario(msgspec.Struct, frozen=True):
    """
    A labelled story of one vehicle.

    It begins with a parked, locked vehicle without its Driver Card that nothing else happens to.
    """

    name: str
    played: str
    label: Label
    beats: tuple[Beat, ...]

    @property
    def length_s(self) -> float:
        """From the first beat until the last promise of the label has run out."""
        promises_s = (expected.after_s + expected.within_s for expected in self.label.must)
        return max(self.beats[-1].at_s, *promises_s, 0.0)

    def stage(self, vehicle: Vehicle, start_ms: int) -> None:
        """Put the acts on a vehicle's agenda."""
        for beat in self.beats:
            vehicle.plan(start_ms + round(beat.at_s * 1_000), beat.act)


class Deadline(msgspec.Struct, frozen=True):
    """An expected alarm with its place in time."""

    cause: str
    from_at: str
    by_at: str


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
    return Deadline(expected.cause, rfc3339(from_ms), rfc3339(from_ms + round(expected.within_s * 1_000)))
