"""
What many vehicles have in common, kept once: which signals they say, in which states they are.

A driving car's newest message differs from the next one's in its numbers alone. Its form tells the rest: the
names, the values that are no numbers, and what is yes or no about the car. There are few forms, whatever the
size of the fleet; they are bounded all the same, and a car that finds no room keeps its own in its record.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import Any

from msgspec import Struct

from gateway.wire.steady import SHAPES
from gateway.wire.telemetry import (
    IGNITION,
    IGNITION_OFF,
    IS_MOVING,
    LATITUDE,
    LONGITUDE,
    SIGNALS,
    SPEED,
    Number,
)

HEAD = "<HdddI"
"""Form; when heard, the vehicle's time of the newest message, calm until (s since 1970); its number."""
NO_NUMBER = 0xFFFF_FFFF
UNTOLD, ANY = 0xFFFE, 0xFFFF
MAX_FORMS = 4_096
"""Some megabytes in all."""

NAMES = tuple(SIGNALS)
PLACE_OF = {name: place for place, name in enumerate(NAMES)}
KINDS: dict[str, type | None] = {
    name: (int if expected.whole else float) if isinstance(expected, Number) else None
    for name, expected in SIGNALS.items()
}
"""Of what type a number is; None: no number, but one of few values."""
Fixed = tuple[tuple[str, Any], ...]
"""Names and values of what is no number, in the order of ``NAMES``."""


class Traits(Struct, frozen=True, array_like=True, gc=False):
    """What is yes or no about a vehicle; see ``Track`` for those that bear a name of its fields."""

    ignition: bool | None
    told_moving: bool | None
    missed: bool
    set_back: bool
    position_told: bool
    told_driven: bool
    moved: bool
    """The newest movement is that of the newest message."""
    located: bool
    """The newest position is that of the newest message."""
    numbered: bool
    """The number is that of the newest message, or there never was one."""
    traced: bool
    """The newest position that went out did so with the last statement of movement."""


class Form:
    """One of them."""

    def __init__(self, index: int, names: tuple[str, ...], fixed: Fixed, traits: Traits) -> None:
        self.index = index
        """Even. The next one is of the same form, and says that the newest movement was told."""
        self.names, self.fixed, self.traits = names, fixed, traits
        codes = "".join("b" if KINDS[name] is int else "d" for name in names)
        layout = Layout(HEAD + codes)
        self.size, self.pack, self.unpack_from = layout.size, layout.pack, layout.unpack_from
        self.count = len(names)
        self.said = tuple(value for _, value in fixed)
        """What a message says behind so many numbers."""
        states = dict(fixed)
        self.moving = traits.told_moving
        self.is_told_by_speed = SPEED in names and states.get(IS_MOVING) is not True
        """Whether its first number says if the car moves."""
        says_movement = SPEED in names or IS_MOVING in states
        self.keeps = UNTOLD if says_movement else ANY
        """Mask of the index once a message was taken in."""
        place = LATITUDE in names and LONGITUDE in names
        self.passes = (
            traits.ignition is True
            and self.moving is not None
            and (self.is_told_by_speed or states.get(IS_MOVING, self.moving) is self.moving)
            and traits.numbered
            and not (traits.missed or traits.set_back)
            and states.get(IGNITION) not in IGNITION_OFF
            and traits.moved is says_movement
            and traits.located is place
            and not (place and traits.position_told)
        )
        """All that a message of this form changes stands in the head and the numbers."""
        self.renews = self.passes and says_movement and self.moving is True and traits.traced is place
        """The same holds for a message that states again that the car moves."""
        self.decode = SHAPES.of((*names, *states)) if self.passes else None
        """Of messages with the same names."""


class Forms:
    """All of them, by number and by what they are."""

    def __init__(self) -> None:
        self.by_index: list[Form] = []
        self._known: dict[tuple[tuple[str, ...], Fixed, Traits], Form] = {}
        self.bare = self._add((), (), Traits(None, None, *[False] * 8))
        """Of nothing."""

    def of(self, names: tuple[str, ...], fixed: Fixed, traits: Traits) -> Form | None:
        """The form; None if it is new and there is no room."""
        form = self._known.get((names, fixed, traits))
        if form is None and len(self._known) < MAX_FORMS:
            return self._add(names, fixed, traits)
        return form

    def _add(self, names: tuple[str, ...], fixed: Fixed, traits: Traits) -> Form:
        form = self._known[names, fixed, traits] = Form(len(self.by_index), names, fixed, traits)
        self.by_index += (form, form)
        return form
