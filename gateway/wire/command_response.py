"""Topic ``v1/users/{user}/vehicles/{vin}/remote-access/response``: an answer, each status (contract 4.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

KIND = "remote-access/response"

Status = Literal["refused", "accepted", "sent", "performed", "failed", "expired", "unknown"]


class Payload(Struct, frozen=True):
    """
    The message as documented: ``refused`` with the reason, or ``accepted`` with the ``command_id``.

    ``accepted`` → ``sent`` → ``performed`` | ``failed`` | ``expired`` | ``unknown``: sent, and nothing
    heard of it in time; what is heard later is told later. MQTT 5 correlation data comes back with each.
    """

    request_id: str | None
    command_id: str | None
    status: Status
    reason: str | None = None


class Challenge(Struct, frozen=True):
    """The answer to the action ``challenge``: it serves once, for its purpose, until ``expires_at``."""

    request_id: str
    challenge: str
    salt: str
    rounds: int
    expires_at: datetime
