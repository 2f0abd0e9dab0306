"""
One reader of telemetry in a process of its own; prints what it took, in which time, with how much CPU.

    python -m bench.reading.consumers gateway --port 1 --messages 2 --vehicles 1 --qos 0

All do the same with a message: checked, remembered, turned into facts, and the facts decided (not stored).
Only how messages are read differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from gateway.adapters.clock import SystemClock
from gateway.adapters.metrics import PrometheusMeters
from gateway.adapters.mqtt.sessions import Plan, Session
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Glance, Ingest
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.ports import Inbound

HOST = "127.0.0.1"
FILTER = "v1/vehicles/+/telemetry"
COALESCE_S = 0.002
IDLE_S = 20.0
"""Without a message for so long, the rest is lost."""
BATCH = 500


class Work:
    """What is done with every message, and the count of them."""

    def __init__(self, wanted: int, vehicles: int) -> None:
        self.count = 0
        self.done = asyncio.Event()
        self._wanted = wanted
        self._cold = vehicles
        self._began_s = 0.0
        self._warm = (0, 0.0)
        """Messages, and CPU seconds, when each vehicle was heard once: a fleet begins once and drives on."""
        self._ended = (0.0, 0.0)
        self._inbox = Inbox()
        self._meters = PrometheusMeters()
        intake = TelemetryIntake(self._inbox, self._meters)
        self._ingest = Ingest(self._inbox, intake, self._meters)
        self._vehicles: dict[str, Vehicle] = {}
        self._thresholds = Thresholds()

    def take(self, batch: Sequence[Inbound]) -> bool:
        """Messages that go the long way."""
        self._ingest.take(batch)
        self._decide()
        self._add(len(batch))
        return True

    @property
    def glance(self) -> Glance:
        """As the gateway's own."""
        return self._ingest.glance

    def glanced(self, count: int) -> None:
        """As the gateway's own."""
        self._ingest.glanced(count)
        self._add(count)

    def one(self, topic: str, payload: bytes) -> None:
        """A message of a library that gives them one by one."""
        now = datetime.now(UTC)
        if self._ingest.glance(topic, payload, now):
            self._ingest.glanced(1)
            self._add(1)
        else:
            self.take([Inbound(topic, payload, now)])

    def report(self) -> dict[str, float]:
        """From the first message to the last; CPU from when every vehicle had been heard once."""
        return {
            "messages": self.count,
            "wall_s": self._ended[0] - self._began_s,
            "cpu_s": self._ended[1] - self._warm[1],
            "cpu_messages": self.count - self._warm[0],
        }

    def _add(self, count: int) -> None:
        if not self.count:
            self._began_s = time.monotonic()
        cold = self.count < self._cold
        self.count += count
        if cold and self.count >= self._cold:
            self._warm = self.count, time.process_time()
        if self.count >= self._wanted:
            self._ended = time.monotonic(), time.process_time()
            self.done.set()

    def _decide(self) -> None:
        vehicles = self._vehicles
        for item in self._inbox.take(len(self._inbox)):
            if item.fact is not None:
                vehicle = vehicles.get(item.subject) or Vehicle(vin=item.subject)
                vehicles[item.subject], _ = step(vehicle, item.fact, item.received_at, self._thresholds)


async def gateway(work: Work, port: int, qos: int) -> None:
    """The gateway's own session, as it runs."""
    plan = Plan(
        "telemetry", (FILTER,), qos, work.take, lambda _topic: False, coalesce_s=COALESCE_S, glances=work
    )
    session = Session(
        plan,
        MqttSettings(url=f"mqtt://{HOST}:{port}"),
        client_id="reader",
        clock=SystemClock(),
        rng=random.Random(1),
        meters=PrometheusMeters(),
        log=structlog.get_logger(),
    )
    running = asyncio.create_task(session.run())
    await session.subscribed.wait()
    await _until_done(work)
    running.cancel()


async def gmqtt(work: Work, port: int, qos: int) -> None:
    """gmqtt, as documented."""
    from gmqtt import Client  # type: ignore[import-not-found]  # noqa: PLC0415  # installed by the bench

    client: Any = Client("reader")

    def on_message(_client: object, topic: str, payload: bytes, _qos: int, _properties: object) -> int:
        work.one(topic, payload)
        return 0  # success, as its PUBACK

    client.on_message = on_message
    client.on_connect = lambda client, *_: client.subscribe(FILTER, qos=qos)
    await client.connect(HOST, port)
    await _until_done(work)


async def aiomqtt(work: Work, port: int, qos: int) -> None:
    """aiomqtt, as documented."""
    import aiomqtt as library  # noqa: PLC0415  # beside the function of its name

    async with library.Client(HOST, port, protocol=library.ProtocolVersion.V5) as client:
        await client.subscribe(FILTER, qos=qos)
        _say_ready()
        async for message in client.messages:
            work.one(str(message.topic), bytes(message.payload))
            if work.done.is_set():
                return


async def _until_done(work: Work) -> None:
    _say_ready()
    seen = -1
    while seen < work.count or not work.count:
        seen = work.count
        try:
            async with asyncio.timeout(IDLE_S):
                await work.done.wait()
        except TimeoutError:
            continue
        return


def _say_ready() -> None:
    print("ready", file=sys.stderr, flush=True)


CONSUMERS: dict[str, Callable[[Work, int, int], Awaitable[None]]] = {
    "gateway": gateway,
    "gmqtt": gmqtt,
    "aiomqtt": aiomqtt,
}


def main() -> None:
    """Read until all has come."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONSUMERS)
    for name in ("port", "messages", "vehicles", "qos"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()

    async def run() -> None:
        work = Work(options.messages, options.vehicles)
        await CONSUMERS[options.name](work, options.port, options.qos)
        print(json.dumps(work.report()), flush=True)

    asyncio.run(run())
    sys.stdout.flush()
    os._exit(0)  # a library's goodbye is not measured


if __name__ == "__main__":
    main()
