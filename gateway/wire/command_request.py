"""
Topic ``v1/users/{user}/vehicles/{vin}/remote-access/request``, body of ``POST …/commands`` (contract 4.1).

The challenge response stays outside of the facts that are made of it: whoever has it and the challenge finds
a code of four digits in a second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.errors import reason_of
from gateway.wire.event import EVENT_ID_PATTERN, MAX_PAYLOAD_BYTES, Time

KIND = "remote-access/request"
MAX_PARAMS = 8
MAX_WHOLE = 2**63 - 1

RequestId = Annotated[str, Meta(pattern=EVENT_ID_PATTERN)]
Name = Annotated[str, Meta(min_length=1, max_length=32)]
Words = Annotated[str, Meta(max_length=64)]


class Payload(Struct, frozen=True, kw_only=True):
    """
    The message as documented.

    ``issued_at`` by the sender's clock; a request lives from then, or from its arrival if that is earlier.
    ``action`` ``challenge`` with ``params.purpose`` asks for a challenge instead of a command.
    ``challenge_response`` is hex HMAC-SHA-512 of ``challenge|user|VIN|purpose`` (the challenge in hex),
    under the key PBKDF2-HMAC-SHA-512(code, salt, rounds, 32 bytes); ``unlock`` needs it.
    """

    request_id: RequestId
    action: Name
    issued_at: Time
    params: Annotated[dict[Name, bool | int | float | Words | None], Meta(max_length=MAX_PARAMS)] = {}
    challenge_response: Annotated[str, Meta(max_length=256)] | None = None


class Malformed(Struct, frozen=True):
    """A request that can't be read: why, and its id where that is readable."""

    reason: str
    request_id: str | None = None


class _OnlyId(Struct, frozen=True):
    request_id: RequestId


_decoder = msgspec.json.Decoder(Payload)
_only_id = msgspec.json.Decoder(_OnlyId)


def decode(payload: bytes) -> Payload | Malformed:
    """Read a request. Never raises."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Malformed(f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are read")
    try:
        payload.decode()  # fields that are not known too: a call that waits for a second person is kept whole
        stated = _decoder.decode(payload)
        _check(stated.params, stated.issued_at)
    except Exception as error:  # noqa: BLE001  # deep nesting and bad UTF-8 raise no DecodeError
        return Malformed(reason_of(error)[:300], _readable_id(payload))
    return stated


def _check(params: dict[str, Any], issued_at: datetime) -> None:
    for value in params.values():
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise ValueError("a number that is too large")
    issued_at.timestamp()  # OverflowError outside the calendar


def _readable_id(payload: bytes) -> str | None:
    try:
        return _only_id.decode(payload).request_id
    except Exception:  # noqa: BLE001  # whatever a payload can do, it costs only its answer's id
        return None
