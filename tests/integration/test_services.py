"""Terms, bundles and the certificate on real parts: broker, gateway process, database, a kill."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto
from tests.integration.conftest import FAST, PATIENCE_S, Car, until
from tests.support.gateway import GatewayProcess

VIN = "XVGZZZ1JZXW000091"
ASLEEP = "XVGZZZ1JZXW000092"
OWNER = "owner-91"


@pytest.fixture
def own_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    with Broker(mosquitto=mosquitto, persistence=False) as own:
        own.add("vehicles", VIN)
        yield own


class Phone:
    """The owner's app, which only listens."""

    def __init__(self, broker: Broker) -> None:
        self.told: list[dict[str, Any]] = []
        broker.add("users", OWNER)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.username_pw_set(OWNER, broker.passwords["users"][OWNER])
        self._client.on_message = lambda _client, _data, one: self.told.append(json.loads(one.payload))
        subscribed = threading.Event()
        topic = f"v1/users/{OWNER}/notifications"
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", broker.ports["users"])
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def codes(self, vin: str) -> list[tuple[str, str]]:
        return [(one["kind"], one["code"]) for one in self.told if one["vin"] == vin]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def post(process: GatewayProcess, path: str, body: Any, token: str) -> Any:
    request = urllib.request.Request(
        f"{process.url}/api/v1{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def line(vin: str, days: float) -> str:
    ends_at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    services = {"car_security": {"until": ends_at}}
    return json.dumps({"vin": vin, "country": "NL", "main_user": OWNER, "services": services})


def test_what_ends_is_told_even_of_a_car_that_sleeps_and_once_across_a_kill(
    tmp_path: Path, own_broker: Broker
) -> None:
    with GatewayProcess(tmp_path, own_broker.url(), settings=FAST) as process:
        phone, car = Phone(own_broker), Car(own_broker, VIN)
        fleet = tmp_path / "fleet.jsonl"
        fleet.write_text(f"{line(VIN, 20)}\n{line(ASLEEP, 5)}\n")
        assert process.command("fleet", "import", str(fleet)).returncode == 0
        until(lambda: phone.codes(ASLEEP))
        until(lambda: phone.codes(VIN))
        car.state("data-bundle", bundle_id="B1", used_mb=105, total_mb=100, hotspot=True)
        until(lambda: len(phone.codes(VIN)) == 3)
        process.kill()
        process.start()
        process.wait_ready()
        car.state("data-bundle", bundle_id="B1", used_mb=110, total_mb=100, hotspot=True)
        workshop, operator = process.token("workshop"), process.token("operator")
        made = post(
            process, f"/vehicles/{VIN}/services/car_security/certify", {"method": "test_alarm"}, workshop
        )
        assert made["number"].startswith("CS-")
        until(lambda: ("service_term", "certified") in phone.codes(VIN))
        assert phone.codes(ASLEEP) == [("service_term", "ends_in_7_days")]
        assert sorted(phone.codes(VIN)) == [
            ("data_bundle", "exhausted"),
            ("data_bundle", "low"),
            ("service_term", "certified"),
            ("service_term", "ends_in_30_days"),
        ]
        told = {one["code"]: one["text"] for one in phone.told if one["vin"] == VIN}
        assert "Android-telefoon" in told["exhausted"]
        assert "autobeveiliging" in told["ends_in_30_days"]
        found = {one["vin"]: one for one in process.get("/unprotected", operator)["items"]}
        codes = {vin: [reason["code"] for reason in one["reasons"]] for vin, one in found.items()}
        assert codes[ASLEEP] == ["never_heard", "no_contact", "not_certified"]
        until(lambda: "not_certified" not in _codes(process, operator))
        phone.close()
        car.close()


def _codes(process: GatewayProcess, token: str) -> list[str]:
    found = process.get("/unprotected", token)["items"]
    return [reason["code"] for one in found if one["vin"] == VIN for reason in one["reasons"]]
