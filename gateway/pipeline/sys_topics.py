"""
What the broker says of itself: messages that it has dropped.

Mosquitto answers success and drops when a queue is full; this counter is the only sign of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Meters
from gateway.ports import Clock, Inbound

DROPPED = "$SYS/broker/publish/messages/dropped"
LOUD_EVERY_S = 60.0
HEARD_WITHIN_S = 30.0


class SysTopics:
    """Takes the telemetry session's batches; keeps ``$SYS`` and hands the rest on."""

    def __init__(self, ingest: Ingest, clock: Clock, meters: Meters, log: Any) -> None:
        self._ingest = ingest
        self._clock = clock
        self._meters = meters
        self._log = log
        self._dropped = -1
        self._loud_s = -LOUD_EVERY_S

    async def run(self, hearing: Callable[[], Awaitable[None]]) -> None:
        """Say once if the broker hides its counters: it may grant the subscription and deliver nothing."""
        await hearing()
        await asyncio.sleep(HEARD_WITHIN_S)
        if self._dropped < 0:
            self._log.warning("mqtt.sys_not_granted", topic=DROPPED)
        await asyncio.Event().wait()

    def take(self, batch: Sequence[Inbound]) -> bool:
        """Take a batch; False if there was no room."""
        rest = [message for message in batch if message.topic != DROPPED]
        for message in batch:
            if message.topic == DROPPED:
                self._count(message)
        return self._ingest.take(rest) if rest else True

    def _count(self, message: Inbound) -> None:
        if message.ack is not None:
            message.ack()
        if not message.payload.isdigit():
            return
        total = int(message.payload)
        self._meters.gauge("gateway_broker_dropped", total)
        if 0 <= self._dropped < total and self._clock.mono_s() - self._loud_s >= LOUD_EVERY_S:
            self._loud_s = self._clock.mono_s()
            self._log.error("mqtt.broker_dropped", total=total, new=total - self._dropped)
        self._dropped = total
