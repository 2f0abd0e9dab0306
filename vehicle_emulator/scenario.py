"""What a scenario is: acts at set moments, and a label that says what must come of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from vehicle_emulator.causes import THEFTS
from vehicle_emulator.messages import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.vehicle import Act, Vehicle

    Tell = Callable[[int, str], None]

ANY = "any"
ECHO_S: Final = 180.0
"""What a scenario did may be alarmed so long after its end: silence must last, and modes end."""


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
        return f"must: {must or 'nothing'}; never: {self.forbidden() or 'nothing'}"

    def forbidden(self) -> str:
        """What must not be alarmed, for people."""
        if ANY in self.never:
            return "anything else" if self.must else "anything"
        return "any theft" if self.never == THEFTS else ", ".join(self.never)


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


class Sale(msgspec.Struct, frozen=True):
    """The main user hands the car over before the first beat, and the next one accepts; the car confirms."""


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
    sale: Sale | None = None

    @property
    def needs_people(self) -> bool:
        """Whether main users must do something at the gateway before it can be played."""
        return self.mode is not None or self.sale is not None

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


class FleetWide(msgspec.Struct, frozen=True):
    """
    A scenario that many vehicles play, each beginning at its own moment ``within_s`` of the start.

    ``share`` of the fleet; ``parked``: they stay parked otherwise, as a single scenario's vehicle does.
    ``lasts_s``: how long something is wrong, from the first beat to the second.
    ``strikes``: what fails beside the vehicles, where whoever runs the fleet can let it fail.
    """

    scenario: Scenario
    share: float = 1.0
    within_s: float = 0.0
    lasts_s: float = 0.0
    parked: bool = False
    strikes: Literal["broker"] | None = None

    @property
    def length_s(self) -> float:
        """Until its last vehicle's last promise has run out."""
        return self.within_s + self.scenario.length_s

    def hurried(self, pace: float) -> FleetWide:
        """
        The same, many times faster: all begin sooner after each other, and what is wrong is soon right again.

        What one vehicle does takes its time, and the label stays.
        """
        lasts_s = self.lasts_s / pace
        first, *later = self.scenario.beats
        beats = (first, *(beat._replace(at_s=beat.at_s - self.lasts_s + lasts_s) for beat in later))
        return replace(
            self, scenario=replace(self.scenario, beats=beats), within_s=self.within_s / pace, lasts_s=lasts_s
        )


def one_after_the_other(first: Scenario, second: Scenario, pause_s: float = 0.0) -> Scenario:
    """
    Both on one vehicle, the second when the first has run out; the labels join.

    What the first one must alarm may go on: it is not forbidden to the second, nor the other way round.
    """
    later_s = first.length_s + pause_s
    must = tuple(replace(one, after_s=one.after_s + later_s) for one in second.label.must)
    alarmed = {one.cause for one in (*first.label.must, *must) if not one.held_back}
    never = dict.fromkeys((*first.label.never, *second.label.never))
    return Scenario(
        name=f"{first.name}+{second.name}",
        played=f"{first.played} Then: {second.played}",
        label=Label((*first.label.must, *must), tuple(cause for cause in never if cause not in alarmed)),
        beats=(*first.beats, *(beat._replace(at_s=beat.at_s + later_s) for beat in second.beats)),
        parked_for_s=first.parked_for_s,
        mode=first.mode or second.mode,
        sale=first.sale or second.sale,
    )


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
    until_at: str
    """Until then the label judges what its vehicle is alarmed for."""
    must: tuple[Deadline, ...]
    never: tuple[str, ...]


def bill(scenario: Scenario, vin: str, start_ms: int) -> Play:
    """Announce a staging, so that a feed can be scored against it."""
    must = tuple(_deadline(expected, start_ms) for expected in scenario.label.must)
    until_ms = start_ms + round((scenario.length_s + ECHO_S) * 1_000)
    return Play(scenario.name, vin, rfc3339(start_ms), rfc3339(until_ms), must, scenario.label.never)


def _deadline(expected: Expected, start_ms: int) -> Deadline:
    from_ms = start_ms + round(expected.after_s * 1_000)
    by_ms = from_ms + round(expected.within_s * 1_000)
    return Deadline(expected.cause, rfc3339(from_ms), rfc3339(by_ms), expected.held_back)


def _narrated(vehicle: Vehicle, at_ms: int, beat: Beat, tell: Tell) -> None:
    tell(at_ms, beat.says)
    beat.act(vehicle, at_ms)
