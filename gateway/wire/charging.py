"""Topic ``charging``: plug and charging session (contract 3.8)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.domain.signals import Charging
from gateway.wire.event import EventPayload, Text, common

KIND = "charging"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    connected: bool
    charging: bool
    evse_id: Text | None = None
    token: Text | None = None
    country: Text | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> Charging:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return Charging(
        **common(stated, received_at),
        connected=stated.connected,
        charging=stated.charging,
        evse_id=stated.evse_id,
        token=stated.token,
        country=stated.country,
    )
