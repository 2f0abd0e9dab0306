"""The whole path with real parts: broker, gateway process, SOC over HTTP, vehicles over MQTT."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto
from tests.support.gateway import GatewayProcess, webhook_sink
from tests.support.soc import FakeSoc

SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0IFNPQyBoZXJl"
FAST = "[canary]\ninterval_s = 1\n"
PATIENCE_S = 60.0
"""A slow and busy machine may take so long; one that is neither never waits for it."""


def until(what: Callable[[], Any], within_s: float = PATIENCE_S, complaint: str = "it did not happen") -> Any:
    """Ask until the answer is true."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if answer := what():
            return answer
        time.sleep(0.01)
    raise AssertionError(complaint)


class SocThread:
    """A SOC beside the test, in a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.soc = FakeSoc(secret=SECRET)
        self._do(self.soc.up())

    @property
    def sink(self) -> str:
        """The SOC as a sink, in TOML."""
        return webhook_sink(self.soc.url, extra=f'secret = "{SECRET}"')

    def messages(self, vin: str | None = None) -> list[dict[str, Any]]:
        """Feed messages that it accepted, each once, in the order of their sequence."""
        kept: dict[str, dict[str, Any]] = {}
        for request in list(self.soc.requests):
            message = json.loads(request.body)
            if message["type"].startswith("alarm.") and vin in (None, message["subject"]):
                kept[request.headers["webhook-id"]] = message
        return sorted(kept.values(), key=lambda one: one["data"]["sequence"] or 0)

    def alarm(self, vin: str, cause: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """``data`` of the newest message about this cause of a vehicle."""

        def find() -> Any:
            found = [one["data"] for one in self.messages(vin) if one["data"]["cause"] == cause]
            return found[-1] if found else None

        return dict(until(find, within_s, f"no {cause} of {vin} reached the SOC"))

    def down(self) -> None:
        """Refuse connections."""
        self._do(self.soc.down())

    def up(self) -> None:
        """Take them again."""
        self._do(self.soc.up())

    def close(self) -> None:
        """Stop."""
        self._do(self.soc.down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)


class Car:
    """One vehicle as a plain MQTT client that shares no code with the gateway."""

    def __init__(self, broker: Broker, vin: str, *, version: MQTTProtocolVersion = paho.MQTTv5) -> None:
        self.vin = vin
        self.receipted: list[str] = []
        self.rejected: dict[str, str] = {}
        self._count = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self._client.username_pw_set(vin, broker.passwords["vehicles"][vin])
        self._client.on_message = self._receipt
        self._client.on_connect = lambda client, *_: client.subscribe(f"v1/vehicles/{vin}/receipt", 1)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.ports["vehicles"])
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def send(self, kind: str, payload: Any, *, qos: int = 1, retain: bool = False) -> None:
        """Publish bytes as they are, anything else as JSON."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"v1/vehicles/{self.vin}/{kind}", body, qos, retain).wait_for_publish(PATIENCE_S)

    def state(
        self, topic_kind: str, /, *, at: datetime | None = None, event_id: str | None = None, **fields: Any
    ) -> str:
        """Publish an event; returns its id."""
        self._count += 1
        event_id = event_id or f"b-{self._count}"
        occurred_at = (at or datetime.now(UTC)).isoformat()
        self.send(topic_kind, {"event_id": event_id, "occurred_at": occurred_at, **fields})
        return event_id

    def trigger(self, cause: str, **fields: Any) -> str:
        """State a theft-sensor trigger; returns its id."""
        return self.state("theft-sensor", cause=cause, state="triggered", **fields)

    def drive(self, speed_km_h: float = 50, *, at: datetime | None = None, **signals: Any) -> None:
        """Send telemetry of a moving car."""
        occurred_at = (at or datetime.now(UTC)).isoformat()
        body = {"occurred_at": occurred_at, "signals": {"Vehicle.Speed": speed_km_h, **signals}}
        self.send("telemetry", body, qos=0)

    def wait_receipt(self, event_id: str, within_s: float = PATIENCE_S) -> None:
        """Until the receipt names the event."""
        until(lambda: event_id in self.receipted, within_s, f"no receipt for {event_id}")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _receipt(self, _client: object, _userdata: object, message: Any) -> None:
        body = json.loads(message.payload)
        self.rejected |= {one["event_id"]: one["reason"] for one in body["rejected"]}
        self.receipted += body["event_ids"]  # last: who waits for it may look at the other


def seconds_ago(seconds: float) -> datetime:
    """A time that has passed."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def path_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    with Broker(mosquitto=mosquitto, persistence=False) as own:
        yield own


@pytest.fixture(scope="module")
def soc() -> Iterator[SocThread]:
    thread = SocThread()
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def gateway(
    path_broker: Broker, soc: SocThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(folder, path_broker.url(), sinks=soc.sink, settings=FAST) as process:
        yield process


@pytest.fixture(scope="module")
def token(gateway: GatewayProcess) -> str:
    return gateway.token()


@pytest.fixture
def new_car(path_broker: Broker, gateway: GatewayProcess) -> Iterator[Callable[..., Car]]:
    """Make cars with fresh VINs; ``gateway`` is there so that somebody listens."""
    made: list[Car] = []

    def make(**options: Any) -> Car:
        new_car_number[0] += 1
        vin = f"XVGZZZ99ZTS{new_car_number[0]:06}"
        path_broker.add("vehicles", vin)
        time.sleep(0.1)
        made.append(Car(path_broker, vin, **options))
        return made[-1]

    assert gateway.running
    yield make
    for car in made:
        car.close()


new_car_number = [100]
