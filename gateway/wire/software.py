"""Topic ``software``: progress of a function or an update (contract 3.7)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.domain.signals import Software
from gateway.wire.event import EventPayload, Text, common

KIND = "software"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    package_id: Text
    kind: Literal["function", "update"]
    state: Literal["downloading", "downloaded", "waiting", "installing", "active", "failed", "removed"]
    blocked_by: Annotated[tuple[Text, ...], msgspec.Meta(max_length=32)] = ()
    detail: Text | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> Software:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return Software(
        **common(stated, received_at),
        package_id=stated.package_id,
        kind=stated.kind,
        state=stated.state,
        blocked_by=stated.blocked_by,
        detail=stated.detail,
    )
