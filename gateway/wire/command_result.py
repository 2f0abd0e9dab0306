"""Topic ``remote-access/result``: what became of a remote command (contract 4.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.domain.signals import CommandResult
from gateway.wire.event import EventPayload, Text, common

KIND = "remote-access/result"


class Payload(EventPayload, frozen=True, kw_only=True):
    """The message as documented."""

    command_id: Text
    status: Literal["performed", "failed", "refused", "expired"]
    reason: Text | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes, received_at: datetime) -> CommandResult:
    """
    Turn a payload into the fact it states.

    Errors:  msgspec's, ValueError, RecursionError: undecodable.
    """
    stated = _decoder.decode(payload)
    return CommandResult(
        **common(stated, received_at),
        command_id=stated.command_id,
        status=stated.status,
        reason=stated.reason,
    )
