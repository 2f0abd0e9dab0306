"""
Bytes ↔ facts, one file a topic. Pure: no socket, no clock.

Add a topic: its file with ``KIND`` and ``decode``, and its line in ``TOPICS``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from gateway.domain.signals import Connection, Event
from gateway.errors import reason_of
from gateway.wire import (
    charging,
    command_result,
    connection,
    data_bundle,
    driver_card,
    mode,
    software,
    theft_sensor,
)
from gateway.wire.event import MAX_PAYLOAD_BYTES, Unwanted, unwanted

Session = Literal["events", "commands", "telemetry"]
"""Each class of traffic has an MQTT session of its own, so that no flood of one costs another."""


class Codec(Protocol):
    """What a topic file offers."""

    KIND: str

    def decode(self, payload: bytes, received_at: datetime) -> Event | Connection:
        """Turn a payload into the fact it states; any exception means that it can't be read."""
        ...


class Topic(Struct, frozen=True):
    """One topic that a vehicle writes and the pipeline decodes to a fact."""

    codec: Codec
    session: Session
    meaning: str

    @property
    def kind(self) -> str:
        """Topic levels below the VIN."""
        return self.codec.KIND


TOPICS: tuple[Topic, ...] = (
    Topic(theft_sensor, "events", "A theft sensor triggered or was restored."),
    Topic(driver_card, "events", "A Driver Card was seen or has gone."),
    Topic(data_bundle, "events", "Status of the mobile-data bundle."),
    Topic(mode, "events", "What was set in the car itself."),
    Topic(software, "events", "Progress of a function or an update."),
    Topic(charging, "events", "Plug and charging session."),
    Topic(command_result, "commands", "What became of a remote command."),
    Topic(connection, "telemetry", "Online or offline, and by which bearer."),
)

BY_KIND = {topic.kind: topic for topic in TOPICS}
if len(BY_KIND) != len(TOPICS):
    _twice = "a topic is listed twice"
    raise ValueError(_twice)


def decode(kind: str, payload: bytes, received_at: datetime) -> Event | Connection | Unwanted:
    """
    Decode one message of a registered topic. Never raises: what can't be read comes back as ``Unwanted``.

    Shape:   payload is a UTF-8 JSON object of at most 32 KiB.
    Source:  contract 2, 2.1.4, 3.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        return unwanted(payload, f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are read")
    try:
        return BY_KIND[kind].codec.decode(payload, received_at)
    except Exception as error:  # noqa: BLE001  # deep nesting and bad UTF-8 raise no DecodeError
        return unwanted(payload, reason_of(error))
