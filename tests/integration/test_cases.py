"""Operators at work on a real gateway: two at once, a kill in between, and nobody at all."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devtools.broker import Broker
from tests.integration.conftest import FAST, SECRET, Car, SocThread, until
from tests.support.gateway import GatewayProcess, webhook_sink

VIN = "XVGZZZ99ZTS000901"
IMPATIENT = FAST + "[soc.escalation]\ncritical_s = 1\n"


@pytest.fixture(scope="module")
def spare() -> Iterator[SocThread]:
    thread = SocThread()
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def desk(
    path_broker: Broker, soc: SocThread, spare: SocThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    path_broker.add("vehicles", VIN)
    standby = webhook_sink(spare.soc.url, name="spare", extra=f'secret = "{SECRET}"\nrole = "standby"')
    folder: Path = tmp_path_factory.mktemp("desk")
    sinks = f"{soc.sink}\n{standby}"
    with GatewayProcess(folder, path_broker.url(), sinks=sinks, settings=IMPATIENT) as process:
        yield process


@pytest.fixture(scope="module")
def car(path_broker: Broker, desk: GatewayProcess) -> Iterator[Car]:
    assert desk.running
    made = Car(path_broker, VIN)
    yield made
    made.close()


def post(desk: GatewayProcess, token: str, path: str, body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{desk.url}/api/v1{path}",
        json.dumps(body or {}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_theft_is_worked_on_through_a_race_and_a_kill(
    desk: GatewayProcess, car: Car, soc: SocThread
) -> None:
    tokens = {person: desk.token(person=person) for person in ("Ada", "Bo", "Cy", "Di")}
    car.trigger("tamper")
    case_id = soc.alarm(VIN, "tamper")["case_id"]

    def claim(person: str) -> tuple[int, Any]:
        return post(desk, tokens[person], f"/cases/{case_id}/claim")

    with ThreadPoolExecutor(len(tokens)) as people:
        answers = list(people.map(claim, tokens))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    holder = next(body["claimed_by"] for status, body in answers if status == 200)
    assert {body["by"] for status, body in answers if status == 409} == {holder}
    other = next(person for person in tokens if person != holder)
    assert post(desk, tokens[holder], f"/cases/{case_id}/confirm")[1]["stolen"] is True
    assert post(desk, tokens[holder], f"/cases/{case_id}/recover")[0] == 202
    desk.kill()
    desk.start()
    desk.wait_ready()
    case = desk.get(f"/cases/{case_id}", tokens[other])
    assert (case["state"], case["claimed_by"], case["stolen"]) == ("confirmed", holder, True)
    status, case = post(desk, tokens[other], f"/cases/{case_id}/recover")
    assert (status, case["state"]) == (200, "recovered")
    assert post(desk, tokens[holder], f"/cases/{case_id}/contact", {"outcome": "reached"})[0] == 200
    assert post(desk, tokens[holder], f"/cases/{case_id}/close")[1]["state"] == "closed"
    closed = until(lambda: [one for one in soc.messages(VIN) if one["type"] == "alarm.closed"])
    assert closed[0]["data"]["disposition"] == "recovered"
    assert desk.command("verify").returncode == 0


def test_what_nobody_acts_on_reaches_the_standby_beside_a_primary_that_is_well(
    desk: GatewayProcess, car: Car, soc: SocThread, spare: SocThread
) -> None:
    car.trigger("hold_up")
    raised = soc.alarm(VIN, "hold_up")
    until(lambda: spare.messages(VIN), complaint="the standby got nothing")
    assert spare.alarm(VIN, "hold_up")["alarm_id"] == raised["alarm_id"]
    told = until(lambda: [one for one in soc.messages(VIN) if one["data"]["note"] == "escalated:1"])
    assert [one["data"]["event_ids"] for one in told[-1:]] == [[]]
    listed = desk.get("/cases?escalated=1", desk.token("supervisor"))["items"]
    assert raised["case_id"] in {one["case_id"] for one in listed}
