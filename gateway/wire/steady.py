"""
Telemetry with the same signals as the message before, decoded by a type of its own.

A car says the same names all the time. Where they are known before, msgspec fills the fields of a Struct
instead of a dict, and a message that says any other name can't be decoded at all: nothing has to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from gateway.wire.event import Seq, Time
from gateway.wire.telemetry import (
    IGNITION,
    IGNITION_OFF,
    IGNITION_STATES,
    IS_MOVING,
    SIGNALS,
    SPEED,
    Number,
    typed,
)

MAX_SHAPES = 512
"""Of 7 kB each."""
NAMES = tuple(sorted(SIGNALS, key=lambda name: not isinstance(SIGNALS[name], Number)))
"""Numbers before the others; else in the order of the table."""
_FIELDS = {name: f"signal_{place}" for place, name in enumerate(NAMES)} | {
    SPEED: "speed",
    IS_MOVING: "is_moving",
}
_ON = tuple(state for state in IGNITION_STATES if state not in IGNITION_OFF)


class Shaped(Struct, frozen=True, gc=False):
    """Signals of one shape: a field for each, in the order of ``NAMES``."""

    speed: ClassVar[float | None] = None
    is_moving: ClassVar[bool | None] = None
    """A field where the shape has it."""
    names: ClassVar[tuple[str, ...]] = ()

    def by_name(self) -> dict[str, Any]:
        """As a dict."""
        return dict(zip(self.names, msgspec.structs.astuple(self), strict=True))


class Steady(Struct, frozen=True, gc=False):
    """A message of one shape, in which the ignition, where it is said, is not off."""

    occurred_at: Time
    signals: Shaped
    seq: Seq | None = None


Decode = Callable[[bytes], Steady]
"""Raises whatever msgspec does for a message that says more, less, or what does not fit."""


class Shapes:
    """Decoders by the names that they know. Bounded: who finds no room is decoded into a dict each time."""

    def __init__(self) -> None:
        self._known: dict[frozenset[str], Decode] = {}

    def of(self, names: Collection[str]) -> Decode | None:
        """The decoder; None if it is new and there is no room."""
        key = frozenset(names)
        decode = self._known.get(key)
        if decode is None and len(self._known) < MAX_SHAPES:
            decode = self._known[key] = _decoder(tuple(name for name in NAMES if name in key))
        return decode


def _decoder(names: tuple[str, ...]) -> Decode:
    shaped = msgspec.defstruct(
        "_Shaped",
        [(_FIELDS[name], Literal[_ON] if name == IGNITION else typed(SIGNALS[name])) for name in names],
        bases=(Shaped,),
        namespace={"names": names},
        rename={_FIELDS[name]: name for name in names},
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )
    steady: type[Steady] = msgspec.defstruct(  # type: ignore[assignment]  # what it is made of, says ``bases``
        "_Steady", [("signals", shaped)], bases=(Steady,), frozen=True, gc=False
    )
    return msgspec.json.Decoder(steady).decode


SHAPES = Shapes()
