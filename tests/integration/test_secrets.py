"""
What is secret stays where it belongs: a whole life on real parts, with a mark in everything that is secret.

Rules of this file:

1. ``Marks`` knows each secret; whoever makes or hears one states it there. ``hard`` ones are kept by nobody
   (tokens, codes, answers to challenges, passwords); ``soft`` ones (cards, positions, phones, derived keys)
   have a place in the store, and none in logs, metrics, audit and errors; ``private`` ones are positions in
   private mode, which only memory may hold.
2. The payload of an undecodable message is kept as it came (contract 2.1.4): it is looked at by nobody here.
3. Every search is first proven able to find.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto
from gateway.ports import Role
from tests.integration.conftest import FAST, SECRET, Car, SocThread, until
from tests.integration.test_remote_access import App
from tests.support.gateway import GatewayProcess
from tests.support.marks import Marks
from tests.support.told import Person, Run

VIN, SECOND = "XVGZZZ1JZXW000061", "XVGZZZ1JZXW000062"
numbers = count(1)
SOC_AND_STAFF: tuple[Role, ...] = ("workshop", "operator", "supervisor", "auditor", "admin")


@pytest.fixture
def run(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Run]:
    soc = SocThread()
    sinks = soc.sink + '\n[[soc.sinks]]\nname = "log"\ntype = "log"\n'
    with Broker(mosquitto=mosquitto, persistence=False) as broker:
        broker.add("vehicles", VIN, SECOND)
        with GatewayProcess(tmp_path / "gw", broker.url(), sinks=sinks, settings=FAST) as gateway:
            run = Run(gateway, broker)
            run.marks.keep(run.marks.hard, "sink's secret", SECRET)
            run.marks.keep(run.marks.hard, "gateway's password", broker.passwords["gateways"]["gateway"])
            yield run
    soc.close()


def test_no_secret_leaves_its_place(run: Run) -> None:
    life = Life(run)
    try:
        for chapter in (
            life.registry, life.codes, life.commands, life.drive, life.privacy, life.alarms, life.mistakes,
            life.soc, life.operation,
        ):  # fmt: skip
            chapter()
    finally:
        life.close()
    marks = run.marks
    assert len(marks.hard) > 25
    assert len(marks.soft) > 15
    leaks = [(where, found) for where, text in run.said()
             if (found := marks.found_in(text, marks.hard, marks.soft, marks.private))]  # fmt: skip
    assert leaks == []
    leaks = [
        (name, found)
        for name, kept in run.files()
        if (found := marks.found_in(kept, marks.hard, marks.private))
    ]
    assert leaks == []
    assert [where for where, text in run.answers if marks.found_in(text, marks.private)] == []


class Life:
    """What happens to a car and its people, one chapter after the other."""

    def __init__(self, run: Run) -> None:
        self.run, self.marks = run, run.marks
        self.code = self.marks.code()
        self.cards = [self.marks.word(self.marks.soft, "card id") for _ in range(3)]
        self.import_fleet()
        self.anna = Person(run, "main_user", "anna")
        self.bert = Person(run, "secondary_user", "bert")
        self.carl = Person(run, "main_user", "carl")
        self.workshop, self.operator, self.supervisor, self.auditor, self.admin = (
            Person(run, role) for role in SOC_AND_STAFF
        )
        self.car = Car(run.broker, VIN)
        self.app = App(run.broker, "anna")
        self.marks.keep(self.marks.hard, "app's password", run.broker.passwords["users"]["anna"])
        self.marks.keep(self.marks.hard, "car's password", run.broker.passwords["vehicles"][VIN])
        self.path = f"/vehicles/{VIN}"

    def close(self) -> None:
        self.car.close()
        self.app.close()

    def import_fleet(self) -> None:
        until_at = (datetime.now(UTC) + timedelta(days=90)).isoformat()
        names = ("car_security", "remote_access", "charging", "functions_on_demand", "navigation")
        key = self.marks.keep(self.marks.soft, "derived key", secrets.token_hex(32))
        lines: list[dict[str, Any]] = [
            {"vin": VIN, "main_user": "anna", "country": "NL", "security_code": self.code,
             "driver_cards": self.cards[:1], "services": {name: {"until": until_at} for name in names},
             "contacts": [{"name": "Anna", "phone": self.marks.phone()}], "consents": {"position": True}},
            {"vin": SECOND, "security_code_key": {"salt": "s", "rounds": 1000, "key": key}},
        ]  # fmt: skip
        bad = [
            {**lines[0], "security_code": 5},
            {**lines[0], "security_code": ["x"], "driver_cards": self.cards[0]},
            {**lines[0], "security_code_key": {"salt": 1, "rounds": "x", "key": key}},
            {**lines[0], "contacts": [{"name": "A", "phone": self.marks.phone() * 10}]},
            {**lines[0], "contacts": self.marks.phone(), "vin": self.code},
            {
                "vin": SECOND,
                "security_code": self.code,
                "security_code_key": {"salt": "s", "rounds": 1, "key": key},
            },
        ]
        for some in (lines, bad):
            file = self.run.gateway.folder / "fleet.jsonl"
            file.write_text("".join(f"{json.dumps(one)}\n" for one in some))
            self.run.command("fleet", "import", str(file))

    def registry(self) -> None:
        until(lambda: self.anna.call("GET", self.path)[1].get("registered"), complaint="not registered")
        self.run.errors.clear()
        phones = [{"name": "B", "phone": self.marks.phone()} for _ in range(2)]
        proof = self.anna.proof(VIN, "transfer", self.code)
        self.anna.good("PUT", self.path, {"contacts": phones, "challenge_response": proof})
        assert self.anna.call("PUT", self.path, {"contacts": phones, "challenge_response": proof})[0] == 403
        self.workshop.good("PUT", self.path, {"driver_cards": self.cards[:2]})
        for wrong in (
            {"contacts": [{"name": "B", "phone": self.marks.phone() * 10}]},
            {"contacts": self.marks.phone()},
            {"driver_cards": self.cards[0]},
            {"driver_cards": [self.cards[0] * 10]},
            {"driver_cards": {self.cards[0]: 1}},
            {"challenge_response": proof},
            {"challenge_response": [proof]},
            {"contacts": [], "challenge_response": proof * 10},
        ):
            assert self.anna.call("PUT", self.path, wrong)[0] >= 400
            assert self.workshop.call("PUT", self.path, wrong)[0] >= 400
        code = self.marks.code()
        for wrong in ({"security_code": [code]}, {"security_code": code * 10}, {"security_code_key": code}):
            assert self.anna.call("PUT", f"{self.path}/security-code", wrong)[0] >= 400
        body = {"security_code": code, "challenge_response": self.anna.proof(VIN, "transfer", self.code)}
        self.anna.good("PUT", f"{self.path}/security-code", body)
        self.code = code
        self.car.wait_receipt(self.car.state("mode", remote_access_enabled=True))

    def codes(self) -> None:
        guess = self.marks.keep(self.marks.hard, "guessed code", f"{secrets.randbelow(10**8):08}")
        hard = self.marks.hard
        pairing = self.admin.good("POST", f"/vehicles/{SECOND}/pairing-code")["code"]
        self.marks.keep(hard, "pairing code", pairing)
        assert self.carl.call("POST", "/pairing", {"vin": SECOND, "code": guess})[1]["code"] == "code_wrong"
        for wrong in ({"vin": SECOND, "code": int(pairing)}, {"vin": pairing, "code": f"{pairing}0"},
                      {"vin": SECOND, "code": [pairing]}):  # fmt: skip
            assert self.carl.call("POST", "/pairing", wrong)[0] == 422
        assert self.carl.call("POST", "/pairing", {"vin": pairing, "code": pairing})[0] == 403
        self.carl.good("POST", "/pairing", {"vin": SECOND, "code": pairing})
        invited = self.anna.good("POST", f"{self.path}/invitations", {"user": "bert"})["code"]
        self.marks.keep(hard, "invitation's code", invited)
        assert self.bert.call("POST", "/joining", {"vin": SECOND, "code": invited})[0] == 403
        self.bert.good("POST", "/joining", {"vin": VIN, "code": invited})
        proof = self.anna.proof(VIN, "transfer", self.code)
        started = self.anna.good(
            "POST", f"{self.path}/transfer", {"to_user": "carl", "challenge_response": proof}
        )
        self.marks.keep(hard, "hand-over's code", started["code"])
        self.carl.good("POST", "/transfer-acceptance", {"vin": VIN, "code": started["code"]})
        self.anna.good("DELETE", f"{self.path}/transfer")
        self.anna.good("GET", f"{self.path}/users")

    def commands(self) -> None:
        self.park()
        self.car.send("connection", {"online": True, "at": datetime.now(UTC).isoformat()}, retain=True)
        for code in (self.code, "wrong"):
            proof = self.anna.proof(VIN, "unlock", code)
            self.anna.good("POST", f"{self.path}/commands", _asks("unlock", challenge_response=proof))
            proof = self.anna.proof(VIN, "unlock", code)
            self.app.answer(self.app.ask(VIN, "unlock", challenge_response=proof))
        proof = self.anna.proof(VIN, "unlock", self.code)
        bodies: list[Any] = [
            _asks("unlock", challenge_response=[proof]),
            _asks("unlock", challenge_response=proof * 10),
            _asks(proof[:40], challenge_response=proof),
            _asks("unlock", params=proof),
            _asks("unlock", params={"doors": {proof: proof}}),
            _asks("unlock", issued_at=proof),
            {**_asks("unlock"), "request_id": f"{proof} {proof}"},
            json.dumps(_asks("unlock", challenge_response=proof)).encode()[:-3],
        ]
        for body in bodies:
            self.anna.good("POST", f"{self.path}/commands", body)
            self.app.send(VIN, body)
        self.operator.good("POST", f"{self.path}/commands", _asks("honk_flash"))
        proof = self.anna.proof(VIN, "special_mode", self.code)
        body = {"reason": "by lorry", "challenge_response": proof, "duration_s": 60}
        self.anna.good("PUT", f"{self.path}/special-modes/transport", body)
        assert (
            self.anna.call("PUT", f"{self.path}/special-modes/transport", {"challenge_response": [proof]})[0]
            == 422
        )
        assert (
            self.anna.call("PUT", f"{self.path}/special-modes/workshop", {"challenge_response": proof})[0]
            == 403
        )
        place = {**self.marks.place(self.marks.soft), "radius_m": 1}
        assert self.operator.call("PUT", f"{self.path}/special-modes/workshop", {"place": place})[0] == 422
        place["radius_m"] = 100
        self.operator.good(
            "PUT", f"{self.path}/special-modes/workshop", {"place": place, "reason": "Service"}
        )
        self.operator.good("DELETE", f"{self.path}/special-modes/workshop")
        self.anna.good("DELETE", f"{self.path}/special-modes/transport")

    def drive(self) -> None:
        self.stand(self.marks.place(self.marks.soft))
        for card in self.cards:  # the last is no card of this car
            self.car.wait_receipt(self.car.state("driver-card", present=True, card_id=card, battery="ok"))
            self.car.wait_receipt(self.car.state("driver-card", present=False, card_id=card))
        broken: list[dict[str, Any]] = [
            {"present": self.cards[0], "card_id": self.cards[0]},
            {"present": True, "card_id": self.cards[0] * 10},
            {"present": True, "card_id": [self.cards[0]]},
            {"present": True, "card_id": self.cards[0], "battery": self.cards[0]},
            {"present": True, "card_id": self.cards[0], "occurred_at": self.cards[0]},
            {"present": True, "card_id": self.cards[0], "boot_id": self.cards[0] * 10, "seq": self.cards[0]},
        ]
        for fields in broken:
            event_id = f"broken-{next(numbers)}"
            body = {"event_id": event_id, "occurred_at": datetime.now(UTC).isoformat(), **fields}
            self.car.send("driver-card", body)
            until(partial(self._answered, event_id))
        place = self.marks.place(self.marks.soft)
        for value in (str(place["latitude"]), [place["latitude"]], place["latitude"] * 10):
            signals = {"Vehicle.CurrentLocation.Latitude": value, "Vehicle.Speed": 0}
            self.car.send("telemetry", _says(signals))
        self.car.state("charging", connected=True, charging=True, evse_id="NL*ABC*E1", country="NL",
                       token=self.marks.word(self.marks.soft, "charging token"))  # fmt: skip

    def _answered(self, event_id: str) -> bool:
        return event_id in {*self.car.rejected, *self.car.receipted}

    def alarms(self) -> None:
        self.car.wait_receipt(self.car.trigger("intrusion", position=self.marks.place(self.marks.soft)))
        wrong = self.marks.place(self.marks.soft)
        self.car.wait_receipt(
            self.car.trigger("tilt", position={**wrong, "accuracy_m": str(wrong["latitude"])})
        )
        self.car.wait_receipt(self.car.trigger(f"new-{next(numbers)}", position=[wrong["latitude"]]))
        self.car.send("theft-sensor", {"event_id": "b-x", "cause": 5, "state": str(wrong["latitude"])})
        self.stand(self.marks.place(self.marks.soft))
        forged = self.car.trigger("hold_up", position=self.marks.place(self.marks.soft))
        self.car.wait_receipt(forged)
        self.car.wait_receipt(self.car.trigger("hold_up", event_id=f"{forged}-2"))
        self.car.trigger("intrusion", event_id=forged, position=self.marks.place(self.marks.soft))
        until(lambda: len(self.operator.good("GET", f"/alarms?vin={VIN}")["items"]) >= 4)

    def privacy(self) -> None:
        """Driving: where a car is parked is kept for the theft rules, private or not."""
        self.car.wait_receipt(self.car.state("driver-card", present=True, card_id=self.cards[0]))
        self.car.wait_receipt(self.car.state("mode", private_mode=True))
        self.car.send("telemetry", _says({"Vehicle.LowVoltageSystemState": "ON"}))
        until(lambda: self.operator.good("GET", self.path)["private_mode"])
        for speed in (0, 40, 50):
            self.stand(self.marks.place(self.marks.private), wait=False, **{"Vehicle.Speed": speed})
            self.anna.good("GET", self.path)
        self.operator.good("GET", f"{self.path}?reason=the+owner+asks")
        self.operator.good("GET", f"{self.path}/track?reason=the+owner+asks")
        self.anna.good("POST", f"{self.path}/commands", _asks("locate"))
        self.car.wait_receipt(self.car.state("mode", private_mode=True))  # after all of it
        self.stand(self.marks.place(self.marks.private), wait=False)
        self.car.wait_receipt(self.car.state("mode", private_mode=False))
        self.stand(self.marks.place(self.marks.soft))  # what was private is not shown, nor kept, afterwards

    def mistakes(self) -> None:
        guess = self.marks.word(self.marks.hard, "guessed token")
        for path in ("/alarms", self.path, f"/alarms?token={guess}", f"/vehicles?after={guess}{'x' * 99}"):
            assert self.anna.call("GET", path, token=guess)[0] == 401
        for path in ("/alarms", "/audit", f"/deliveries?token={self.anna.token}"):
            assert self.anna.call("GET", path)[0] == 403
        assert self.operator.call("GET", f"/vehicles?after={self.anna.token * 3}")[0] == 422
        assert self.operator.call("GET", f"/alarms?state={self.anna.token}&limit={self.anna.token}")[0] == 422
        assert self.anna.call("GET", f"/commands/{self.anna.token}")[0] == 404
        assert self.anna.call("POST", "/alarms", {"token": self.anna.token})[0] == 405
        assert self.anna.call("POST", f"{self.path}/challenge", {"purpose": self.code})[0] == 422
        assert self.anna.call("POST", f"{self.path}/challenge", f"'{self.code}'".encode())[0] == 400
        assert self.operator.call("GET", "/unprotected?until=" + self.code)[0] == 422
        revoked = Person(self.run, "operator")
        self.run.command("token", "revoke", revoked.id)
        until(lambda: revoked.call("GET", "/alarms")[0] == 401)

    def soc(self) -> None:
        self.operator.good("GET", f"{self.path}?reason=where+is+it")
        self.operator.good("GET", f"{self.path}/track?reason=where+is+it")
        self.operator.good("GET", f"{self.path}/registry")
        alarm = self.operator.good("GET", f"/alarms?vin={VIN}")["items"][0]["alarm_id"]
        self.operator.good("POST", f"/alarms/{alarm}/acknowledge", {"note": "seen"})
        self.supervisor.good("POST", "/sinks/soc/test")
        self.operator.good("GET", "/unprotected")
        for path in ("/audit?limit=1000", "/deliveries"):
            status, trail = self.auditor.call("GET", path)
            assert status == 200
            self.run.printed.append((path, json.dumps(trail)))
        rows = self.auditor.good("GET", "/quarantine?limit=1000")["items"]
        self.run.printed.append(("/quarantine", json.dumps([{**row, "payload": None} for row in rows])))

    def operation(self) -> None:
        made = self.run.gateway.token()
        self.marks.keep(self.marks.hard, "token made by the command", made)
        for words in (("check-config",), ("doctor",), ("verify",), ("token", "list")):
            self.run.command(*words)
        self.anna.good("GET", "/users/anna/export")
        assert self.anna.call("DELETE", "/users/anna")[0] == 409  # an open theft alarm
        self.bert.good("DELETE", "/users/bert")
        self.run.gateway.stop()
        self.run.gateway.start()
        self.run.gateway.wait_ready()

    def park(self) -> None:
        signals = {"Vehicle.Speed": 0, "Vehicle.IsMoving": False, "Vehicle.LowVoltageSystemState": "OFF"}
        self.car.send("telemetry", _says(signals))

    def stand(self, place: dict[str, float], *, wait: bool = True, **more: float) -> None:
        signals = {f"Vehicle.CurrentLocation.{name.capitalize()}": value for name, value in place.items()}
        signals |= {"Vehicle.CurrentLocation.HorizontalAccuracy": 5, "Vehicle.Speed": 0, **more}
        self.car.send("telemetry", _says(signals))
        name = "Vehicle.CurrentLocation.Latitude"

        def known() -> Any:
            shown = self.anna.good("GET", self.path)["signals"].get(name)
            return shown is not None and shown["value"] == place["latitude"]

        if wait:
            until(known, complaint="the position did not arrive")


def _says(signals: dict[str, Any]) -> dict[str, Any]:
    return {"occurred_at": datetime.now(UTC).isoformat(), "signals": signals}


def _asks(action: str, **more: Any) -> dict[str, Any]:
    base = {"request_id": f"s-{next(numbers)}", "action": action, "issued_at": datetime.now(UTC).isoformat()}
    return {**base, **more}


@pytest.mark.parametrize(
    "make", [lambda one: one.place(one.soft), Marks.phone, lambda one: one.word(one.soft, "w")]
)
def test_a_mark_is_found_where_it_is(make: Callable[[Marks], object]) -> None:
    marks = Marks()
    made = make(marks)
    assert set(marks.found_in(json.dumps({"x": made}), marks.soft)) == set(marks.soft)
    assert marks.found_in("nothing of it", marks.soft) == []


def test_a_short_number_counts_only_by_itself() -> None:
    marks = Marks()
    marks.keep(marks.hard, "code", "12345678")
    assert marks.found_in('{"code":"12345678"}', marks.hard)
    assert not marks.found_in("2026-11-22T09:30:00.912345678Z 12345678ab", marks.hard)


def test_four_digits_count_in_quotes_only_also_where_these_are_escaped() -> None:
    marks = Marks()
    code = marks.code()
    for text in (f'{{"x": "{code}"}}', f"Invalid value '{code}'", json.dumps([json.dumps({"x": code})])):
        assert marks.found_in(text, marks.hard)
    assert not marks.found_in(f"port {code}, at {code}", marks.hard)
