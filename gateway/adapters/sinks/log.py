"""A sink that writes each message as one log line: for trying things out, and as a last witness."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.ports import AlarmSink, Clock, Delivered, Link, Message, Outcome, SinkRole


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="log"):
    """A ``[[soc.sinks]]`` of type ``log``."""

    name: Annotated[str, Meta(min_length=1)]
    role: SinkRole = "primary"
    soc: str = "default"
    heartbeat: bool = False


class LoggedData(Struct, frozen=True):
    """The fields that a line shows; never a position."""

    vin: str | None = None
    cause: str | None = None
    severity: str | None = None
    state: str | None = None


class LoggedEvent(Struct, frozen=True):
    """The envelope, as far as it is shown."""

    data: LoggedData = LoggedData()


_decode = msgspec.json.Decoder(LoggedEvent).decode


class LogSink:
    """Confirms everything."""

    def __init__(self, settings: LogSettings, logger: Any) -> None:
        self._name = settings.name
        self._log = logger

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        del feed_id
        data = _decode(message.body).data
        self._log.info(
            "delivery.done",
            sink=self._name,
            type=message.type,
            sequence=message.sequence or None,
            alarm_id=message.alarm_id,
            vin=data.vin,
            cause=data.cause,
            severity=data.severity,
            state=data.state,
        )
        return Delivered()

    async def close(self) -> None:
        return


def open_sink(settings: LogSettings, *, clock: Clock, link: Link, logger: Any) -> AlarmSink:
    """See ``SINKS``."""
    del clock, link
    return LogSink(settings, logger)
