"""People on real parts: what counts against a guesser and what is under way outlive a SIGKILL."""

from __future__ import annotations

import hmac
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devtools.broker import Broker
from tests.integration.conftest import FAST, PATIENCE_S, Car, until
from tests.support.gateway import GatewayProcess

VIN = "XVGZZZ99ZTS700001"
KEY = pbkdf2_hmac("sha512", b"1234", b"salt", 1000, 32)
SERVICES = {"car_security": {"until": "2099-01-01T00:00:00Z", "certified": True}}
ENTRY = {
    "vin": VIN,
    "main_user": "anna",
    "secondary_users": ["bert"],
    "security_code_key": {"salt": "salt", "rounds": 1000, "key": KEY.hex()},
    "driver_cards": ["DC-1"],
    "services": SERVICES,
}


class Person:
    """A caller over HTTP who shares no code with the gateway."""

    def __init__(self, gateway: GatewayProcess, role: str, user: str | None = None) -> None:
        self._gateway, self.user = gateway, user
        words = ["--role", role, "--person", user or role, *(["--user", user] if user else [])]
        self._token = gateway.command("token", "create", *words).stdout.splitlines()[-1]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self._gateway.url}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def proof(self) -> str:
        _, asked = self.call("POST", f"/vehicles/{VIN}/challenge", {"purpose": "transfer"})
        text = "|".join((asked["challenge"], str(self.user), VIN, "transfer"))
        return hmac.new(KEY, text.encode(), "sha512").hexdigest()


@pytest.fixture
def own(path_broker: Broker, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway to kill."""
    with GatewayProcess(tmp_path / "own", path_broker.url(), settings=FAST) as process:
        yield process


def fleet(gateway: GatewayProcess, *lines: dict[str, Any]) -> Any:
    file = gateway.folder / "fleet.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return gateway.command("fleet", "import", str(file))


def killed_and_back(gateway: GatewayProcess) -> None:
    gateway.kill()
    gateway.start()
    gateway.wait_ready()


def test_a_lock_out_and_a_hand_over_survive_a_kill(own: GatewayProcess, path_broker: Broker) -> None:
    assert fleet(own, ENTRY, {"vin": VIN[:-1] + "2"}).returncode == 0
    anna, carl = Person(own, "main_user", "anna"), Person(own, "main_user", "carl")
    eve, dan = Person(own, "main_user", "eve"), Person(own, "main_user", "dan")
    until(lambda: anna.call("GET", f"/vehicles/{VIN}/users")[0] == 200)

    guess = {"vin": VIN[:-1] + "2", "code": "00000000"}
    assert [eve.call("POST", "/pairing", guess)[1]["code"] for _ in range(3)] == ["code_wrong"] * 3
    status, started = anna.call(
        "POST", f"/vehicles/{VIN}/transfer", {"to_user": "carl", "challenge_response": anna.proof()}
    )
    assert status == 201
    killed_and_back(own)
    # the person is locked out everywhere, the vehicle for everybody
    assert eve.call("POST", "/pairing", {**guess, "vin": VIN})[1]["code"] == "code_locked"
    assert dan.call("POST", "/pairing", guess)[1]["code"] == "code_locked"

    status, accepted = carl.call("POST", "/transfer-acceptance", {"vin": VIN, "code": started["code"]})
    assert (status, accepted["status"]) == (200, "accepted")
    path_broker.add("vehicles", VIN)
    car = Car(path_broker, VIN)
    try:
        car.wait_receipt(car.state("mode", remote_access_enabled=False))
    finally:
        car.close()
    until(lambda: carl.call("GET", f"/vehicles/{VIN}")[0] == 200)
    entry = carl.call("GET", f"/vehicles/{VIN}/registry")[1]
    assert (entry["main_user"], entry["secondary_users"], entry["driver_cards"], entry["services"]) == (
        "carl",
        [],
        [],
        SERVICES,
    )
    assert anna.call("GET", f"/vehicles/{VIN}")[0] == 404
    assert own.command("verify").returncode == 0


def test_a_person_is_erased_from_every_table(own: GatewayProcess) -> None:
    assert fleet(own, ENTRY).returncode == 0
    bert, admin = Person(own, "secondary_user", "bert"), Person(own, "admin")
    until(lambda: bert.call("GET", f"/vehicles/{VIN}")[0] == 200)
    assert bert.call("POST", "/joining", {"vin": VIN, "code": "00000000"})[0] == 403
    exported = admin.call("GET", "/users/bert/export")[1]
    assert [one["role"] for one in exported["vehicles"]] == ["secondary_user"]
    assert KEY.hex() not in json.dumps(exported)
    assert admin.call("DELETE", "/users/bert")[1]["vehicles"] == [VIN]
    for table in ("tokens", "notifications", "user_tries", "users", "registry_users"):
        assert own.rows(f"SELECT COUNT(*) FROM {table} WHERE user = 'bert'") == [(0,)]  # noqa: S608  # our own names
    for table in ("registry", "vehicles", "facts"):
        query = f"SELECT COUNT(*) FROM {table} WHERE instr(body, CAST('\"bert\"' AS BLOB)) > 0"  # noqa: S608
        assert own.rows(query) == [(0,)], table
    left = admin.call("GET", "/users/bert/export")[1]  # the audit trail has a retention of its own
    assert {name for name, held in left.items() if held} == {"user", "exported_at", "audit"}
    assert own.command("verify").returncode == 0


def test_a_bad_line_changes_nothing_and_a_good_file_counts_beside_the_gateway(own: GatewayProcess) -> None:
    lines = [
        {"vin": f"XVGZZZ99ZTS{number:06}", "main_user": f"u{number}"} for number in range(800_000, 803_000)
    ]
    done = fleet(own, *lines, {"vin": "bad"}, {"vin": lines[0]["vin"]})
    assert (done.returncode, own.rows("SELECT COUNT(*) FROM registry")) == (1, [(0,)])
    assert "line 3001:" in done.stderr
    assert "line 3002:" in done.stderr
    done = fleet(own, *lines)
    assert (done.returncode, own.rows("SELECT COUNT(*) FROM registry")) == (0, [(3000,)])
    assert "lines/s" in done.stdout
    u7 = Person(own, "main_user", "u800007")
    until(lambda: u7.call("GET", "/vehicles/XVGZZZ99ZTS800007")[1].get("registered"))


def test_an_added_user_connects_by_mqtt(own: GatewayProcess, path_broker: Broker) -> None:
    text = own.config.read_text()
    files = f'users_password_file = "{path_broker.folder / "users.passwd"}"\n'
    files += f'broker_pid_file = "{path_broker.pid_path}"\n'
    own.config.write_text(text.replace("[api]", f"{files}[api]"))
    assert own.command("user", "add", VIN).returncode == 1
    done = own.command("user", "add", "zoe@example.org", "--person", "Zoe")
    assert done.returncode == 0, done.stderr
    password = done.stdout.splitlines()[-1]
    path_broker.add("users", "another")  # what others have added stays
    until(lambda: connects(path_broker, "zoe@example.org", password))
    assert not connects(path_broker, "zoe@example.org", "guessed")
    assert password not in (path_broker.folder / "users.passwd").read_text()


def connects(broker: Broker, user: str, password: str) -> bool:
    """Whether the broker lets a person in."""
    answered, reasons = threading.Event(), []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set(user, password)

    def on_connect(
        _client: object, _userdata: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        reasons.append(reason.is_failure)
        answered.set()

    client.on_connect = on_connect
    client.connect("127.0.0.1", broker.ports["users"])
    client.loop_start()
    try:
        return answered.wait(PATIENCE_S) and not reasons[0]
    finally:
        client.disconnect()
        client.loop_stop()
