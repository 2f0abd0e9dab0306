"""A whole fleet on a real broker, with a gateway that does nothing but receipt."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from html import escape
from itertools import islice
from typing import Any

import msgspec
import pytest

from devtools.broker import HOST, Broker
from tests.emulator.receipting import ReceiptingGateway
from vehicle_emulator import air, load_page, messages, outbox
from vehicle_emulator.body import LOCKS
from vehicle_emulator.casting import cast
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.life import LEFT_LONG_AGO
from vehicle_emulator.link import Station
from vehicle_emulator.load import Slots
from vehicle_emulator.ramp import Ramp
from vehicle_emulator.report import Tally
from vehicle_emulator.rest import Habit
from vehicle_emulator.scenarios.siren_nudge import SIREN_NUDGE
from vehicle_emulator.unit import Clock, Depot
from vehicle_emulator.vehicle import Vehicle

PASSWORD = "secret"
SEED = 77


@pytest.fixture(scope="module")
def crowd(broker: Broker) -> Broker:
    broker.add("vehicles", passwords=dict.fromkeys(vins(SEED, 20), PASSWORD))
    return broker


@pytest.fixture
async def gateway(crowd: Broker) -> AsyncIterator[ReceiptingGateway]:
    own = ReceiptingGateway(HOST, crowd.ports["gateways"], password=crowd.passwords["gateways"]["gateway"])
    await own.start()
    yield own
    await own.stop()


def build(broker: Broker, plan: Plan, ledger: io.BytesIO | None = None) -> Fleet:
    station = Station(HOST, broker.ports["vehicles"], Dice(plan.seed))
    depot = Depot(station, Clock(time.time() * 1_000), Tally(ledger), lambda vin: (vin, PASSWORD))
    return Fleet(plan, depot)


def lines(ledger: io.BytesIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in ledger.getvalue().splitlines()]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  # counters and lists have no event
            await asyncio.sleep(0.01)


def online(gateway: ReceiptingGateway, vin: str) -> list[bool]:
    said = ((kind, body) for heard, kind, body in gateway.heard if heard == vin)
    return [body["online"] for kind, body in said if kind == messages.CONNECTION]


async def test_every_event_is_receipted_and_in_the_ledger(crowd: Broker, gateway: ReceiptingGateway) -> None:
    ledger = io.BytesIO()
    plan = Plan(vehicles=20, seed=SEED, duration_s=1.0, alarms_per_s=200.0, telemetry_per_s=200.0)
    report = await build(crowd, plan, ledger).run()
    events, booked = report.events, lines(ledger)
    assert events.made == events.sent == events.receipted == len(booked) > 200
    assert (events.unreceipted, events.rejected, events.given_up) == (0, 0, 0)
    heard = {(vin, body["event_id"]) for vin, _, body in gateway.heard if "event_id" in body}
    assert heard == {(line["vin"], line["event_id"]) for line in booked}
    assert all(line["sent_at"] <= line["receipted_at"] for line in booked)
    assert report.telemetry_sent >= 190
    assert report.connections["connects"] == 20
    assert report.connections["disconnects"] == 0
    assert 0.0 < report.receipt_latency_ms.p50 <= report.receipt_latency_ms.max


async def test_a_ramp_is_served_and_shown(crowd: Broker, gateway: ReceiptingGateway) -> None:
    plan = Plan(
        vehicles=4, seed=SEED, duration_s=2.1, drain_s=60.0, driving_share=0.0,
        ramp=Ramp((40.0, 80.0), 1.0), telemetry_per_s=20.0,
    )  # fmt: skip
    report = await build(crowd, plan).run()
    assert report.climb is not None
    assert [(step.wanted, step.receipted) for step in report.climb.steps] == [(40, 40), (80, 80)]
    page = load_page.html(report)
    assert page.count("<svg") == 4
    assert escape(report.climb.sentence()) in page
    assert "http" not in page


async def test_births_and_farewells_frame_what_a_vehicle_says(
    crowd: Broker, gateway: ReceiptingGateway
) -> None:
    plan = Plan(vehicles=3, seed=SEED, duration_s=0.3, driving_share=0.0)
    await build(crowd, plan).run()
    numbers = vins(SEED, 3)
    await until(lambda: all(online(gateway, vin)[-2:] == [True, False] for vin in numbers))
    for vin in numbers:
        assert {messages.DRIVER_CARD, messages.DATA_BUNDLE, messages.MODE} <= set(gateway.kinds(vin))


async def test_a_deaf_gateway_leaves_events_unreceipted(crowd: Broker, gateway: ReceiptingGateway) -> None:
    gateway.is_deaf = True
    ledger = io.BytesIO()
    plan = Plan(vehicles=2, seed=SEED, duration_s=0.0, drain_s=0.0, driving_share=0.0)
    fleet = build(crowd, plan, ledger)
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.depot.tally.counts["resent"] >= 6)
    fleet.stopping.set()
    report = await running
    assert (report.events.unreceipted, report.events.receipted) == (6, 0)
    assert [line["receipted_at"] for line in lines(ledger)] == [None] * 6


async def test_who_stops_a_run_twice_does_not_wait_for_receipts(
    crowd: Broker, gateway: ReceiptingGateway
) -> None:
    gateway.is_deaf = True
    fleet = build(crowd, Plan(vehicles=2, seed=SEED, duration_s=0.0, drain_s=86_400.0, driving_share=0.0))
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.depot.tally.counts["made"] >= 6)
    fleet.stop()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), 0.5)
    fleet.stop()
    assert (await running).events.unreceipted == 6


async def test_a_rejected_event_is_not_sent_again(
    crowd: Broker, gateway: ReceiptingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RESEND_FIRST_MS", 20_000)  # a stall must not repeat what is being answered
    gateway.rejects = set(messages.THEFT_CAUSES)
    plan = Plan(vehicles=4, seed=SEED, duration_s=0.5, alarms_per_s=40.0, drain_s=60.0, driving_share=0.0)
    report = await build(crowd, plan).run()
    assert report.events.rejected >= 15
    assert (report.events.resent, report.events.unreceipted) == (0, 0)


async def test_events_survive_a_lost_connection(crowd: Broker, gateway: ReceiptingGateway) -> None:
    plan = Plan(vehicles=4, seed=SEED, duration_s=0.0, drain_s=60.0, alarms_per_s=100.0, driving_share=0.0)
    fleet = build(crowd, plan)
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.depot.tally.counts["receipted"] >= 20)
    for unit in fleet.units:
        unit.link.cut()
        unit.link.open()
    await until(lambda: fleet.depot.tally.counts["receipted"] >= 100)
    await until(lambda: fleet.depot.station.counts["connects"] == 8)
    fleet.stopping.set()
    report = await running
    assert report.events.made == report.events.receipted >= 100
    assert report.connections["connects"] == 8


def seed_of(broker: Broker, *, asleep: bool) -> int:
    """A fleet whose first vehicle was left long ago, or just now; it may connect."""
    seeds = range(SEED, SEED + 99)
    seed = next(one for one in seeds if Dice(one, vins(one, 1)[0], "radio").chance(LEFT_LONG_AGO) == asleep)
    broker.add("vehicles", passwords={vins(seed, 1)[0]: PASSWORD})
    return seed


async def test_a_command_is_performed_once_and_answered(crowd: Broker, gateway: ReceiptingGateway) -> None:
    seed = seed_of(crowd, asleep=False)
    fleet = build(crowd, Plan(vehicles=1, seed=seed, duration_s=0.0, driving_share=0.0))
    running = asyncio.create_task(fleet.run())
    vin = fleet.units[0].vin
    await until(lambda: messages.MODE in gateway.kinds(vin))
    command = {"command_id": "c-1", "action": "unlock", "counter": 1, "expires_at": "2099-01-01T00:00:00Z"}
    for counter in (1, 1, 2):
        command |= {"counter": counter, "command_id": f"c-{counter}"}
        gateway.say(vin, messages.COMMAND, msgspec.json.encode(command))
    await until(lambda: gateway.kinds(vin).count(messages.RESULT) == 2)
    fleet.stopping.set()
    report = await running
    results = [body for _, kind, body in gateway.heard if kind == messages.RESULT]
    assert [(one["command_id"], one["status"]) for one in results] == [
        ("c-1", "performed"), ("c-2", "performed"),
    ]  # fmt: skip
    assert report.events.unreceipted == 0
    shown: dict[str, Any] = {}
    for _, kind, body in gateway.heard:
        shown |= body["signals"] if kind == messages.TELEMETRY else {}
    assert shown[LOCKS[0]] is False


async def test_a_car_that_sleeps_says_goodbye_and_comes_back_for_a_theft(
    crowd: Broker, gateway: ReceiptingGateway
) -> None:
    seed = seed_of(crowd, asleep=True)
    (vin,) = vins(seed, 1)
    plan = Plan(vehicles=1, seed=seed, duration_s=0.0, driving_share=0.0, habit=Habit(1.0, 1.0))
    fleet = build(crowd, plan)
    running = asyncio.create_task(fleet.run())
    unit = fleet.units[0]

    await until(lambda: online(gateway, vin)[-2:] == [True, False] and unit.link.is_gone)
    assert fleet.depot.station.counts["disconnects"] == 0
    unit.vehicle.plan(int(fleet.depot.clock.now_ms()), lambda alive, at_ms: alive.trigger(at_ms, "tilt"))
    fleet.depot.woken.append(unit)
    await until(lambda: messages.THEFT_SENSOR in gateway.kinds(vin))
    assert online(gateway, vin)[-1] is True
    fleet.stopping.set()
    assert (await running).events.unreceipted == 0


async def test_a_car_abroad_tells_it_and_one_in_a_garage_says_later_what_it_said(
    crowd: Broker, gateway: ReceiptingGateway
) -> None:
    fleet = build(crowd, Plan(vehicles=1, seed=SEED, duration_s=0.0, driving_share=0.0))
    running = asyncio.create_task(fleet.run())
    unit = fleet.units[0]
    await until(lambda: messages.MODE in gateway.kinds(unit.vin))

    def do(*acts: Callable[[Vehicle, int], None]) -> None:
        now_ms = int(fleet.depot.clock.now_ms())
        for later_ms, act in enumerate(acts):
            unit.vehicle.plan(now_ms + later_ms, act)
        fleet.depot.woken.append(unit)

    do(lambda car, at_ms: air.be_at(car, at_ms, "E", is_abroad=True))
    await until(lambda: any(body.get("bearer") == "E" and body["roaming"] for _, _, body in gateway.heard))
    said = gateway.kinds(unit.vin).count(messages.DRIVER_CARD)
    do(air.lose, lambda car, at_ms: car.put_card(at_ms, present=True), Vehicle.state_card)
    await until(lambda: len(unit.vehicle.air.held) == 2)
    assert gateway.kinds(unit.vin).count(messages.DRIVER_CARD) == said
    do(air.regain)
    await until(lambda: gateway.kinds(unit.vin).count(messages.DRIVER_CARD) == said + 2)
    fleet.stopping.set()
    report = await running
    assert (report.events.unreceipted, report.connections["connects"]) == (0, 1)


async def test_a_scenario_plays_on_a_vehicle_that_load_leaves_alone(
    crowd: Broker, gateway: ReceiptingGateway
) -> None:
    plan = Plan(vehicles=3, seed=SEED, duration_s=0.5, alarms_per_s=40.0, scenarios=((SIREN_NUDGE, 0.1),))
    report = await build(crowd, plan).run()
    (play,) = report.scenarios
    assert play.vin == cast(SEED, vins(SEED, 3), 1)[0]
    causes = [body["cause"] for vin, _, body in gateway.heard if vin == play.vin and "cause" in body]
    assert causes == ["car_alarm"]


def test_roles_go_to_different_vehicles_and_depend_on_the_seed_alone() -> None:
    numbers = vins(SEED, 50)
    roles = cast(SEED, numbers, 50)
    assert sorted(roles) == sorted(numbers)
    assert cast(SEED, numbers, 5) == roles[:5]
    assert cast(SEED + 1, numbers, 50) != roles


def test_slots_are_evenly_spaced_and_none_is_skipped_after_a_stall() -> None:
    slots = Slots(100.0, 1_000.0)
    assert list(slots.take(1_020.0)) == [(0, 1_000.0), (1, 1_010.0), (2, 1_020.0)]
    assert list(slots.take(1_025.0)) == []
    assert [number for number, _ in islice(slots.take(2_000.0), 7)] == list(range(3, 10))
    assert [number for number, _ in slots.take(2_000.0)] == list(range(10, 101))
