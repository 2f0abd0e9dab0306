"""Topic ``driver-card``: a Driver Card was seen or has gone (contract 3.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.domain.signals import DriverCard
from gateway.wire.event import CardId, EventPayload, common

KIND = "driver-card"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    present: bool
    card_id: CardId
    battery: Literal["ok", "low"] | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> DriverCard:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return DriverCard(
        **common(stated, received_at),
        present=stated.present,
        card_id=stated.card_id,
        battery=stated.battery,
    )
