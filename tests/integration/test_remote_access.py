"""An owner's app and a car on real parts: broker, gateway process, database, kills."""

from __future__ import annotations

import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import pbkdf2_hmac
from itertools import count
from typing import Any, ClassVar

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from devtools.broker import Broker
from tests.integration.conftest import PATIENCE_S, Car, SocThread, seconds_ago, until
from tests.support.gateway import GatewayProcess

NewCar = Callable[..., Car]
numbers = count(1)
UNTIL = (datetime.now(UTC) + timedelta(days=30)).isoformat()


class Http:
    """A caller with a token; a person keeps it."""

    _tokens: ClassVar[dict[tuple[str, ...], str]] = {}

    def __init__(self, gateway: GatewayProcess, role: str, person: str, *words: str) -> None:
        key = (str(gateway.folder), role, person, *words)
        if key not in self._tokens:
            done = gateway.command("token", "create", "--role", role, "--person", person, *words)
            assert done.returncode == 0, done.stderr
            self._tokens[key] = done.stdout.splitlines()[-1]
        self._gateway, self._token = gateway, self._tokens[key]

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

    def ask(self, vin: str, action: str, **more: Any) -> tuple[int, Any]:
        return self.call("POST", f"/vehicles/{vin}/commands", a_request(action, **more))


class App:
    """The owner's app by MQTT; it shares no code with the gateway."""

    def __init__(self, broker: Broker, user: str) -> None:
        self.user = user
        self.answers: list[tuple[str, dict[str, Any], bytes | None]] = []
        broker.add("users", user)
        time.sleep(0.1)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.username_pw_set(user, broker.passwords["users"][user])
        self._client.on_message = self._take
        subscribed = threading.Event()
        topic = f"v1/users/{user}/vehicles/+/remote-access/response"
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", broker.ports["users"])
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def _take(self, _client: object, _userdata: object, message: Any) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        self.answers.append((message.topic, json.loads(message.payload), correlation))

    def send(self, vin: str, body: Any, *, retain: bool = False, correlation: bytes | None = None) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if correlation is not None:
            properties.CorrelationData = correlation
            properties.ResponseTopic = f"v1/users/{self.user}/elsewhere"
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        topic = f"v1/users/{self.user}/vehicles/{vin}/remote-access/request"
        self._client.publish(topic, payload, 1, retain, properties).wait_for_publish(PATIENCE_S)

    def ask(self, vin: str, action: str, **more: Any) -> str:
        """Send a request; returns its id."""
        body = a_request(action, **more)
        self.send(vin, body)
        return str(body["request_id"])

    def told(self, request_id: str) -> list[dict[str, Any]]:
        """Every answer to a request so far."""
        return [body for _, body, _ in list(self.answers) if body["request_id"] == request_id]

    def statuses(self, request_id: str) -> list[str]:
        return [body["status"] for body in self.told(request_id)]

    def answer(self, request_id: str) -> dict[str, Any]:
        """The first answer to a request."""
        return dict(until(lambda: self.told(request_id), complaint=f"no answer to {request_id}")[0])

    def wait(self, request_id: str, status: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        def find() -> Any:
            return [body for body in self.told(request_id) if body["status"] == status]

        return dict(until(find, within_s, f"{request_id} is not {status} but {self.told(request_id)}")[0])

    def proof(self, vin: str, code: str = "1234") -> str:
        """Ask for a challenge and answer it."""
        asked = self.answer(self.ask(vin, "challenge", params={"purpose": "unlock"}))
        return prove(asked, self.user, vin, code)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def a_request(action: str, **more: Any) -> dict[str, Any]:
    base = {"request_id": f"r-{next(numbers)}", "action": action, "issued_at": datetime.now(UTC).isoformat()}
    return {**base, **more}


def prove(asked: dict[str, Any], user: str, vin: str, code: str = "1234") -> str:
    key = pbkdf2_hmac("sha512", code.encode(), asked["salt"].encode(), asked["rounds"], 32)
    text = "|".join((asked["challenge"], user, vin, "unlock"))
    return hmac.new(key, text.encode(), "sha512").hexdigest()


class OwnedCar:
    """A car with its owner: registered, enabled, parked, online, and it hears commands."""

    def __init__(self, broker: Broker, gateway: GatewayProcess, new_car: NewCar) -> None:
        self.car = new_car()
        self.vin = self.car.vin
        self.user = f"anna-{self.vin[-3:]}"
        self.commands: list[dict[str, Any]] = []
        self.expiries: list[int | None] = []
        line = {
            "vin": self.vin,
            "main_user": self.user,
            "security_code": "1234",
            "services": {"remote_access": {"until": UNTIL}},
        }
        fleet = gateway.folder / f"{self.vin}.jsonl"
        fleet.write_text(json.dumps(line))
        assert gateway.command("fleet", "import", str(fleet)).returncode == 0
        self.app = App(broker, self.user)
        client = self.car._client
        topic = f"v1/vehicles/{self.vin}/remote-access/command"
        client.message_callback_add(topic, self._hear)
        heard = threading.Event()
        client.on_subscribe = lambda *_: heard.set()
        client.subscribe(topic, 1)
        assert heard.wait(PATIENCE_S)
        self.car.wait_receipt(self.car.state("mode", remote_access_enabled=True))
        self.park()
        self.connection(online=True)
        until(lambda: self._known(gateway), complaint="the gateway does not know the parked car")

    def _hear(self, _client: object, _userdata: object, message: Any) -> None:
        assert not message.retain
        self.expiries.append(getattr(message.properties, "MessageExpiryInterval", None))
        self.commands.append(json.loads(message.payload))

    def _known(self, gateway: GatewayProcess) -> bool:
        rows = gateway.rows("SELECT body FROM vehicles WHERE vin = ?", self.vin)
        state = json.loads(rows[0][0]) if rows else {}
        situation = state.get("past", {}).get("now", {})
        return (
            "stopped" in situation
            and situation.get("ignition_on") is False
            and "connection" in state["stated"]
        )

    def park(self) -> None:
        signals = {"Vehicle.Speed": 0, "Vehicle.IsMoving": False, "Vehicle.LowVoltageSystemState": "OFF"}
        body = {"occurred_at": datetime.now(UTC).isoformat(), "signals": signals}
        self.car.send("telemetry", body, qos=1)

    def connection(self, *, online: bool) -> None:
        body: dict[str, Any] = {"online": online}
        if online:
            body["at"] = datetime.now(UTC).isoformat()
        self.car.send("connection", body, retain=True)

    def obey(self, number: int = 0, status: str = "performed") -> dict[str, Any]:
        """Wait for a command and say what became of it."""
        until(lambda: len(self.commands) > number, complaint="no command came")
        command = self.commands[number]
        self.car.wait_receipt(
            self.car.state("remote-access/result", command_id=command["command_id"], status=status)
        )
        return command


@pytest.fixture
def owned(path_broker: Broker, gateway: GatewayProcess, new_car: NewCar) -> Iterator[OwnedCar]:
    car = OwnedCar(path_broker, gateway, new_car)
    yield car
    car.app.close()


def test_an_app_unlocks_its_car_with_a_challenge(owned: OwnedCar, gateway: GatewayProcess) -> None:
    app, vin = owned.app, owned.vin
    assert app.answer(app.ask(vin, "unlock"))["reason"] == "security_code_required"
    body = a_request("unlock", challenge_response=app.proof(vin), params={"doors": "all"})
    app.send(vin, body, correlation=b"\x00\x01mine")
    app.send(vin, body)  # the broker may repeat it
    command = owned.obey()
    app.wait(body["request_id"], "performed")
    assert list(command) == [
        "command_id", "action", "params", "issued_at", "expires_at", "counter", "key_id", "signature",
    ]  # fmt: skip
    assert (command["action"], command["params"]) == ("unlock", {"doors": "all"})
    life = datetime.fromisoformat(command["expires_at"]) - datetime.fromisoformat(command["issued_at"])
    assert life.total_seconds() == 60
    assert owned.expiries[0] is not None
    assert 0 < owned.expiries[0] <= 60
    told = [status for status in app.statuses(body["request_id"]) if status != "performed"]
    assert told[:2] == ["accepted", "sent"]
    assert {one["command_id"] for one in app.told(body["request_id"])} == {command["command_id"]}
    topics = {topic for topic, one, given in app.answers if given == b"\x00\x01mine"}
    assert topics == {f"v1/users/{app.user}/vehicles/{vin}/remote-access/response"}
    assert len(owned.commands) == 1
    stored = gateway.database.read_bytes()
    assert body["challenge_response"].encode() not in stored


def test_over_http_the_same_rules_and_the_same_answers(owned: OwnedCar, gateway: GatewayProcess) -> None:
    vin, app = owned.vin, owned.app
    anna = Http(gateway, "main_user", "Anna", "--user", owned.user)
    _, asked = anna.call("POST", f"/vehicles/{vin}/challenge", {"purpose": "unlock"})
    body = a_request("unlock", challenge_response=prove(asked, owned.user, vin))
    status, answer = anna.call("POST", f"/vehicles/{vin}/commands", body)
    assert (status, answer["status"], answer["reason"]) == (202, "accepted", None)
    assert anna.call("POST", f"/vehicles/{vin}/commands", body) == (status, answer)
    assert owned.obey()["command_id"] == answer["command_id"]
    app.wait(body["request_id"], "performed")
    status, command = anna.call("GET", f"/commands/{answer['command_id']}")
    assert (status, command["status"], command["action"], command["vin"]) == (200, "performed", "unlock", vin)
    assert anna.call("GET", "/commands/nothing")[0] == 404
    refused = anna.ask(vin, "sing")
    assert (refused[0], refused[1]["status"], refused[1]["reason"]) == (200, "refused", "not_supported")
    status, broken = anna.call("POST", f"/vehicles/{vin}/commands", {"request_id": "r-x", "action": 7})
    assert (status, broken) == (
        200,
        {"request_id": "r-x", "command_id": None, "status": "refused", "reason": "malformed"},
    )
    stranger = Http(gateway, "main_user", "Eve", "--user", "eve")
    assert stranger.ask(vin, "lock")[0] == 404
    assert stranger.call("GET", f"/commands/{answer['command_id']}")[0] == 404
    assert len(owned.commands) == 1


def test_a_replayed_retained_request_and_another_persons_car_move_nothing(
    owned: OwnedCar, path_broker: Broker, gateway: GatewayProcess
) -> None:
    eve = App(path_broker, "eve-2")
    assert eve.answer(eve.ask(owned.vin, "lock"))["reason"] == "unknown_vehicle"
    assert eve.answer(eve.ask("XVGZZZ99ZTS999999", "lock"))["reason"] == "unknown_vehicle"
    assert not gateway.rows("SELECT vin FROM vehicles WHERE vin = 'XVGZZZ99ZTS999999'")
    eve.close()
    old = a_request("lock", issued_at=seconds_ago(61).isoformat())
    owned.app.send(owned.vin, old)
    assert owned.app.answer(old["request_id"])["reason"] == "expired"
    body = a_request("lock")
    owned.app.send(owned.vin, body, retain=True)  # live, with a wrong flag: it counts
    owned.obey()
    before = gateway.health()[1]["counters"]["retained_ignored"]
    gateway.kill()
    gateway.start()
    gateway.wait_ready(30)
    until(lambda: gateway.health()[1]["counters"]["retained_ignored"] >= 1)
    assert before >= 0
    owned.app.send(owned.vin, b"", retain=True)
    done = owned.app.ask(owned.vin, "locate")
    owned.obey(1)
    owned.app.wait(done, "performed")
    assert [one["action"] for one in owned.commands] == ["lock", "locate"]


def test_a_lock_out_outlives_a_kill(owned: OwnedCar, gateway: GatewayProcess) -> None:
    app, vin = owned.app, owned.vin
    for _ in range(3):
        wrong = app.ask(vin, "unlock", challenge_response=app.proof(vin, "9999"))
        assert app.answer(wrong)["reason"] == "security_code_wrong"
    gateway.kill()
    gateway.start()
    gateway.wait_ready(30)
    locked = app.ask(vin, "unlock", challenge_response="00")
    assert app.answer(locked)["reason"] == "security_code_locked"
    assert owned.commands == []


def test_a_command_that_waits_outlives_a_kill_and_is_sent_once(
    owned: OwnedCar, gateway: GatewayProcess
) -> None:
    app, vin = owned.app, owned.vin
    owned.connection(online=False)
    until(lambda: _is_offline(gateway, vin))
    waits = app.ask(vin, "climate_start")
    brief = app.ask(vin, "lock", issued_at=seconds_ago(50).isoformat())
    app.wait(waits, "accepted")
    gateway.kill()
    gateway.start()
    gateway.wait_ready(30)
    app.wait(brief, "expired")
    assert owned.commands == []
    owned.connection(online=True)
    owned.obey()
    assert app.statuses(waits) == ["accepted", "sent", "performed"] or app.wait(waits, "performed")
    assert [one["action"] for one in owned.commands] == ["climate_start"]


def _is_offline(gateway: GatewayProcess, vin: str) -> bool:
    ((body,),) = gateway.rows("SELECT body FROM vehicles WHERE vin = ?", vin)
    return json.loads(body)["stated"]["connection"]["online"] is False


def test_a_result_that_never_comes_is_unknown_and_a_late_one_is_taken(owned: OwnedCar) -> None:
    app = owned.app
    asked = app.ask(owned.vin, "lock", issued_at=seconds_ago(50).isoformat())
    app.wait(asked, "unknown")
    owned.obey()
    app.wait(asked, "performed")
    assert app.statuses(asked) == ["accepted", "sent", "unknown", "performed"]


def test_under_an_open_alarm_a_person_is_told_only_to_call(
    owned: OwnedCar, soc: SocThread, gateway: GatewayProcess
) -> None:
    owned.car.wait_receipt(owned.car.trigger("intrusion"))
    refused = owned.app.ask(owned.vin, "lock")
    assert owned.app.answer(refused) == {
        "request_id": refused,
        "command_id": None,
        "status": "refused",
        "reason": "call_soc",
    }
    until(lambda: "asked for 'lock'" in soc.alarm(owned.vin, "intrusion")["evidence"][-1]["text"])
    auditor = Http(gateway, "auditor", "Ida")
    trail = auditor.call("GET", "/audit?limit=1000")[1]["items"]
    causes = [one["details"]["cause"] for one in trail if one["action"] == "command.refused"]
    assert "open alarm: intrusion" in causes
    assert owned.commands == []


def test_the_soc_blocks_the_engine_with_a_second_person_and_releases_it_alone(
    owned: OwnedCar, gateway: GatewayProcess
) -> None:
    vin = owned.vin
    kim, lou = Http(gateway, "operator", "Kim"), Http(gateway, "supervisor", "Lou")
    status, pending = kim.ask(vin, "block_engine_start")
    assert (status, pending["approval"]) == (202, "pending")
    assert kim.ask(vin, "block_engine_start") == (202, pending)
    _, listed = lou.call("GET", f"/vehicles/{vin}/approvals")
    assert [(one["approval_id"], one["asked_by"]) for one in listed["items"]] == [
        (pending["approval_id"], "Kim")
    ]
    gateway.kill()
    gateway.start()
    gateway.wait_ready(30)
    status, answer = lou.ask(vin, "block_engine_start")
    assert (status, answer["status"]) == (202, "accepted")
    assert owned.obey()["action"] == "block_engine_start"
    assert kim.ask(vin, "release_engine_start")[1]["status"] == "accepted"
    owned.obey(1)
    assert owned.app.answers == []
    counters = [one["counter"] for one in owned.commands]
    assert counters == sorted(set(counters))


def test_a_theft_is_reported_by_the_owner_at_once_and_by_the_soc_in_two(
    owned: OwnedCar, soc: SocThread, gateway: GatewayProcess
) -> None:
    path = f"/vehicles/{owned.vin}/theft-report"
    kim, lou = Http(gateway, "operator", "Kim"), Http(gateway, "supervisor", "Lou")
    assert kim.call("POST", path, {"note": "police called"})[0] == 202
    assert lou.call("POST", path, {"note": "other"})[0] == 202
    assert soc.messages(owned.vin) == []
    status, reported = lou.call("POST", path, {"note": "police called"})
    assert (status, reported["status"]) == (201, "reported")
    assert soc.alarm(owned.vin, "manual_report")["alarm_id"] == reported["alarm_id"]
    anna = Http(gateway, "main_user", "Anna", "--user", owned.user)
    assert anna.call("POST", path, {"note": "it is gone"}) == (201, {"status": "reported", "alarm_id": None})
    done = gateway.command("verify")
    assert done.returncode == 0, done.stdout


@pytest.mark.drill
def test_kills_under_a_stream_of_requests_make_no_command_twice(
    owned: OwnedCar, gateway: GatewayProcess
) -> None:
    app, vin = owned.app, owned.vin
    signals = {"Vehicle.Speed": 0, "Vehicle.LowVoltageSystemState": "ON"}
    owned.car.send("telemetry", {"occurred_at": datetime.now(UTC).isoformat(), "signals": signals}, qos=1)
    stopped = threading.Event()

    def obey() -> None:
        done = 0
        while not stopped.is_set():
            for command in owned.commands[done:]:
                fields = {"command_id": command["command_id"], "status": "performed"}
                owned.car.state("remote-access/result", **fields)
                done += 1
            time.sleep(0.01)

    thread = threading.Thread(target=obey)
    thread.start()
    asked = []
    for number in range(20):
        body = a_request("climate_start")
        asked.append(body["request_id"])
        app.send(vin, body)
        app.send(vin, body)
        time.sleep(1.5 + 0.1 * (number % 5))  # within the quota
        if number % 3 == 0:
            gateway.kill()
            gateway.start()
    gateway.wait_ready(30)

    def rows() -> dict[str, list[tuple[str, str]]]:
        found = gateway.rows("SELECT request_id, command_id, status FROM commands WHERE vin = ?", vin)
        return {one: [(row[1], row[2]) for row in found if row[0] == one] for one in asked}

    def is_over(request_id: str) -> bool:
        made = rows()[request_id]
        return bool(made and made[0][1] != "accepted") or "refused" in app.statuses(request_id)

    until(lambda: all(is_over(one) for one in asked), 30, f"not all decided: {rows()}")
    time.sleep(5)
    stopped.set()
    thread.join()
    ids = [command["command_id"] for command in owned.commands]
    assert len(ids) == len(set(ids))
    assert all(len(made) <= 1 for made in rows().values())
    statuses = [made[0][1] for made in rows().values() if made]
    # A kill between commit and publish leaves it sent until its time; nothing else may be left.
    assert set(statuses) <= {"performed", "sent"}
    assert statuses.count("performed") >= len(asked) / 2
    counters = [command["counter"] for command in owned.commands]
    assert counters == sorted(set(counters))
