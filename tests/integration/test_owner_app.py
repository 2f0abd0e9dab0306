"""The example in ``examples/`` is an app that works, and that needs nothing of this project."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.broker import HOST, Broker
from tests.integration.conftest import until
from tests.integration.test_emulated_people import UNTIL
from tests.support.gateway import GatewayProcess
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.life import LEFT_LONG_AGO
from vehicle_emulator.link import Station
from vehicle_emulator.report import Tally
from vehicle_emulator.unit import Clock, Depot

PROGRAM = ROOT / "examples" / "owner_app.py"
# One whose car was left just now, so that it need not be woken.
SEED = next(one for one in range(606, 700) if not Dice(one, vins(one, 1)[0], "radio").chance(LEFT_LONG_AGO))
USER = "app-owner"


@pytest.fixture
def url(path_broker: Broker, gateway: GatewayProcess, tmp_path: Path) -> Iterator[str]:
    """An emulated car on the air, and where its owner connects."""
    (vin,) = vins(SEED, 1)
    services = {"remote_access": {"until": UNTIL}}
    line = {"vin": vin, "main_user": USER, "security_code": "1234", "services": services}
    fleet = tmp_path / "one.jsonl"
    fleet.write_text(json.dumps(line))
    assert gateway.command("fleet", "import", str(fleet)).returncode == 0
    password = path_broker.add("vehicles", vin)[vin]
    path_broker.add("users", USER)
    made: list[tuple[asyncio.AbstractEventLoop, Fleet]] = []

    async def live() -> None:
        depot = Depot(
            Station(HOST, path_broker.ports["vehicles"], Dice(SEED)), Clock(time.time() * 1_000), Tally(),
            lambda name: (name, password),
        )  # fmt: skip
        one = Fleet(Plan(vehicles=1, seed=SEED, duration_s=0.0, driving_share=0.0), depot)
        made.append((asyncio.get_running_loop(), one))
        await one.run()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    until(lambda: made and made[0][1].depot.tally.counts["receipted"] >= 3)
    yield path_broker.url("users", USER)
    loop, one = made[0]
    loop.call_soon_threadsafe(one.stopping.set)
    thread.join(30)


def run(url: str, *words: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), url, vins(SEED, 1)[0], *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines() + done.stderr.splitlines()


def listen(url: str, *words: str, until: str) -> str:
    """Let it listen until it prints a line that begins like this."""
    line = [sys.executable, "-u", str(PROGRAM), url, vins(SEED, 1)[0], *words, "--listen", "120"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        found = next((one for one in app.stdout if one.startswith(until)), "")
        app.terminate()
    return found


def test_an_owner_locks_unlocks_with_the_code_and_hears_why_not(url: str) -> None:
    assert run(url, "--code", "1234", "lock", "unlock") == (
        0,
        [
            "lock: accepted", "lock: sent", "lock: performed",
            "unlock: accepted", "unlock: sent", "unlock: performed",
        ],
    )  # fmt: skip
    assert run(url, "unlock") == (1, ["unlock: refused security_code_required"])
    for _ in range(2):
        assert run(url, "unlock", "--code", "9999") == (1, ["unlock: refused security_code_wrong"])
    told = listen(url, "unlock", "--code", "9999", until="notification")
    assert told.startswith("notification: remote_access security_code_locked: ")
    assert run(url, "unlock", "--code", "1234") == (1, ["no challenge: security_code_locked"])


def test_the_example_is_a_page_and_needs_nothing_of_this_project() -> None:
    text = PROGRAM.read_text()
    assert len(text.splitlines()) < 120
    nodes = list(ast.walk(ast.parse(text)))
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"paho"}
