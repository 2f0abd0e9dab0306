"""A car in the workshop, on real parts: what happens in the yard is recorded, leaving it is alarmed."""

from __future__ import annotations

import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import pbkdf2_hmac
from typing import Any

from tests.integration.conftest import Car, SocThread, seconds_ago, until
from tests.support.gateway import GatewayProcess

NewCar = Callable[..., Car]
CAUSES = ("intrusion", "battery_disconnect", "unauthorised_movement")


class Anna:
    """The car's main user, with a token and a security code; she shares no code with the gateway."""

    def __init__(self, gateway: GatewayProcess, vin: str) -> None:
        self._gateway, self.vin = gateway, vin
        fleet = gateway.folder / "fleet.jsonl"
        line = {"vin": vin, "main_user": "anna", "security_code": "1234", "consents": {"position": True}}
        fleet.write_text(json.dumps(line))
        assert gateway.command("fleet", "import", str(fleet)).returncode == 0
        words = ("--role", "main_user", "--person", "Anna", "--user", "anna", "--vin", vin)
        self._token = gateway.command("token", "create", *words).stdout.splitlines()[-1]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self._gateway.url}/api/v1/vehicles/{self.vin}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def proof(self, code: str = "1234") -> str:
        _, asked = self.call("POST", "/challenge", {"purpose": "special_mode"})
        key = pbkdf2_hmac("sha512", code.encode(), asked["salt"].encode(), asked["rounds"], 32)
        text = "|".join((asked["challenge"], "anna", self.vin, "special_mode"))
        return hmac.new(key, text.encode(), "sha512").hexdigest()


def stand_at(car: Car, north_m: float, at: datetime | None = None) -> None:
    signals = {
        "Vehicle.CurrentLocation.Latitude": 52.0907 + north_m / 111_195,
        "Vehicle.CurrentLocation.Longitude": 5.1214,
        "Vehicle.CurrentLocation.HorizontalAccuracy": 5,
        "Vehicle.Speed": 0,
        "Vehicle.LowVoltageSystemState": "OFF",
    }
    occurred_at = (at or datetime.now(UTC)).isoformat()
    car.send("telemetry", {"occurred_at": occurred_at, "signals": signals}, qos=0)


def noted(soc: SocThread, car: Car, note: str) -> list[str]:
    return sorted(one["data"]["cause"] for one in soc.messages(car.vin) if one["data"]["note"] == note)


def test_a_car_in_the_workshop_is_recorded_and_leaving_the_yard_is_alarmed(
    new_car: NewCar, soc: SocThread, gateway: GatewayProcess, token: str
) -> None:
    car = new_car()
    anna = Anna(gateway, car.vin)
    stand_at(car, 0, seconds_ago(120))
    until(lambda: anna.call("GET", "")[1].get("signals"))

    assert anna.call("PUT", "/special-modes/workshop", {"reason": "Service"})[0] == 403
    body = {"reason": "Service", "challenge_response": anna.proof()}
    status, mode = anna.call("PUT", "/special-modes/workshop", body)
    assert (status, mode["mode"], mode["place"]["radius_m"]) == (201, "workshop", 300)

    stand_at(car, 60, seconds_ago(60))
    for cause in CAUSES:
        car.wait_receipt(car.trigger(cause, zone="hood"))
        assert soc.alarm(car.vin, cause)["suppressed_by"] == mode["mode_id"]
    assert [one["type"] for one in soc.messages(car.vin)] == ["alarm.suppressed"] * 3
    listed = gateway.get(f"/alarms?vin={car.vin}&state=suppressed", token)["items"]
    assert [one["case_id"] for one in listed] == [None] * 3
    assert [one["mode_id"] for one in anna.call("GET", "")[1]["modes"]] == [mode["mode_id"]]

    stand_at(car, 900, seconds_ago(20))
    stand_at(car, 1100)
    data = soc.alarm(car.vin, "left_workshop")
    assert (data["severity"], data["state"], data["event_ids"]) == ("critical", "open", [])
    assert data["case_id"]
    assert anna.call("GET", "")[1]["modes"] == []

    car.wait_receipt(car.trigger("tilt"))
    assert soc.alarm(car.vin, "tilt")["state"] == "open"
    until(lambda: len(noted(soc, car, "present_at_mode_end")) >= len(CAUSES))
    assert noted(soc, car, "present_at_mode_end") == noted(soc, car, "mode_ended") == sorted(CAUSES)
    status, problem = anna.call("PUT", "/special-modes/workshop", body | {"challenge_response": anna.proof()})
    assert (status, problem["code"]) == (409, "call_soc")
    done = gateway.command("verify")
    assert done.returncode == 0, done.stdout
