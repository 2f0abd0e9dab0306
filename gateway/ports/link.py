"""The broker, as the pipeline sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct


class Reply(Struct, frozen=True):
    """What MQTT 5 adds to a message that has an answer, or is one."""

    topic: str | None = None
    """Where the answer is wanted."""
    correlation: bytes | None = None
    """Given back with the answer as it came."""


class Inbound(Struct, frozen=True, gc=False):
    """
    One received message. ``ack`` is called once its effect is durable, in the order of arrival.

    An ack of an earlier connection does nothing: the broker sends the message again.
    """

    topic: str
    payload: bytes
    received_at: datetime
    ack: Callable[[], None] | None = None
    correlation: bytes | None = None
    """MQTT 5 correlation data."""
    replayed: bool = False
    """The broker had retained it and tells it again: it may be of long ago."""


class Link(Protocol):
    """The broker, for publishing. May be called from the event loop only."""

    @property
    def connected(self) -> bool:
        """Whether all sessions are subscribed."""
        ...

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """
        Publish and wait for the broker's word.

        Errors: LinkDown, PublishUnknown, PublishRefused (also when a QoS 1 message found no subscriber and
        the broker says so).
        """
        ...

    def post(
        self, topic: str, payload: bytes, *, expiry_s: int | None = None, reply: Reply | None = None
    ) -> bool:
        """Publish at QoS 1 without waiting; False if the link is down or full. Refusals are only logged."""
        ...
