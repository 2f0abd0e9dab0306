"""One run in several processes: the same fleet, the same load, one report."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from array import array
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from devtools.broker import HOST, Broker
from tests.emulator.receipting import ReceiptingGateway
from vehicle_emulator import closing, crew, ramp
from vehicle_emulator.closing import Measured
from vehicle_emulator.crew import Crew, Port
from vehicle_emulator.figures import percentiles
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.load import Slots
from vehicle_emulator.progress import Pulse
from vehicle_emulator.ramp import Kind, Ramp, Stairs, Watch
from vehicle_emulator.share import Share
from vehicle_emulator.unit import Clock, Depot

SEED = 79
CARS = 7
START_MS = 1_792_000_000_123.0
Hangs = Callable[[Port], None]
crews = some.integers(1, 5).map(lambda of: [Share(index, of) for index in range(of)])
ramps = some.builds(
    Ramp, some.lists(some.floats(1.0, 90.0), min_size=1, max_size=4).map(tuple), some.floats(1.0, 2.0),
    some.sampled_from(Kind), some.floats(1.0, 9.0),
)  # fmt: skip


@given(crews, ramps)
def test_shares_of_a_ramp_are_the_ramp(crew: list[Share], climbing: Ramp) -> None:
    end_ms = START_MS + climbing.length_s * 1_000
    whole = [at_ms for _, at_ms in Stairs(climbing, START_MS).take(end_ms)]
    shares = [[at_ms for _, at_ms in Stairs(climbing, START_MS, one).take(end_ms)] for one in crew]
    assert sorted(at_ms for share in shares for at_ms in share) == whole
    watches = [Watch(climbing, START_MS, one) for one in crew]
    for watch, share in zip(watches, shares, strict=True):
        for at_ms in share:
            watch.left(at_ms, at_ms + 5.0)
            watch.receipted(at_ms, at_ms + 5.0)
        if climbing.kind is Kind.TELEMETRY:
            assert sum(one.left for one in watch.steps) == len(share)
    found = ramp.climb(climbing, [watch.steps for watch in watches])
    assert [step.wanted for step in found.steps] == [
        ramp.wanted(rate, climbing.hold_s) for rate in climbing.rates_per_s
    ]
    assert [step.receipted for step in found.steps] == [step.wanted for step in found.steps]


@given(crews, some.floats(1.0, 500.0))
def test_shares_of_a_rate_are_the_rate(crew: list[Share], rate_per_s: float) -> None:
    whole = [at_ms for _, at_ms in Slots(rate_per_s, START_MS).take(START_MS + 999.0)]
    shares = [at_ms for one in crew for _, at_ms in Slots(rate_per_s, START_MS, one).take(START_MS + 999.0)]
    assert sorted(shares) == pytest.approx(whole)


def measured(samples: list[float]) -> Measured:
    return Measured(
        vehicles=1, protocol="V5", started_ms=START_MS, ran_s=2.0, cpu_s=1.0,
        counts=Counter(receipted=len(samples)), connections=Counter(connects=1),
        latencies_ms=array("d", samples), lags_ms=array("d", samples), plays=(), left_out=(), steps=(),
        commands=None,
    )  # fmt: skip


@given(some.lists(some.lists(some.floats(0.0, 1e5), max_size=40), min_size=1, max_size=4))
def test_samples_are_joined_and_no_percentile_is_averaged(samples: list[list[float]]) -> None:
    shares = [measured(one) for one in samples]
    report = closing.close(Plan(vehicles=len(samples)), shares, None)
    whole = percentiles([sample for one in samples for sample in one])
    assert report.receipt_latency_ms == report.lag_ms == whole
    assert (report.events.receipted, report.connections["connects"]) == (whole.count, len(samples))
    assert (report.own_cores, report.busiest_core) == (0.5 * len(samples), 0.5)


@pytest.fixture
async def gateway(broker: Broker) -> AsyncIterator[ReceiptingGateway]:
    own = ReceiptingGateway(HOST, broker.ports["gateways"], password=broker.passwords["gateways"]["gateway"])
    await own.start()
    yield own
    await own.stop()


async def begin(broker: Broker, folder: Path, *words: str) -> Process:
    passwords = folder / "passwords.json"
    passwords.write_bytes(msgspec.json.encode(broker.add("vehicles", *vins(SEED, CARS))))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vehicle_emulator", "run", "--processes", "3", "--seed", str(SEED)),
        *("--broker", f"mqtt://{HOST}:{broker.ports['vehicles']}", "--passwords", str(passwords)),
        *("--vehicles", str(CARS), "--driving-share", "0", "--drain", "30", *words),
        *("--report", str(folder / "report.json"), "--ledger", str(folder / "ledger.jsonl")),
        stderr=asyncio.subprocess.PIPE,
    )


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = (folder / "ledger.jsonl").read_bytes().splitlines()
    return msgspec.json.decode((folder / "report.json").read_bytes()), [
        msgspec.json.decode(line) for line in lines
    ]


async def until_alarmed(gateway: ReceiptingGateway, times: int) -> None:
    async with asyncio.timeout(60):
        while sum(kind == "theft-sensor" for _, kind, _ in gateway.heard) < times:  # noqa: ASYNC110  # a list
            await asyncio.sleep(0.02)


def children(of: Process) -> list[int]:
    path = Path(f"/proc/{of.pid}/task/{of.pid}/children")
    return [int(number) for number in path.read_text().split()]


async def test_a_telemetry_ramp_in_three_processes_is_one_run(
    broker: Broker, gateway: ReceiptingGateway, tmp_path: Path
) -> None:
    words = ("--ramp", "30:60:30", "--ramp-of", "telemetry", "--ramp-hold", "1", "--alarm-rate", "9")
    running = await begin(broker, tmp_path, *words)
    _, told = await running.communicate()
    report, lines = read(tmp_path)
    assert running.returncode == 0, told.decode()
    assert (report["vehicles"], report["processes"], report["died"]) == (CARS, 3, [])
    assert {line["vin"] for line in lines} == set(vins(SEED, CARS))
    assert len(lines) == report["events"]["receipted"] == report["receipt_latency_ms"]["count"]
    assert report["connections"]["connects"] == CARS
    steps = report["climb"]["steps"]
    assert [(step["wanted"], step["alarms"]) for step in steps] == [(30, 9), (60, 9)]
    assert sum(step["receipted"] for step in steps) == 18
    assert report["telemetry_sent"] >= 90


async def test_who_dies_is_named_and_what_the_others_measured_is_told(
    broker: Broker, gateway: ReceiptingGateway, tmp_path: Path
) -> None:
    running = await begin(broker, tmp_path, "--duration", "0", "--alarm-rate", "30")
    await until_alarmed(gateway, 20)
    os.kill(children(running)[1], signal.SIGKILL)
    before = len(gateway.heard)
    await until_alarmed(gateway, before + 20)
    running.send_signal(signal.SIGTERM)
    await running.communicate()
    report, lines = read(tmp_path)
    assert running.returncode == 1
    assert report["died"] == ["process 2 of 3 was killed by signal 9: its vehicles are not in this report"]
    assert (report["vehicles"], report["processes"]) == (5, 2)
    assert report["events"]["receipted"] > 20
    assert {line["vin"] for line in lines} >= set(Share(0, 3).take(vins(SEED, CARS)))


async def test_ctrl_c_twice_waits_for_no_receipt(
    broker: Broker, gateway: ReceiptingGateway, tmp_path: Path
) -> None:
    running = await begin(broker, tmp_path, "--duration", "0", "--alarm-rate", "30", "--drain", "600")
    await until_alarmed(gateway, 20)
    gateway.is_deaf = True
    await until_alarmed(gateway, len(gateway.heard) + 20)
    running.send_signal(signal.SIGINT)
    await asyncio.sleep(1)
    assert len(children(running)) == 3
    running.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        await running.communicate()
    report, _ = read(tmp_path)
    assert running.returncode == 1
    assert report["died"] == []
    assert report["events"]["unreceipted"] > 0


class Waiting(Fleet):
    """Nothing but a fleet that ends when it is told to."""

    def __init__(self) -> None:
        self.stopping, self._hurries = asyncio.Event(), False
        self.depot = cast("Depot", SimpleNamespace(clock=Clock(START_MS)))


def hang_in_a_word(port: Port) -> None:
    if port.share.index == 1:
        os.write(port._line.fileno(), (1_000).to_bytes(4, "big") + b"and then")
        os.kill(os.getpid(), signal.SIGSTOP)


def go_on(_port: Port) -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("before", "while_it_runs", "interrupts"), [(hang_in_a_word, go_on, 1), (go_on, hang_in_a_word, 2)]
)
def test_nobody_waits_for_who_hangs(
    before: Hangs, while_it_runs: Hangs, interrupts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LAST_AFTER_S", 2.0 if interrupts == 1 else 600.0)
    monkeypatch.setattr(crew, "HURRIED_S", 2.0)

    async def live(port: Port) -> Measured:
        fleet = Waiting()
        port.attach(fleet)
        before(port)
        await port.start()
        while_it_runs(port)
        port.beat(Pulse(vehicles=1))
        await fleet.stopping.wait()
        return measured([1.0])

    pressed = 0

    def show(pulse: Pulse) -> None:
        nonlocal pressed
        if pulse.vehicles == 2 and pressed < interrupts:
            pressed += 1
            os.kill(os.getpid(), signal.SIGINT)

    found, died = Crew(live, 3, tell=lambda _: None, show=show).run(drain_s=0.0)
    assert (len(found), pressed) == (2, interrupts)
    assert died == ["process 2 of 3 did not end: its vehicles are not in this report"]


async def test_ctrl_c_ends_all_and_still_reports(
    broker: Broker, gateway: ReceiptingGateway, tmp_path: Path
) -> None:
    running = await begin(broker, tmp_path, "--duration", "0", "--alarm-rate", "30")
    await until_alarmed(gateway, 20)
    running.send_signal(signal.SIGINT)
    _, told = await running.communicate()
    report, lines = read(tmp_path)
    assert running.returncode == 0, told.decode()
    assert report["events"]["unreceipted"] == 0
    assert len(lines) == report["events"]["made"] == report["events"]["receipted"] >= 20
