"""Emulated people and cars before the real gateway: what is asked is done, once, and everybody knows it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devtools.broker import HOST, Broker
from tests.support.gateway import GatewayProcess
from vehicle_emulator import commands
from vehicle_emulator.crowd import Crowd
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.link import Station
from vehicle_emulator.owner import Owner
from vehicle_emulator.report import Commands, Report, Tally
from vehicle_emulator.rest import Habit
from vehicle_emulator.unit import Clock, Depot

SEED = 505
CARS = 6
CODE = "4711"
ENOUGH = 6
LIMIT_S = 120.0
UNTIL = (datetime.now(UTC) + timedelta(days=30)).isoformat()


@pytest.fixture
def people(path_broker: Broker, gateway: GatewayProcess) -> list[tuple[str, Owner]]:
    """Main users with a code and an app for each car."""
    users = [f"emulated-{number}" for number in range(CARS)]
    passwords = path_broker.add("users", *users)
    numbers = vins(SEED, CARS)
    lines = [
        {
            "vin": vin, "main_user": user, "driver_cards": ["DC-1"], "security_code": CODE,
            "services": {"remote_access": {"until": UNTIL}},
        }
        for vin, user in zip(numbers, users, strict=True)
    ]  # fmt: skip
    fleet = gateway.folder / "people.jsonl"
    fleet.write_text("\n".join(json.dumps(line) for line in lines))
    assert gateway.command("fleet", "import", str(fleet)).returncode == 0
    return [
        (vin, Owner(user, security_code=CODE, password=passwords[user]))
        for vin, user in zip(numbers, users, strict=True)
    ]


def performed(report: Commands | None) -> Counter[str]:
    assert report is not None
    return Counter({one.action: one.count for one in report.outcomes if one.status == "performed"})


def play(broker: Broker, people: list[tuple[str, Owner]]) -> Report:
    """Until people were told that enough is performed, an unlock with its code among it."""
    passwords = broker.add("vehicles", *vins(SEED, CARS))

    async def run() -> Report:
        clock = Clock(time.time() * 1_000)
        cars = Station(HOST, broker.ports["vehicles"], Dice(SEED))
        apps = Station(HOST, broker.ports["users"], Dice(SEED, "apps"))
        crowd = Crowd(people, apps, clock, seed=SEED, rate_per_s=3.0)
        plan = Plan(
            vehicles=CARS, seed=SEED, duration_s=0.0, driving_share=0.3, clock_error_s=1.0, habit=Habit()
        )
        fleet = Fleet(plan, Depot(cars, clock, Tally(), lambda vin: (vin, passwords[vin])), crowd=crowd)
        running = asyncio.create_task(fleet.run())
        async with asyncio.timeout(LIMIT_S):
            while (told := performed(crowd.report())).total() < ENOUGH or not told["unlock"]:  # noqa: ASYNC110  # counts have no event
                await asyncio.sleep(0.05)
        fleet.stopping.set()
        return await running

    return asyncio.run(run())


def test_what_people_ask_is_performed_once_and_everybody_is_told(
    path_broker: Broker,
    gateway: GatewayProcess,
    people: list[tuple[str, Owner]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: Counter[str] = Counter()

    def counted(name: str, effect: commands.Effect) -> commands.Effect:
        def take(*what: Any) -> None:
            done[name] += 1
            effect.take(*what)

        return commands.Effect(take, effect.takes_ms)

    for name, effect in commands.EFFECTS.items():
        monkeypatch.setitem(commands.EFFECTS, name, counted(name, effect))
    report = play(path_broker, people)

    told = report.commands
    assert told is not None
    assert (told.contradicted, told.stray, told.unreadable) == (0, 0, 0)
    assert report.events.rejected == 0
    assert performed(told) <= done  # nobody is told of an effect that there was not
    assert told.performed_ms.count == performed(told).total() >= ENOUGH
    refused = {one.reason for one in told.outcomes if one.status == "refused"}
    assert refused <= {"vehicle_moving", "door_open", "state_unknown", "wake_budget", "too_many_requests"}
    commanded = gateway.rows("SELECT count(*) FROM commands")[0][0]
    accepted = sum(one.count for one in told.outcomes if one.status not in {"refused", "unanswered"})
    assert commanded >= accepted
