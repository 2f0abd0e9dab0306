"""Arming, towing and silence through decider, store and timers, on a clock that moves when told."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.signals import Blind
from gateway.pipeline.health import Health
from gateway.pipeline.hearing import Hearing, MassLoss
from gateway.pipeline.telemetry import CONFIRMED_BY
from gateway.testing import FakeClock
from tests.pipeline.conftest import VIN, Rig

FLEET = 10_000
METRES = 1 / 111_194.9


def vin(number: int) -> str:
    return f"XVGZZZ99ZTT{number:06}"


def raised(rig: Rig) -> Counter[str]:
    """Causes of all that was raised."""
    found: Counter[str] = Counter()
    for message in rig.messages:
        if message.type == "alarm.raised":
            found[message.body.split(b'"cause":"')[1].split(b'"')[0].decode()] += 1
    return found


def journal(rig: Rig, kind: str) -> int:
    other = sqlite3.connect(rig.store.path)
    try:
        (count,) = other.execute("SELECT count(*) FROM facts WHERE kind = ?", (kind,)).fetchone()
    finally:
        other.close()
    return int(count)


# -- killed across every timer -------------------------------------------------------------------------

Step = tuple[float, Callable[[Rig], object]]
THEFT: list[Step] = [
    (0, lambda rig: rig.card("c0", True)),
    (1, lambda rig: rig.telemetry(LowVoltageSystemState="ON", Speed=0)),
    (5, lambda rig: rig.telemetry(LowVoltageSystemState="OFF")),
    (6, lambda rig: rig.card("c1", False)),
    (30, lambda rig: rig.trigger("jamming_gsm", "j1")),
]
THEFT_S = 400.0
DRIVEN: list[Step] = [
    (0, lambda rig: rig.card("c0", True)),
    (1, lambda rig: rig.telemetry(LowVoltageSystemState="OFF", Speed=0)),
    (2, lambda rig: rig.card("c1", False)),
    (100, lambda rig: rig.telemetry(LowVoltageSystemState="ON", Speed=0)),
    (110, lambda rig: rig.telemetry(LowVoltageSystemState="ON", Speed=40)),
    (125, lambda rig: rig.telemetry(LowVoltageSystemState="ON", Speed=40)),
]


async def live(rig: Rig, steps: list[Step], kill_at_s: float, until_s: float) -> None:
    now_s, killed = 0.0, False
    for at_s, act in [*steps, (until_s, lambda _rig: None)]:
        if not killed and kill_at_s <= at_s:
            await rig.wait(kill_at_s - now_s)
            await rig.restart()
            now_s, killed = kill_at_s, True
        await rig.wait(at_s - now_s)
        now_s = at_s
        act(rig)
        await rig.settle()


@pytest.mark.parametrize("kill_at_s", [0, 1, 5.5, 6.5, 29, 31, 69, 76, 77, 149.9, 150, 150.1, 199])
async def test_killed_at_any_time_a_theft_under_jamming_is_told_once(rig: Rig, kill_at_s: float) -> None:
    await live(rig, THEFT, kill_at_s, THEFT_S)
    assert raised(rig) == {"jamming_gsm": 1, "comm_loss_after_jamming": 1}


@pytest.mark.parametrize(
    "kill_at_s", [1.5, 3, 50, 71, 72, 73, 99, 101, 102.9, 103.1, 109, 111, 124, 126, 160]
)
async def test_killed_at_any_time_a_car_driven_off_is_told_once(rig: Rig, kill_at_s: float) -> None:
    await live(rig, DRIVEN, kill_at_s, 170)
    assert raised(rig) == {"ignition_on_armed": 1, "driver_card_missing": 1}


async def test_the_clock_is_set_back_while_silence_is_counted(rig: Rig) -> None:
    await live(rig, THEFT, 1000, 100)
    rig.clock.jump(-3600)
    await rig.wait(100)
    assert raised(rig)["comm_loss_after_jamming"] == 1


# -- our own outage, and everybody's -------------------------------------------------------------------


async def test_our_own_outage_of_an_hour_makes_no_alarm_of_10_000_vehicles(rig: Rig) -> None:
    """Given 10,000 connected vehicles that drive, when the gateway is deaf for an hour, then no alarm."""
    for number in range(FLEET):
        rig.telemetry(vin(number), LowVoltageSystemState="ON", Speed=30)
        if number % 500 == 499:
            await rig.settle()
    await rig.wait(10)
    rig.hearing_since = None
    await rig.wait(3600)
    rig.hearing_since = rig.clock.now()
    await rig.wait(30)
    for number in range(FLEET):
        rig.telemetry(vin(number), LowVoltageSystemState="ON", Speed=30)
        if number % 500 == 499:
            await rig.settle()
    await rig.wait(45)
    assert raised(rig) == {}


async def test_many_silent_vehicles_make_one_note_and_a_theft_gets_through(rig: Rig) -> None:
    """A cell dies under 400 cars; one of them was jammed while armed."""
    for _at_s, act in THEFT:
        act(rig)
        await rig.wait(1)
    for number in range(400):
        rig.telemetry(vin(number), LowVoltageSystemState="ON", Speed=30)
    await rig.wait(300)
    assert rig.mass_loss.lasts
    assert rig.mass_loss.count == 400
    found = raised(rig)
    assert found["comm_loss_after_jamming"] == 1
    assert found["supervision_lost"] == 0
    for number in range(400):
        rig.telemetry(vin(number), LowVoltageSystemState="ON", Speed=30)
    await rig.wait(50)
    assert raised(rig) == found


def test_few_silent_vehicles_are_no_mass_loss() -> None:
    clock = FakeClock()
    mass = MassLoss(clock, lambda _since, most: min(most, 1000))
    mass.note(f"v{number}" for number in range(50))
    assert not mass.lasts, "50 of 1,050 are less than five in a hundred"
    mass.note(f"w{number}" for number in range(10))
    assert (mass.lasts, mass.count) == (True, 60)
    clock.advance(121)
    assert (mass.lasts, mass.count) == (False, 0)


def test_of_a_large_fleet_no_more_are_counted_than_decide() -> None:
    asked: list[int] = []

    def online(_since: datetime, most: int) -> int:
        asked.append(most)
        return min(most, 1_000_000)

    mass = MassLoss(FakeClock(), online)
    mass.note(f"v{number}" for number in range(30))
    assert not mass.lasts
    mass.note(f"w{number}" for number in range(30))
    assert not mass.lasts
    mass.note(f"x{number}" for number in range(70))
    assert not mass.lasts
    assert asked == [1_200, 5_200]
    mass.note(f"y{number}" for number in range(60_000))
    assert mass.lasts


class Ears:
    connected = True
    age_s: float | None = None


def test_only_the_canary_proves_that_we_hear() -> None:
    clock, ears = FakeClock(), Ears()
    hearing = Hearing(ears, ears, clock, 13)  # type: ignore[arg-type]  # link and canary in one
    assert hearing.since() is None
    ears.age_s = 1
    since = clock.now()
    assert hearing.since() == since
    clock.advance(100)
    assert hearing.since() == since
    ears.age_s = 14
    assert hearing.since() is None
    ears.age_s, ears.connected = 1, False
    assert hearing.since() is None
    ears.connected = True
    assert hearing.since() == clock.now()


# -- from telemetry to facts ---------------------------------------------------------------------------


async def test_a_parked_car_that_states_one_place_all_day_writes_little(rig: Rig) -> None:
    rig.telemetry(LowVoltageSystemState="OFF", Speed=0, Latitude=52.1, Longitude=4.3)
    for number in range(1000):
        rig.telemetry(Latitude=52.1 + (number % 3) * 5 * METRES, Longitude=4.3)
        rig.clock.advance(10)
        await rig.settle()
    assert journal(rig, "place") <= CONFIRMED_BY + 1
    assert raised(rig) == {}


async def test_a_car_is_carried_away_on_a_truck(rig: Rig) -> None:
    rig.telemetry(LowVoltageSystemState="OFF", Speed=0, Latitude=52.1, Longitude=4.3)
    await rig.wait(100)
    for number in range(120):
        rig.telemetry(Latitude=52.1 + min(number * 20, 600) * METRES, Longitude=4.3)
        await rig.wait(1)
    assert raised(rig) == {"towed": 1}
    assert journal(rig, "place") <= 24 + 12


async def test_the_first_word_of_a_drive_is_no_theft(rig: Rig) -> None:
    """Ignition and speed come in one message."""
    rig.telemetry(LowVoltageSystemState="OFF", Speed=0)
    await rig.wait(100)
    rig.telemetry(Speed=20, LowVoltageSystemState="ON")
    await rig.wait(10)
    assert raised(rig) == {}


async def test_in_private_mode_only_the_place_of_the_parked_car_is_kept(rig: Rig) -> None:
    rig.send("mode", {"event_id": "m", "occurred_at": rig.clock.now(), "private_mode": True})
    rig.telemetry(LowVoltageSystemState="OFF", Speed=0, Latitude=52.1, Longitude=4.3)
    await rig.wait(100)
    assert journal(rig, "place") == 0
    for number in range(40):
        rig.telemetry(Latitude=52.1 + 700 * METRES, Longitude=4.3 + number * METRES)
        await rig.wait(10)
    assert raised(rig) == {"towed": 1}
    assert journal(rig, "place") == 0


async def test_a_vehicle_that_puts_its_wakes_off_stands_in_the_heap_once(rig: Rig) -> None:
    for number in range(200):
        rig.card(f"c{number}", True)
        await rig.wait(1)
    assert len(rig.timers._heap) <= 2
    assert list(rig.timers._wanted) == [VIN]


def test_a_mass_loss_is_told_once_with_its_count(rig: Rig) -> None:
    """It lasts for 15 s before it is told; the count grows and makes no second alarm."""
    well: Any = SimpleNamespace(connected=True, age_s=1.0, silent_for_s=1.0, failing_since_s=None)
    well.states = dict
    health = Health(
        link=well,
        store=well,
        decider=well,
        delivery=well,
        canary=well,
        canary_interval_s=10,
        inbox=rig.inbox,
        clock=rig.clock,
        tally=rig.tally,
        instance="gw-1",
        log=rig.log,
        hearing=Hearing(well, well, rig.clock, 13),
        mass_loss=rig.mass_loss,
    )
    for number in range(40):
        rig.mass_loss.note(f"v{number}.{one}" for one in range(10))
        health._look()
        rig.clock.advance(1)
    (item,) = rig.inbox.take(10)
    assert isinstance(item.fact, Blind)
    assert item.fact.reasons[0].startswith("180 vehicles fell silent within two minutes")
