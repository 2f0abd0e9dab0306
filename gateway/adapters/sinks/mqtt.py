"""The alarm feed on the broker: ``v1/soc/{soc}/alarms`` at QoS 1, confirmed by the broker's PUBACK."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.errors import LinkDown, PublishRefused, PublishUnknown
from gateway.faults import crash_point
from gateway.ports import AlarmSink, Clock, Delivered, Link, Message, Outcome, Retry, SinkRole


class MqttSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"
):
    """A ``[[soc.sinks]]`` of type ``mqtt``."""

    name: Annotated[str, Meta(min_length=1)]
    role: SinkRole = "primary"
    soc: Annotated[str, Meta(pattern=r"^[^/+#\x00]{1,64}\Z")] = "default"
    heartbeat: bool = False
    timeout_s: Annotated[float, Meta(ge=1)] = 5


class MqttSink:
    """Publishes; a broker that has no subscriber for it and says so has not taken the alarm."""

    def __init__(self, settings: MqttSettings, link: Link) -> None:
        self._topic = f"v1/soc/{settings.soc}/alarms"
        self._timeout_s = settings.timeout_s
        self._link = link

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        del feed_id  # stands in the message
        try:
            async with asyncio.timeout(self._timeout_s):
                crash_point("mid_sink_call")
                await self._link.publish(self._topic, message.body)
        except (LinkDown, PublishUnknown, PublishRefused) as error:
            return Retry(f"{type(error).__name__}: {error}")
        except TimeoutError:
            return Retry(f"no PUBACK within {self._timeout_s:g} s")
        return Delivered()

    async def close(self) -> None:
        return


def open_sink(settings: MqttSettings, *, clock: Clock, link: Link, logger: Any) -> AlarmSink:
    """See ``SINKS``."""
    del clock, logger
    return MqttSink(settings, link)
