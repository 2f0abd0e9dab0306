"""A fleet on bad connections before the real gateway: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import io
import time
from collections import Counter

import msgspec

from devtools.broker import HOST, Broker
from tests.integration.conftest import SocThread, until
from tests.support.gateway import GatewayProcess
from vehicle_emulator import faults
from vehicle_emulator.dice import Dice
from vehicle_emulator.faulty import FaultyStation
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.link import Station
from vehicle_emulator.report import Line, Report, Tally
from vehicle_emulator.unit import Clock, Depot

SEED = 406
VEHICLES = 12
BAD = faults.read(
    "loss=0.05,duplicate=0.05,reorder=0.05,delay=0.05,tunnel=0.01,dead=0.01,half_open=0.01,poison=0.1,"
    "delay_s=1,tunnel_s=1,half_open_s=1"
)


def play(broker: Broker, ledger: io.BytesIO) -> Report:
    passwords = broker.add("vehicles", *vins(SEED, VEHICLES))

    async def run() -> Report:
        station = FaultyStation(Station(HOST, broker.ports["vehicles"], Dice(SEED)), BAD, SEED)
        depot = Depot(station, Clock(time.time() * 1_000), Tally(ledger), lambda vin: (vin, passwords[vin]))
        plan = Plan(
            vehicles=VEHICLES, seed=SEED, duration_s=2.0, drain_s=60.0, alarms_per_s=70.0,
            telemetry_per_s=100.0, driving_share=0.0, clock_error_s=60.0,
        )  # fmt: skip
        return await Fleet(plan, depot).run()

    return asyncio.run(run())


def test_every_alarm_arrives_once(path_broker: Broker, gateway: GatewayProcess, soc: SocThread) -> None:
    ledger = io.BytesIO()
    report = play(path_broker, ledger)
    lines = [msgspec.json.decode(line, type=Line) for line in ledger.getvalue().splitlines()]
    sent = {(one.vin, one.event_id) for one in lines if one.state == "triggered"}
    happened = {kind for kind in faults.KINDS if report.connections.get(f"fault_{kind}")}
    assert happened == set(faults.KINDS)
    assert (report.events.unreceipted, report.events.rejected, report.events.given_up) == (0, 0, 0)

    def told() -> Counter[tuple[str, str]]:
        found = (one["data"] for one in soc.messages())
        return Counter((data["vin"], event_id) for data in found for event_id in data["event_ids"])

    until(lambda: told().keys() >= sent, complaint=f"lost: {sent - told().keys()}")
    assert told() == Counter(sent)
    assert len(sent) > 100
    rows = gateway.rows("SELECT topic, payload FROM quarantine")
    assert {row[0].rpartition("/")[2] for row in rows} <= set(faults._POISONED_KINDS)
    assert len(rows) > 5
    done = gateway.command("verify")
    assert done.returncode == 0, done.stdout
