"""Topic ``data-bundle``: status of the mobile-data bundle (contract 3.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.domain.signals import DataBundle
from gateway.wire.event import Amount, EventPayload, Text, Time, common, utc

KIND = "data-bundle"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    bundle_id: Text | None = None
    used_mb: Amount | None = None
    total_mb: Amount | None = None
    valid_until: Time | None = None
    auto_renew: bool | None = None
    renewal: Literal["none", "renewing", "failed"] | None = None
    hotspot: bool | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> DataBundle:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return DataBundle(
        **common(stated, received_at),
        bundle_id=stated.bundle_id,
        used_mb=stated.used_mb,
        total_mb=stated.total_mb,
        valid_until=None if stated.valid_until is None else utc(stated.valid_until),
        auto_renew=stated.auto_renew,
        renewal=stated.renewal,
        hotspot=stated.hotspot,
    )
