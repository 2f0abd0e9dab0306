"""What every event payload carries, and how raw JSON becomes typed fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.domain.signals import Event, TheftSensor

MAX_PAYLOAD_BYTES = 32 * 1024
MAX_SEARCHED_BYTES = 1024 * 1024
EVENT_ID_PATTERN = r"^[A-Za-z0-9_.:-]{1,64}\Z"

EventId = Annotated[str, Meta(pattern=EVENT_ID_PATTERN)]
Time = Annotated[datetime, Meta(tz=True)]
BootId = Annotated[str, Meta(max_length=36)]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, Meta(max_length=256)]
CardId = Annotated[str, Meta(min_length=1, max_length=64)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]

_FIRST_ID = re.compile(rb'\s*\{\s*"event_id"\s*:\s*"([A-Za-z0-9_.:-]{1,64})"\s*[,}]')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventPayload(Struct, frozen=True, kw_only=True):
    """Fields of contract 2.1 that stand beside an event's own."""

    event_id: EventId
    occurred_at: Time
    boot_id: BootId | None = None
    seq: Seq | None = None


class Unwanted(Struct, frozen=True):
    """A payload that can't be decoded: why, its hash, and its ``event_id`` where that is readable."""

    reason: str
    sha256: str
    event_id: str | None = None


class _OnlyId(Struct, frozen=True):
    event_id: EventId


_only_id = msgspec.json.Decoder(_OnlyId)


def unwanted(payload: bytes, reason: str) -> Unwanted:
    """Describe an undecodable payload."""
    return Unwanted(reason[:500], sha256(payload).hexdigest(), readable_event_id(payload))


def readable_event_id(payload: bytes) -> str | None:
    """The ``event_id`` of a payload that is otherwise wrong."""
    if len(payload) <= MAX_SEARCHED_BYTES:
        try:
            return _only_id.decode(payload).event_id
        except msgspec.ValidationError:
            return None
        except Exception:  # noqa: BLE001, S110  # whatever a payload can do, it costs only itself
            pass
    # What is too long, too deep or broken further on may still begin with its id. Only there: an id from
    # deeper inside could be another event's, which the vehicle would then stop sending.
    first = _FIRST_ID.match(payload)
    return None if first is None else first[1].decode()


def utc(stated: datetime) -> datetime:
    """
    The same instant in UTC.

    Errors:  ValueError where it lies outside the calendar (year 1 or 9999 with an offset).
    """
    try:
        return stated.astimezone(UTC)
    except OverflowError as error:
        message = "time outside the calendar"
        raise ValueError(message) from error


def common(payload: EventPayload, received_at: datetime) -> dict[str, Any]:
    """Event fields as keyword arguments of a fact."""
    return {
        "received_at": received_at,
        "occurred_at": utc(payload.occurred_at),
        "event_id": payload.event_id,
        "boot_id": payload.boot_id,
        "seq": payload.seq,
    }


_encoder = msgspec.msgpack.Encoder()


def content_digest(event: Event) -> bytes:
    """Digest of the decoded contract fields: equal content of one topic kind gives equal digests."""
    bare = msgspec.structs.replace(event, received_at=_EPOCH)
    if isinstance(bare, TheftSensor):
        bare = msgspec.structs.replace(bare, notes=())
    return blake2b(_encoder.encode(bare), digest_size=16).digest()
