"""The command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from devtools.broker import Broker
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
    ],
    ids=[
        "scheme",
        "name",
        "start",
        "cut-short",
        "more-roles-than-vehicles",
        "faults",
        "ramp",
        "source",
        "unknown-users",
        "users-scheme",
    ],
)
def test_mistakes_stop_the_start(words: list[str]) -> None:
    assert invoke("run", *words)[0] == 2


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
    assert (code, "vehicles" in text) == (0, True), text
