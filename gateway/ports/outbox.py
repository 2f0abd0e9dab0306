"""Messages on their way to sinks, and sinks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from gateway.ports.decision import Message

SinkRole = Literal["primary", "standby"]
DeliveryState = Literal["pending", "parked", "done"]


class DeliveryRow(Struct, frozen=True):
    """One message on its way to one sink."""

    id: int
    sink: str
    soc: str
    sequence: int
    subject: str
    critical: bool
    state: DeliveryState
    attempts: int
    last_error: str | None
    created_at: datetime


class DeliveryMark(Struct, frozen=True):
    """What became of one message at one sink."""

    sink: str
    soc: str
    sequence: int
    state: DeliveryState
    attempts: int
    last_error: str | None


class Backlog(Struct, frozen=True):
    """One vehicle with undelivered messages at one sink."""

    subject: str
    first_id: int
    critical: bool
    count: int


class SinkPlan(Struct, frozen=True):
    """A sink as the store must know it to make its outbox rows."""

    name: str
    soc: str
    role: SinkRole


class Delivered(Struct, frozen=True):
    """The SOC has confirmed the message."""


class Retry(Struct, frozen=True):
    """Not confirmed; try again (not before ``after_s``, where the SOC asked for that)."""

    reason: str
    after_s: float | None = None


class Park(Struct, frozen=True):
    """The SOC will never take this message as it is."""

    reason: str


Outcome = Delivered | Retry | Park


class AlarmSink(Protocol):
    """One way to a SOC. ``deliver`` never raises and always ends within its own time limit."""

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        """Send one message and say what the SOC answered."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
