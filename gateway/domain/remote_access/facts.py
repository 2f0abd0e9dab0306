"""What a person asks of a vehicle, as facts. None holds a challenge response: from it a code is guessed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from gateway.domain.signals import Fact


class Stated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What telemetry last said, with its times by the vehicle: taken when the request is decided."""

    moving: bool | None = None
    moving_at: datetime | None = None
    ignition_on: bool | None = None
    ignition_at: datetime | None = None
    door_open: bool | None = None
    heard_at: datetime | None = None
    """Arrival of the newest message of any kind."""
    reachable: bool = True
    """Whether the gateway itself has its broker."""


class Asked(Fact, frozen=True, kw_only=True):
    """What every request says of who asks."""

    by: str
    """Whom the audit trail names."""
    user: str
    """Whose ``request_id`` it is."""
    request_id: str | None = None
    role: str | None = None
    """As the token says; None: by MQTT, where only the registry knows."""
    nameless: bool = False
    """The token is bound to no user, only to a vehicle."""
    vin_bound: bool = False
    """The token itself is bound to this vehicle."""
    stranger: bool = False
    """The token is bound to another vehicle."""
    issued_at: datetime | None = None
    malformed: str | None = None
    """Why the request can't be read."""
    correlation: bytes | None = None
    """MQTT 5 correlation data, given back with every answer."""


class CommandRequested(Asked, frozen=True, kw_only=True):
    """A person asks for a command."""

    action: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    answered: bool = False
    """A challenge response came with it."""
    challenge: str | None = None
    """The challenge that the response fits; None: it fits none."""
    approval_key: str = ""
    """The same for the same call by another person."""
    stated: Stated | None = None


class ChallengeRequested(Asked, frozen=True, kw_only=True):
    """A person asks by MQTT for a challenge; ``challenge`` is a new one that nobody could foresee."""

    purpose: str = ""
    challenge: str = ""


Request = CommandRequested | ChallengeRequested
