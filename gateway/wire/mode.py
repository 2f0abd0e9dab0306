"""Topic ``mode``: what was set in the car itself (contract 3.5)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.domain.signals import Mode
from gateway.wire.event import EventPayload, common

KIND = "mode"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    private_mode: bool | None = None
    remote_access_enabled: bool | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> Mode:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return Mode(
        **common(stated, received_at),
        private_mode=stated.private_mode,
        remote_access_enabled=stated.remote_access_enabled,
    )
