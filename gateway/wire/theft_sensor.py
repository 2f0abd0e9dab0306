"""
Topic ``theft-sensor``: a theft sensor triggered or was restored (contract 3.2).

Only ``event_id``, ``cause`` and ``state`` can make it undecodable: any other bad field is left out and noted,
because a broken detail must not cost an alarm.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.domain.signals import Position, TheftSensor, Zone
from gateway.wire.event import BootId, EventId, Seq, Text, Time, utc

KIND = "theft-sensor"

ActiveFor = Annotated[float, Meta(ge=0, le=1e9)]
MAX_CAUSE = 256
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""Half of a character, which the decoder refuses wherever it stands: it must not cost the alarm."""


class PositionPayload(Struct, frozen=True):
    """Degrees and metres within their physical range."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1e7)] | None = None


class Payload(Struct, frozen=True, kw_only=True):
    """The message as documented."""

    event_id: EventId
    cause: str
    state: Literal["triggered", "restored"]
    occurred_at: Time
    boot_id: BootId | None = None
    seq: Seq | None = None
    zone: Zone | None = None
    active_for_s: ActiveFor | None = None
    position: PositionPayload | None = None
    detail: Text | None = None


class _Needed(Struct, frozen=True):
    event_id: EventId
    cause: str
    state: Literal["triggered", "restored"]


_OPTIONAL: dict[str, Any] = {
    "occurred_at": Time,
    "boot_id": BootId | None,
    "seq": Seq | None,
    "zone": Zone | None,
    "active_for_s": ActiveFor | None,
    "position": PositionPayload | None,
    "detail": Text | None,
}

_strict = msgspec.json.Decoder(Payload)
_needed = msgspec.json.Decoder(_Needed)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(payload: bytes, received_at: datetime) -> TheftSensor:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    try:
        stated = _strict.decode(payload)
        occurred_at = utc(stated.occurred_at)
    except msgspec.ValidationError:
        return _leniently(payload, received_at)
    except ValueError:
        return _leniently(_SURROGATE.sub(b"\\\\ufffd", payload), received_at)
    position = stated.position
    return TheftSensor(
        received_at=received_at,
        occurred_at=occurred_at,
        event_id=stated.event_id,
        boot_id=stated.boot_id,
        seq=stated.seq,
        cause=stated.cause[:MAX_CAUSE],
        state=stated.state,
        zone=stated.zone,
        active_for_s=stated.active_for_s,
        position=_position(position),
        detail=stated.detail,
    )


def _leniently(payload: bytes, received_at: datetime) -> TheftSensor:
    needed = _needed.decode(payload)
    raw = _fields.decode(payload)
    good: dict[str, Any] = {}
    notes = [] if "occurred_at" in raw else ["occurred_at is missing"]
    for name, kind in _OPTIONAL.items():
        if name in raw:
            try:
                good[name] = msgspec.json.decode(raw[name], type=kind)
                if name == "occurred_at":
                    good[name] = utc(good[name])
            except Exception:  # noqa: BLE001  # whatever is wrong with a detail, the alarm stands
                good.pop(name, None)
                notes.append(f"{name} is not valid")
    good["position"] = _position(good.get("position"))
    return TheftSensor(
        received_at=received_at,
        event_id=needed.event_id,
        cause=needed.cause[:MAX_CAUSE],
        state=needed.state,
        notes=tuple(notes),
        **good,
    )


def _position(position: PositionPayload | None) -> Position | None:
    if position is None:
        return None
    return Position(position.latitude, position.longitude, position.accuracy_m)
