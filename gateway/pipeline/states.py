"""
Vehicle states as they are stored: a small body, and parts that are written only when they change.

A part is an open alarm (``alarm/<cause>``), neighbours in the window of recent facts (``window/<n>``), or the
episodes that are settled (``settled``). The body is the state without them. What an older version of this
program wrote is a body that holds everything; it is read as it is, and written in parts from then on.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.vehicle import Past, Vehicle, Window
from gateway.ports import StoredVehicle

ALARM, WINDOW, SETTLED = "alarm/", "window/", "settled"
CHUNK = 16
"""Facts of the window in one part: a new fact rewrites one part, and one is seldom left with few."""

Parts = dict[str, bytes | None]
"""Parts by name; None: it is gone."""


class Chunk(Struct, frozen=True, array_like=True):
    """Neighbours in the window, and the number of the first among all facts that the window ever held."""

    first: int
    facts: Window


_vehicle = msgspec.json.Decoder(Vehicle)
_alarm = msgspec.json.Decoder(Alarm)
_chunk = msgspec.json.Decoder(Chunk)
_settled = msgspec.json.Decoder(tuple[str, ...])
_encode = msgspec.json.Encoder().encode


def encode_body(vehicle: Vehicle) -> bytes:
    """The state without its parts."""
    past = vehicle.past
    if past.window:
        past = replace(past, window=())
    return _encode(replace(vehicle, alarms={}, settled=(), past=past))


def changed_parts(before: Vehicle | None, after: Vehicle) -> Parts:
    """What of a state must be written over ``before``, which the store has in parts; all of it over None."""
    before = before or Vehicle(vin=after.vin)
    parts: Parts = {f"{ALARM}{cause}": None for cause in before.alarms.keys() - after.alarms.keys()}
    for cause, alarm in after.alarms.items():
        if before.alarms.get(cause) is not alarm:
            parts[f"{ALARM}{cause}"] = _encode(alarm)
    if after.settled is not before.settled:
        parts[SETTLED] = _encode(after.settled) if after.settled else None
    if after.past.window is not before.past.window:
        parts.update(_changed_window(before.past, after.past))
    return parts


def decode_state(vin: str, stored: StoredVehicle | None) -> tuple[Vehicle, str | None]:
    """
    The state of a vehicle, empty if nothing was ever decided.

    A state that can't be read must not silence its vehicle: it starts anew, rather twice than never. The
    second value says then what was wrong.
    """
    if stored is None:
        return Vehicle(vin=vin), None
    try:
        return _joined(_vehicle.decode(stored.body), stored.parts), None
    except Exception as error:  # noqa: BLE001  # bad UTF-8 and deep nesting raise no DecodeError
        return Vehicle(vin=vin, version=stored.version), str(error)


def is_in_parts(stored: StoredVehicle | None) -> bool:
    """Whether only changes need to be written; a state without any part may be one of an older version."""
    return stored is not None and bool(stored.parts)


def _joined(body: Vehicle, parts: dict[str, bytes]) -> Vehicle:
    """Put parts back to where they belong."""
    if not parts:
        return body
    alarms = [_alarm.decode(part) for name, part in parts.items() if name.startswith(ALARM)]
    chunks = [_chunk.decode(part) for name, part in parts.items() if name.startswith(WINDOW)]
    settled = _settled.decode(parts[SETTLED]) if SETTLED in parts else ()
    return replace(
        body,
        alarms={alarm.cause: alarm for alarm in sorted(alarms, key=lambda alarm: alarm.raised_at)},
        settled=settled,
        past=replace(body.past, window=_window(chunks, body.past.folded)),
    )


def _window(chunks: list[Chunk], folded: int) -> Window:
    """
    The window from its parts. The first may still hold facts that were folded since it was written.

    Errors:  ValueError if something is missing between them.
    """
    window: Window = ()
    for chunk in sorted(chunks, key=lambda chunk: chunk.first):
        facts = chunk.facts[max(0, folded - chunk.first) :]
        if facts and max(chunk.first, folded) != folded + len(window):
            raise ValueError(f"facts of the window are missing before number {chunk.first}")
        window += facts
    return window


def _changed_window(before: Past, after: Past) -> Iterator[tuple[str, bytes | None]]:
    """Parts of the window that hold other facts than before, those aside that were only folded away."""
    chunks = dict(_chunks(after))
    for number, chunk in chunks.items():
        begin, end = chunk.first - before.folded, (number + 1) * CHUNK - before.folded
        if begin < 0 or before.window[begin:end] != chunk.facts:
            yield f"{WINDOW}{number}", _encode(chunk)
    for number, _chunk in _chunks(before):
        if number not in chunks:
            yield f"{WINDOW}{number}", None


def _chunks(past: Past) -> Iterator[tuple[int, Chunk]]:
    """The window cut at numbers that are multiples of the size, so that a new fact moves no cut."""
    window, folded, begin = past.window, past.folded, 0
    while begin < len(window):
        number = (folded + begin) // CHUNK
        end = min(len(window), (number + 1) * CHUNK - folded)
        yield number, Chunk(folded + begin, window[begin:end])
        begin = end
