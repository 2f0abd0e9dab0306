"""
What happens to messages on a bad way, decided by nothing but seed, vehicle and number of the message. Pure.

1. At most one fault befalls a message; the shares of all faults together are at most 1.
2. A poisoned payload goes out beside the good message, on a topic that alarms nothing, and under an event id
   of its own: whoever took another event's id would have that event rejected, and the vehicle would stop
   sending it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from vehicle_emulator import messages
from vehicle_emulator.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["none", "loss", "duplicate", "reorder", "delay", "tunnel", "dead", "half_open", "poison"]
KINDS: Final[tuple[Kind, ...]] = (
    "loss", "duplicate", "reorder", "delay", "tunnel", "dead", "half_open", "poison",
)  # fmt: skip
LONGEST_S: Final = 3_600.0
_OVERSIZE_BYTES = 33 * 1_024
_DEEP = 20_000


class FaultsError(Exception):
    """The text says what is wrong and what may be written."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which share of the messages meets which fault, and how long it takes.

    ``loss`` never leaves; ``duplicate`` leaves twice; ``reorder`` leaves behind the next one; ``delay`` waits
    up to ``delay_s``; ``tunnel``: all that is said for ``tunnel_s`` comes in one burst; ``dead``: the
    connection breaks without DISCONNECT; ``half_open``: it stays open for ``half_open_s`` and nothing passes
    in either direction; ``poison``: a payload that can't be decoded goes out beside it.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    tunnel: float = 0.0
    dead: float = 0.0
    half_open: float = 0.0
    poison: float = 0.0
    delay_s: float = 2.0
    tunnel_s: float = 10.0
    half_open_s: float = 10.0


class Fate(NamedTuple):
    """What happens to one message; ``part`` in [0, 1) says how much of it."""

    kind: Kind
    part: float = 0.0


class Poison(NamedTuple):
    """Something that can't be decoded, and the topic kind it goes to."""

    kind: str
    payload: bytes


NOTHING: Final = Fate("none")
_WORDS = msgspec.structs.fields(Faults)


def read(text: str) -> Faults:
    """
    Faults as they stand on a command line: ``loss=0.01,delay=0.02,delay_s=3``.

    Errors:  FaultsError.
    """
    given: dict[str, float] = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        known = [word.name for word in _WORDS]
        if name not in known:
            raise FaultsError(f"{name!r} is no fault; there are {', '.join(known)}")
        if name in given:
            raise FaultsError(f"{name} is given twice")
        given[name] = _number(name, value)
    if (whole := sum(given.get(kind, 0.0) for kind in KINDS)) > 1.0:
        raise FaultsError(f"the shares are {whole:g} together, at most 1 meets a fault")
    return msgspec.convert(given, Faults)


def _number(name: str, value: str) -> float:
    is_length = name.endswith("_s")
    most = LONGEST_S if is_length else 1.0
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= most:
        what = f"seconds from 0 to {LONGEST_S:g}" if is_length else "a share from 0 to 1"
        raise FaultsError(f"{name}={value}: it takes {what}")
    return number


def fate(faults: Faults, seed: int, vin: str, number: int, way: str = "said") -> Fate:
    """What happens to this vehicle's message of this number, in this direction (``said`` or ``heard``)."""
    dice = Dice(seed, vin, way, number)
    throw = dice.unit()
    for kind in KINDS:
        throw -= getattr(faults, kind)
        if throw < 0.0:
            return Fate(kind, dice.unit())
    return NOTHING


def poison(part: float, number: int) -> Poison:
    """A payload of a kind that ``part`` chooses; the number makes it this one and no other."""
    kinds = len(_POISONED_KINDS)
    index = int(part * kinds * len(_POISONS))
    return Poison(_POISONED_KINDS[index % kinds], _POISONS[index // kinds](number))


# Not theft-sensor: an unreadable theft is alarmed, and would be an alarm that no label knows.
_POISONED_KINDS: Final = (
    messages.DRIVER_CARD, messages.DATA_BUNDLE, messages.MODE, messages.CHARGING, messages.TELEMETRY,
)  # fmt: skip
_POISONS: Final[tuple[Callable[[int], bytes], ...]] = (
    lambda number: b"\xff\xfe\x00 no text %d" % number,
    lambda number: b'{"event_id":"poison-%d","occurred_at":"2026-11-2' % number,
    lambda number: (
        b'{"event_id":%d,"occurred_at":[],"present":"yes","signals":{"Vehicle.Speed":"x"}}' % number
    ),
    lambda number: b'{"event_id":"poison-%d","occurred_at":1e400,"signals":{"Vehicle.Speed":1e400}}' % number,
    lambda number: b"[%d]" % number,
    lambda number: b"%d" % number + b"[" * _DEEP,
    lambda number: b'{"event_id":"poison-%d","detail":"' % number + b"x" * _OVERSIZE_BYTES + b'"}',
)
