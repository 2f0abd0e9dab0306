"""A backlog that is longer than what there is room for is read in parts, on one connection."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from devtools.broker import HOST, Broker
from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt.connection import Connection
from gateway.adapters.mqtt.sessions import Plan, Session
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.pipeline.meters import Tally
from gateway.ports import Inbound
from tests.mqtt.conftest import TOPIC, VIN, eventually

BACKLOG = 30_000
CROWDED = 1_000
ROOM = 12_000
"""A read of 128 KiB holds 2,500 of these messages, and a connection may begin with two."""


class Warnings:
    """A log of which only the warnings count."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str, **_fields: object) -> None:
        """Not looked at."""

    def warning(self, event: str, **fields: object) -> None:
        self.said.append(f"{event} {fields.get('reason', '')}".strip())

    error = warning


class Desk:
    """Takes what it has room for, and decides it slowly."""

    def __init__(self) -> None:
        self.waiting: deque[Inbound] = deque()
        self.decided: set[bytes] = set()
        self.most = 0

    def take(self, batch: Sequence[Inbound]) -> bool:
        room = ROOM - len(self.waiting)
        self.waiting.extend(batch[:room])
        self.most = max(self.most, len(self.waiting))
        return len(batch) <= room

    async def decide(self) -> None:
        while True:
            for _ in range(min(50, len(self.waiting))):
                one = self.waiting.popleft()
                self.decided.add(one.payload)
                if one.ack is not None:
                    one.ack()
            await asyncio.sleep(0.001)


def session(broker: Broker, desk: Desk, log: Any, tally: Tally) -> Session:
    return Session(
        Plan(
            "events", (TOPIC,), 1, desk.take, lambda _topic: False,
            is_crowded=lambda: len(desk.waiting) >= CROWDED,
        ),
        MqttSettings(url=broker.url(), receive_maximum=65_535),
        client_id="gateway-crowded",
        clock=SystemClock(),
        rng=random.Random(1),
        meters=tally,
        log=log,
    )  # fmt: skip


async def publish(broker: Broker) -> None:
    secret = broker.passwords["vehicles"][VIN]
    settings = MqttSettings(url=f"mqtt://{VIN}:{secret}@{HOST}:{broker.ports['vehicles']}")
    async with Connection(settings, VIN, version=5, clean=True, on_messages=lambda _batch: None) as vehicle:
        for number in range(BACKLOG):
            while not vehicle.post(TOPIC, b"%d" % number):  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.001)
        await eventually(lambda: not vehicle._waiting)


async def test_a_backlog_without_room_is_read_in_parts_and_acknowledged_once(own_broker: Broker) -> None:
    log, tally, desk = Warnings(), Tally(), Desk()
    first = session(own_broker, desk, log, tally)
    task = asyncio.create_task(first.run())
    await first.subscribed.wait()
    task.cancel()
    await asyncio.wait({task})
    await publish(own_broker)

    task = asyncio.create_task(session(own_broker, desk, log, tally).run())
    deciding = asyncio.create_task(desk.decide())
    await eventually(lambda: len(desk.decided) == BACKLOG)
    await asyncio.sleep(0.2)  # the last acknowledgements
    task.cancel()
    deciding.cancel()
    assert log.said == ["mqtt.paused"], desk.most
    assert tally.totals["gateway_reading_paused_total"] > 0
    assert CROWDED <= desk.most < ROOM
