"""A broker of one's own: these tests pause it, restart it and fill its queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto
from gateway.adapters.mqtt.connection import Connection
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received

VIN = "XVGZZZ99ZTS000001"
TOPIC = f"v1/vehicles/{VIN}/theft-sensor"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def own_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    with Broker(mosquitto=mosquitto, persistence=False) as own:
        own.add("vehicles", VIN)
        yield own


@pytest.fixture
def client_id(request: pytest.FixtureRequest) -> str:
    return f"test-{request.node.name}"[:60]


@pytest.fixture(params=["fast", "paho"])
def fast_reader(request: pytest.FixtureRequest) -> bool:
    """Every trap is tried with both ways of reading."""
    return bool(request.param == "fast")


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)


class Listener:
    """A gateway connection that remembers what arrived and acknowledges only what it is told to."""

    def __init__(self, broker: Broker, client_id: str, **options: Any) -> None:
        self.received: list[Received] = []
        self._arrived = asyncio.Event()
        settings = MqttSettings(
            url=broker.url(),
            receive_maximum=options.pop("receive_maximum", 500),
            fast_reader=options.pop("fast_reader"),
        )
        options.setdefault("version", 5)
        options.setdefault("clean", False)
        self.connection = Connection(settings, client_id, on_messages=self._take, **options)

    def _take(self, batch: Sequence[Received]) -> None:
        self.received.extend(batch)
        self._arrived.set()

    async def until(self, count: int, within_s: float = PATIENCE_S) -> list[Received]:
        """Wait for so many messages."""
        async with asyncio.timeout(within_s):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    async def quiet(self, for_s: float = 0.3) -> list[Received]:
        """What there is after a while."""
        await asyncio.sleep(for_s)
        return self.received


@pytest.fixture
def listening(own_broker: Broker, client_id: str, fast_reader: bool) -> Callable[..., Any]:
    @asynccontextmanager
    async def listen(topic: str = TOPIC, qos: int = 1, **options: Any) -> AsyncIterator[Listener]:
        listener = Listener(own_broker, client_id, fast_reader=fast_reader, **options)
        async with listener.connection:
            assert listener.connection.is_fast == fast_reader
            await listener.connection.subscribe([topic], qos)
            yield listener

    return listen


@pytest.fixture
async def vehicle(own_broker: Broker) -> AsyncIterator[Callable[..., None]]:
    """Publishes as the vehicle, with a plain client that knows nothing of the gateway."""
    paho = pytest.importorskip("paho.mqtt.client")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set(VIN, own_broker.passwords["vehicles"][VIN])
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", own_broker.ports["vehicles"])
    client.loop_start()

    def publish(payload: bytes, *, topic: str = TOPIC, qos: int = 1, retain: bool = False) -> None:
        client.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE_S)

    yield publish
    client.disconnect()
    client.loop_stop()
