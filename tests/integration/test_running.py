"""Starting, stopping, being blind: what an operator of the gateway meets."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto
from gateway.app import LOOK_FOR_CHANGES_S
from tests.integration.conftest import FAST, Car, SocThread, until
from tests.support.gateway import GatewayProcess

VIN = "XVGZZZ99ZTS900001"


@pytest.fixture
def own_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    with Broker(mosquitto=mosquitto, persistence=False) as own:
        own.add("vehicles", VIN)
        yield own


@pytest.fixture
def own_soc() -> Iterator[SocThread]:
    thread = SocThread()
    yield thread
    thread.close()


def start_and_fail(process: GatewayProcess) -> tuple[int, str]:
    """Exit code and last line of a start that must not succeed."""
    process.start()
    code = process.wait_dead()
    return code, process.log_tail(1)


@pytest.mark.parametrize(
    ("mistake", "key", "reason"),
    [
        ("[mqtt]\nurl = 'http://broker'", "mqtt.url", "expected mqtt://"),
        ("[mqtt]\nhost = 'broker'", "mqtt.host", "unknown key"),
        ("[gatway]\ninstance = 'x'", "gatway", "unknown key"),
        ("[canary]\ninterval_s = 0.5", "canary.interval_s", ">= 1.0"),
        ("[theft_protection]\narming_delay_s = 'soon'", "theft_protection.arming_delay_s", "expected"),
        ("[api]\nlisten = 'everywhere'", "api", "host:port"),
        ("[[soc.sinks]]\nname='a'\ntype='pigeon'", "soc.sinks[0].type", "no sink"),
        ("[[soc.sinks]]\nname='a'\ntype='webhook'", "soc.sinks[0]", "url"),
        (
            "[[soc.sinks]]\nname='a'\ntype='log'\n[[soc.sinks]]\nname='a'\ntype='log'",
            "soc.sinks",
            "two sinks",
        ),
        ("[gateway", "", "TOML"),
    ],
)
def test_a_configuration_mistake_stops_the_start(tmp_path: Path, mistake: str, key: str, reason: str) -> None:
    process = GatewayProcess(tmp_path, "mqtt://127.0.0.1:1")
    process.config.write_text(mistake)
    for command in ("check-config", "run"):
        done = process.command(command)
        assert done.returncode == 2
        assert str(process.config) in done.stderr
        assert key in done.stderr
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_environment_and_secret_files_count(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path, "mqtt://127.0.0.1:1", sinks="")
    (tmp_path / "secret").write_text("whsec_c2VjcmV0\n")
    variables = {
        "GATEWAY__SOC__SINKS__0__NAME": "soc",
        "GATEWAY__SOC__SINKS__0__TYPE": "webhook",
        "GATEWAY__SOC__SINKS__0__URL": "http://127.0.0.1:9/",
        "GATEWAY__SOC__SINKS__0__SECRET_FILE": str(tmp_path / "secret"),
    }
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        assert "1 sink" in process.command("check-config").stdout
        os.environ["GATEWAY__SOC__SINKS__0__NOPE"] = "1"
        done = process.command("check-config")
        assert (done.returncode, "nope: unknown key" in done.stderr) == (2, True)
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_a_refused_password_is_one_clear_sentence(tmp_path: Path, own_broker: Broker) -> None:
    process = GatewayProcess(tmp_path, f"mqtt://gateway:wrong@127.0.0.1:{own_broker.ports['gateways']}")
    code, last = start_and_fail(process)
    assert code == 1
    assert "refuses user 'gateway' or its password" in last


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path, own_broker: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = GatewayProcess(tmp_path, own_broker.url())
        port = process.url.rsplit(":", 1)[1]
        process.config.write_text(process.config.read_text().replace(port, str(taken.getsockname()[1])))
        code, last = start_and_fail(process)
    assert code == 1
    assert "can't be listened on" in last


def test_an_unwritable_folder_is_one_clear_sentence(tmp_path: Path, own_broker: Broker) -> None:
    process = GatewayProcess(tmp_path, own_broker.url())
    (tmp_path / "var").write_text("a file where the folder should be")
    code, last = start_and_fail(process)
    assert code == 1
    assert "can't be written" in last


def test_sigterm_ends_it_soon_and_in_good_order(tmp_path: Path, own_broker: Broker) -> None:
    with GatewayProcess(tmp_path, own_broker.url(), settings=FAST) as process:
        before_s = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - before_s < 8
        assert "gateway.stopped" in process.log_tail(2)


def test_a_broker_that_comes_late_is_waited_for(tmp_path: Path, own_broker: Broker) -> None:
    own_broker.stop()
    process = GatewayProcess(tmp_path, own_broker.url(), settings=FAST)
    process.start()
    status, health = until(lambda: (seen := process.health())[0] and seen)
    assert (status, health["broker"]) == (503, "lost")
    own_broker.start()
    process.wait_ready()
    process.kill()


def test_an_access_list_that_hides_vehicles_is_noticed(
    tmp_path: Path, own_broker: Broker, own_soc: SocThread
) -> None:
    """Trap 7: the broker grants the subscription and delivers nothing."""
    with GatewayProcess(tmp_path, own_broker.url(), sinks=own_soc.sink, settings=FAST) as process:
        acl = own_broker.folder / "gateways.acl"
        text = acl.read_text()
        acl.write_text("user gateway\ntopic write v1/#\ntopic readwrite v1/gateway/#\n")
        os.kill(own_broker.pid, 1)
        until(lambda: process.health()[0] == 503, complaint="readiness hangs on the canary")
        data = until(
            lambda: next(
                (one["data"] for one in own_soc.messages() if one["data"]["cause"] == "gateway_blind"), None
            ),
            60,
        )
        assert (data["vin"], data["severity"], data["class"]) == (None, "critical", "system")
        assert "canary" in data["evidence"][0]["text"]
        assert "delivers nothing" in process.command("doctor").stdout
        acl.write_text(text)
        os.kill(own_broker.pid, 1)
        process.wait_ready()


def test_while_the_store_is_locked_alarms_go_out_unrecorded(
    tmp_path: Path, own_broker: Broker, own_soc: SocThread
) -> None:
    with GatewayProcess(tmp_path, own_broker.url(), sinks=own_soc.sink, settings=FAST) as process:
        car = Car(own_broker, VIN)
        other = sqlite3.connect(process.database, isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        event_id = car.trigger("hold_up")
        data = own_soc.alarm(VIN, "hold_up")
        assert (data["sequence"], data["recorded"]) == (None, False)
        assert event_id not in car.receipted, "a receipt without a durable record is the worst bug there is"
        assert process.health()[1]["store"] == "failing"
        other.execute("ROLLBACK")
        other.close()
        car.wait_receipt(event_id)
        sequence = until(lambda: own_soc.alarm(VIN, "hold_up")["sequence"], complaint="told, never recorded")
        assert sequence == 1
        process.wait_ready()
        car.close()


def test_a_second_gateway_of_the_same_name_is_named(tmp_path: Path, own_broker: Broker) -> None:
    """Trap 13: a client with the same id takes the session over."""
    with GatewayProcess(tmp_path / "one", own_broker.url(), settings=FAST) as first:
        second = GatewayProcess(tmp_path / "two", own_broker.url(), settings=FAST)
        second.start()
        logs = (first, second)
        until(lambda: any("mqtt.taken_over" in one.log_path.read_text() for one in logs))
        second.kill()


def test_doctor_says_what_is_well_and_what_is_not(
    tmp_path: Path, own_broker: Broker, own_soc: SocThread
) -> None:
    process = GatewayProcess(tmp_path, own_broker.url(), sinks=own_soc.sink)
    done = process.command("doctor")
    assert done.returncode == 0, done.stdout
    assert "BAD" not in done.stdout
    own_soc.down()
    done = process.command("doctor")
    assert done.returncode == 1
    assert "Sink soc" in done.stdout
    own_broker.stop()
    assert "can't be reached" in process.command("doctor").stdout


def test_a_token_works_and_stops_working_within_two_seconds(tmp_path: Path, own_broker: Broker) -> None:
    with GatewayProcess(tmp_path, own_broker.url(), settings=FAST) as process:
        token = process.token("auditor")
        assert process.get("/alarms", token)["items"] == []
        listed = process.command("token", "list").stdout
        token_id = next(line.split()[0] for line in listed.splitlines() if "auditor" in line)
        assert process.command("token", "revoke", token_id).returncode == 0
        revoked_s = last_s = time.monotonic()

        def refused() -> bool:
            nonlocal last_s
            begun_s = time.monotonic()
            try:
                process.get("/alarms", token)
            except urllib.error.HTTPError as error:
                return error.code == 401
            last_s = begun_s
            return False

        until(refused)
        assert last_s - revoked_s < 2, "however slow answers are, none is given to who asks later"
        assert process.command("token", "revoke", "nobody").returncode == 1


def test_an_imported_fleet_counts_within_two_seconds(
    tmp_path: Path, own_broker: Broker, own_soc: SocThread
) -> None:
    with GatewayProcess(tmp_path, own_broker.url(), sinks=own_soc.sink, settings=FAST) as process:
        car = Car(own_broker, VIN)
        car.trigger("tilt")
        assert own_soc.alarm(VIN, "tilt")["registered"] is False
        fleet = tmp_path / "fleet.jsonl"
        fleet.write_text(
            f'{{"vin":"{VIN}","services":{{"car_security":{{"until":"2999-01-01T00:00:00Z"}}}}}}\n'
        )
        assert process.command("fleet", "import", str(fleet)).returncode == 0
        assert LOOK_FOR_CHANGES_S <= 2
        until(lambda: "registry.changed" in process.log_path.read_text())
        car.trigger("intrusion")
        data = own_soc.alarm(VIN, "intrusion")
        assert (data["registered"], data["service"]) == (True, "active_uncertified")
        fleet.write_text('{"vin":"SHORT"}\n')
        done = process.command("fleet", "import", str(fleet))
        assert (done.returncode, "line 1" in done.stderr) == (1, True)
        car.close()
