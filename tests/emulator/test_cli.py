"""The command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from devtools.broker import Broker, free_ports
from vehicle_emulator import cli, scenarios
from vehicle_emulator.fleet import vins

SEED = 78


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "300", "TERM": "dumb"})
    return result.exit_code, result.output


def test_scenarios_are_listed_with_their_labels() -> None:
    code, text = invoke("scenarios")
    assert code == 0
    assert all(one.name in text for one in scenarios.SCENARIOS)
    assert "driver_card_missing" in text


@pytest.mark.parametrize(
    "words",
    [
        ["--broker", "http://x"],
        ["--scenario", "moonlight@3"],
        ["--scenario", "glass_break@soon"],
        ["--scenario", "glass_break@50", "--duration", "60"],
        ["--scenario", "glass_break@1", "--scenario", "glass_break@1", "--vehicles", "1"],
        ["--faults", "fog=1"],
        ["--ramp", "9:1:1"],
        ["--source", "here"],
        ["--users", "1"],
        ["--users-broker", "amqp://x"],
        ["--broker", "mqtt://host:99999"],
        ["--broker", "mqtt://host:0"],
        ["--broker", "mqtt://[::1"],
        ["--scenario", "glass_break@nan"],
        ["--scenario", "glass_break@inf", "--duration", "0"],
        ["--vehicles", "1000000000"],
        ["--alarm-rate", "inf"],
        ["--telemetry-rate", "1e9"],
        ["--clock-error", "inf"],
        ["--ramp", "1:2:1", "--ramp-hold", "inf"],
        ["--report", "/no/folder/run.json"],
        ["--passwords", __file__],
        ["--owners", __file__],
        ["--broker", "mqtts://127.0.0.1", "--ca-file", __file__],
    ],
    ids=" ".join,
)
def test_mistakes_stop_the_start(words: list[str]) -> None:
    code, text = invoke("run", *words)
    assert (code, "Traceback" in text) == (2, False)


@pytest.mark.parametrize(
    "words",
    [
        ["--start", "0001-01-01T00:00:00Z"],
        ["--start", "9999-12-31T23:00:00Z"],
        ["--start", "soon"],
        ["--vehicles", "0"],
        ["--days", "nan"],
        ["--models", "/no/such.toml"],
        ["--out", "/no/folder/day.jsonl"],
    ],
    ids=" ".join,
)
def test_mistakes_make_no_day(words: list[str]) -> None:
    assert invoke("day", *words)[0] == 2


def test_a_full_disk_is_told() -> None:
    for words in (["day", "--days", "0.1", "--out"], ["realism", "--days", "0.1", "--html"]):
        code, text = invoke(*words, "/dev/full")
        assert (code, "No space left on device" in text) == (1, True)


def test_an_unknown_drill_is_a_mistake() -> None:
    assert invoke("drill", "moonlight", "--seed", "1")[0] == 2


def test_without_a_gateway_the_exit_says_so(broker: Broker, tmp_path: Path) -> None:
    numbers = vins(SEED, 2)
    passwords = tmp_path / "passwords.json"
    passwords.write_bytes(msgspec.json.encode(broker.add("vehicles", *numbers)))
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vehicle_emulator", "run"),
            *("--broker", f"mqtt://127.0.0.1:{broker.ports['vehicles']}", "--passwords", str(passwords)),
            *("--vehicles", "2", "--seed", str(SEED), "--duration", "0.5", "--drain", "0.1"),
            *("--driving-share", "0", "--protocol", "311", "--report", str(report)),
            *("--record", str(tmp_path / "run.jsonl")),
        ],
        check=False,
    )
    assert done.returncode == 1
    closing = msgspec.json.decode(report.read_bytes())
    assert (closing["events"]["unreceipted"], closing["connections"]["connects"]) == (6, 2)
    where = f"mqtt://127.0.0.1:{broker.ports['vehicles']}"
    words = ("--broker", where, "--passwords", str(passwords), "--speed", "0")
    code, text = invoke("play", str(tmp_path / "run.jsonl"), *words)
    assert (code, "vehicles" in text, "Percentiles" in text) == (0, True, False), text


def test_a_run_outlives_a_full_disk_and_says_who_was_not_there() -> None:
    nowhere = ("--broker", f"mqtt://127.0.0.1:{free_ports(1)[0]}", "--vehicles", "1", "--drain", "0")
    full = [word for name in ("--ledger", "--record", "--report", "--html") for word in (name, "/dev/full")]
    code, text = invoke("run", *nowhere, "--duration", "0.1", *full)
    assert code == 1
    assert "NOBODY CONNECTED" in text
    assert "Connection refused" in text
    assert text.count("/dev/full is not complete: No space left on device") == 2
    assert "\n/dev/full: No space left on device" in text
