"""What is recorded is what left; played again it is the same, and the gateway reads it."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from devtools.broker import HOST, Broker
from gateway import recordings
from tests.emulator.receipting import ReceiptingGateway
from tests.emulator.test_cli import invoke
from tests.emulator.test_fleet import until
from vehicle_emulator import messages, tape
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.link import Station
from vehicle_emulator.playing import play
from vehicle_emulator.report import Tally
from vehicle_emulator.tape import Tape
from vehicle_emulator.unit import Clock, Depot

SEED, PASSWORD = 7901, "secret"
OURS = vins(SEED, 5)
AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
Heard = dict[str, list[tuple[str, dict[str, Any]]]]


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def credentials(vin: str) -> tuple[str, str]:
    return vin, PASSWORD


def in_order(gateway: ReceiptingGateway) -> Heard:
    """What each vehicle of ours said, kind by kind: QoS 0 and 1 may pass each other."""
    found: Heard = defaultdict(list)
    for vin, kind, body in gateway.heard:
        if vin in OURS:
            found[vin].append((kind, body))
    return {vin: sorted(said, key=lambda one: one[0]) for vin, said in found.items()}


def how_many(gateway: ReceiptingGateway) -> int:
    return sum(map(len, in_order(gateway).values()))


@pytest.fixture
async def gateway(broker: Broker) -> AsyncIterator[ReceiptingGateway]:
    broker.add("vehicles", passwords=dict.fromkeys(OURS, PASSWORD))
    own = ReceiptingGateway(HOST, broker.ports["gateways"], password=broker.passwords["gateways"]["gateway"])
    await own.start()
    yield own
    await own.stop()


def station(broker: Broker) -> Station:
    return Station(HOST, broker.ports["vehicles"], Dice(SEED))


async def record(broker: Broker, path: Path) -> None:
    with path.open("wb") as file:
        recorded = station(broker)
        recorded.tape = Tape(file, now)
        depot = Depot(recorded, Clock(time.time() * 1_000), Tally(), credentials)
        plan = Plan(
            vehicles=5, seed=SEED, duration_s=1.0, drain_s=60.0, alarms_per_s=40.0, telemetry_per_s=40.0
        )
        await Fleet(plan, depot).run()
        recorded.tape.close()


async def test_a_run_is_played_again(broker: Broker, gateway: ReceiptingGateway, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    await record(broker, path)
    count = sum(1 for _ in tape.said(tape.read(path)))
    await until(lambda: how_many(gateway) >= count)
    live = in_order(gateway)
    gateway.heard.clear()
    played = await play(path, station(broker), credentials, speed=10.0)
    await until(lambda: how_many(gateway) >= count)
    assert in_order(gateway) == live
    assert (played.vehicles, played.messages, played.missing) == (5, count, 0)
    assert 0 < played.receipted <= sum("event_id" in body for said in live.values() for _, body in said)


@given(some.lists(some.tuples(some.sampled_from(messages.EVENT_KINDS), some.binary())))
def test_the_gateway_reads_what_is_written(said: list[tuple[str, bytes]]) -> None:
    file = io.BytesIO()
    own = Tape(file, lambda: AT)
    for kind, payload in said:
        own.take(f"v1/vehicles/{vins(SEED, 1)[0]}/{kind}", payload, qos=1, retain=False)
    own.close()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tape.jsonl"
        path.write_bytes(file.getvalue())
        lines = list(recordings._lines(path, recordings._line.decode))
        played = list(tape.said(tape.read(path)))
    assert (lines[0].recording, lines[0].started, lines[-1].recording, lines[-1].started) == (
        1,
        True,
        1,
        False,
    )
    read = [(line.topic.split("/", 3)[3], line.body) for line in lines[1:-1]]
    assert read == [(one.topic.split("/", 3)[3], one.payload) for one in played] == said
    assert all(one.surely and not one.retain and one.at == AT for one in played)


def test_a_full_tape_counts_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with path.open("wb") as file:
        own = Tape(file, lambda: AT, max_bytes=1_000)
        for _ in range(50):
            own.take("v1/vehicles/X/mode", b"{}", qos=1, retain=False)
        own.close()
    lines = list(tape.read(path))
    written = sum(line.topic != "" for line in lines)
    assert 5 < written < 50
    assert [line.lost for line in lines if line.lost] == [50 - written]


@pytest.mark.parametrize(
    ("text", "says"),
    [("{}\n", "line 1"), ("", "no message"), ('{"at":"2026-11-20T07:00:00Z"}', "no message")],
)
def test_a_file_that_is_no_recording_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(text)
    code, output = invoke("play", str(path))
    assert code == 1
    assert says in output
