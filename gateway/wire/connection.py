"""Topic ``connection``: online, offline, by which bearer (contract 3.6). Retained; also the last will."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from gateway.domain.signals import Connection
from gateway.wire.event import Text, Time, utc

KIND = "connection"


class Payload(Struct, frozen=True, kw_only=True):
    """The message as documented. ``bearer`` and ``source`` are kept as they are stated."""

    online: bool
    bearer: Text | None = None
    source: Text | None = None
    roaming: bool | None = None
    at: Time | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> Connection:
    """
    Turn a payload into the fact it states. A will has no time and counts at arrival.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return Connection(
        received_at=received_at,
        occurred_at=None if stated.at is None else utc(stated.at),
        online=stated.online,
        bearer=stated.bearer,
        source=stated.source,
        roaming=stated.roaming,
    )
