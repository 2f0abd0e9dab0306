"""What deciding on commands asks for."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from gateway.domain.remote_access.state import Command


class CommandChanged(Struct, frozen=True):
    """Keep the command as it is now, tell its user, and with ``send`` publish it to the vehicle, once."""

    command: Command
    send: bool = False


class RequestAnswered(Struct, frozen=True, kw_only=True):
    """Answer a request without any change: it was refused, or it came again."""

    user: str
    request_id: str | None
    status: str
    command_id: str | None = None
    reason: str | None = None
    tell: bool = False
    """It came by MQTT, so the answer leaves by MQTT."""
    correlation: bytes | None = None


class ChallengeGiven(Struct, frozen=True, kw_only=True):
    """Give a person a challenge."""

    user: str
    request_id: str
    challenge: str
    salt: str
    rounds: int
    expires_at: datetime
    correlation: bytes | None = None


class ApprovalPending(Struct, frozen=True):
    """The act waits for the same call by a second person."""

    approval_id: str
