"""Labelled thefts and a workshop's work, played by emulated vehicles before the real gateway."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from devtools.broker import HOST, Broker
from gateway.domain.thresholds import Thresholds
from gateway.recordings import replay
from tests.integration.conftest import SocThread, until
from tests.support.gateway import GatewayProcess
from vehicle_emulator import deeds, scenarios, verdict
from vehicle_emulator.casting import cast
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.link import Station
from vehicle_emulator.owner import Api, Owner
from vehicle_emulator.report import Report, Tally
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario
from vehicle_emulator.stage import Stage, StoryLine
from vehicle_emulator.tape import Tape
from vehicle_emulator.unit import Clock, Depot

SEED = 404
YARD_SEED = 405
SALE_SEED = 406
THEFTS = ("glass_break", "towed_away")
YARDS = ("workshop_service", "leaves_yard")
CODES = {"workshop_service": "1234", "leaves_yard": None}
LENGTH_S = 90.0
SPEED = 10.0


class Hurried(Clock):
    """
    Plays a past minute and a half in seconds, and has caught up with the wall clock at its end.

    The gateway decides durations by the vehicle's own clock as soon as a later fact proves them. What a mode
    holds back must be played in real time: nothing is held back that happened before the mode was set.
    """

    def __init__(self) -> None:
        super().__init__((time.time() - LENGTH_S) * 1_000)
        self._began_ms = super().now_ms()

    def now_ms(self) -> float:
        return self._began_ms + (super().now_ms() - self._began_ms) * SPEED


def owners_of(gateway: GatewayProcess, roles: dict[str, str]) -> dict[str, Owner]:
    """Register every vehicle; the main users of those in the workshop, with a code and without one."""
    known, lines = {}, []
    for name, vin in roles.items():
        line: dict[str, Any] = {"vin": vin, "main_user": f"owner-{name}", "driver_cards": ["DC-1"]}
        if name in CODES:
            words = ("--role", "main_user", "--person", name, "--user", line["main_user"], "--vin", vin)
            token = gateway.command("token", "create", *words).stdout.splitlines()[-1]
            known[vin] = Owner(line["main_user"], token, CODES[name])
            line |= {"security_code": CODES[name]} if CODES[name] else {}
        lines.append(json.dumps(line))
    fleet = gateway.folder / "emulated.jsonl"
    fleet.write_text("\n".join(lines))
    assert gateway.command("fleet", "import", str(fleet)).returncode == 0
    return known


def play(
    broker: Broker,
    stage: Stage,
    played: tuple[Scenario, ...],
    seed: int,
    *,
    hurried: bool = False,
    tape: Tape | None = None,
    length_s: float = LENGTH_S,
) -> Report:
    passwords = broker.add("vehicles", *vins(seed, 5))

    async def run() -> Report:
        station = Station(HOST, broker.ports["vehicles"], Dice(seed))
        station.tape = tape
        clock = Hurried() if hurried else Clock(time.time() * 1_000)
        depot = Depot(station, clock, Tally(), lambda vin: (vin, passwords[vin]))
        plan = Plan(
            vehicles=5, seed=seed, duration_s=length_s, drain_s=60 * SPEED, driving_share=0.0,
            scenarios=tuple((one, 1.0) for one in played),
        )  # fmt: skip
        return await Fleet(plan, depot, stage).run()

    return asyncio.run(run())


def found(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    return tuple(one for name in names if (one := scenarios.find(name)))


def roles_of(played: tuple[str, ...], seed: int) -> dict[str, str]:
    return dict(zip(played, cast(seed, vins(seed, 5), len(played)), strict=True))


def wait_for_verdicts(soc: SocThread, report: Report, ledger: Path) -> None:
    """Until every label is kept, and nobody else was alarmed."""

    def broken() -> list[str]:
        ledger.write_text("\n".join(json.dumps(one) for one in soc.messages()))
        heard = verdict.read(ledger)
        found = [verdict.judge(one, heard, time.time()) for one in report.scenarios]
        return [f"{one.name} {one.sentence()}" for one in found if one.is_broken or one.not_due]

    assert (report.left_out, report.events.unreceipted, report.events.rejected) == ((), 0, 0)
    until(lambda: not broken(), complaint=f"{broken()}")
    assert verdict.elsewhere(report.scenarios, verdict.read(ledger), _started_s(report)) == ()


def _started_s(report: Report) -> float:
    return datetime.fromisoformat(report.started_at).timestamp()


Told = tuple[str, str, datetime]


def told_live(soc: SocThread, roles: dict[str, str]) -> set[Told]:
    raised = [one["data"] for one in soc.messages() if one["type"] == "alarm.raised"]
    return {
        (data["vin"], data["cause"], datetime.fromisoformat(data["occurred_at"]))
        for data in raised
        if data["vin"] in roles.values()
    }


def told_again(recording: Path) -> set[Told]:
    """What the gateway's own replay finds in a recorded run."""
    found: set[Told] = set()
    replay(recording, [Thresholds()], lambda _, one: found.add((one.vin or "", one.cause, one.occurred_at)))
    return found


def test_every_theft_is_alarmed(
    path_broker: Broker, gateway: GatewayProcess, soc: SocThread, tmp_path: Path
) -> None:
    roles = roles_of(THEFTS, SEED)
    owners_of(gateway, roles)
    with (tmp_path / "run.jsonl").open("wb") as file:
        tape = Tape(file, lambda: datetime.fromtimestamp(time.time(), UTC))
        report = play(path_broker, Stage(), found(THEFTS), SEED, hurried=True, tape=tape)
        tape.close()
    wait_for_verdicts(soc, report, tmp_path / "soc.jsonl")
    assert told_again(tmp_path / "run.jsonl") == told_live(soc, roles)
    assert soc.alarm(roles["towed_away"], "towed")["severity"] == "critical"
    done = gateway.command("verify")
    assert done.returncode == 0, done.stdout


@pytest.mark.drill
def test_what_happens_in_the_yard_is_recorded_and_leaving_it_is_alarmed(
    path_broker: Broker, gateway: GatewayProcess, soc: SocThread, tmp_path: Path
) -> None:
    roles = roles_of(YARDS, YARD_SEED)
    owners = owners_of(gateway, roles)
    story: list[StoryLine] = []
    stage = Stage(owners=Api(gateway.url, owners), narrate=story.append)
    report = play(path_broker, stage, found(YARDS), YARD_SEED)
    wait_for_verdicts(soc, report, tmp_path / "soc.jsonl")
    yard = [one["type"] for one in soc.messages(roles["workshop_service"])]
    assert set(yard) == {"alarm.suppressed"}
    left = soc.alarm(roles["leaves_yard"], "left_workshop")
    assert (left["state"], left["severity"]) == ("open", "critical")
    assert {line.scenario for line in story if "workshop mode" in line.text} == set(CODES)
    done = gateway.command("verify")
    assert done.returncode == 0, done.stdout


@pytest.mark.drill
def test_a_car_is_sold_over_the_api_and_its_window_broken_afterwards(
    path_broker: Broker, gateway: GatewayProcess, soc: SocThread, tmp_path: Path
) -> None:
    (resale,) = found(("resale",))
    hurried = replace(
        resale, label=Label(must=(Expected("intrusion", within_s=10, after_s=4),), never=(ANY,)),
        beats=(Beat(1, deeds.grant_remote_access), Beat(4, deeds.trigger("intrusion", zone="glass"))),
    )  # fmt: skip
    (vin,) = cast(SALE_SEED, vins(SALE_SEED, 5), 1)
    line = {"vin": vin, "main_user": "anna", "driver_cards": ["DC-1"], "security_code": "1234"}
    (gateway.folder / "sold.jsonl").write_text(json.dumps(line))
    assert gateway.command("fleet", "import", str(gateway.folder / "sold.jsonl")).returncode == 0

    def token(user: str) -> str:
        words = ("--role", "main_user", "--person", user, "--user", user)
        return gateway.command("token", "create", *words).stdout.splitlines()[-1]

    anna, carl = token("anna"), token("carl")
    api = Api(gateway.url, {vin: Owner("anna", anna, "1234", heir=Owner("carl", carl))})
    report = play(path_broker, Stage(owners=api), (hurried,), SALE_SEED, length_s=8)
    wait_for_verdicts(soc, report, tmp_path / "soc.jsonl")
    assert gateway.get(f"/vehicles/{vin}/registry", carl)["main_user"] == "carl"
    assert gateway.command("verify").returncode == 0


@pytest.mark.parametrize(
    ("name", "owner", "reason"),
    [
        ("leaves_yard", None, "no_owner"),
        ("leaves_yard", Owner("owner-glass_break", "wrong-token"), "unauthorised"),
        ("resale", Owner("anna"), "no_token"),
        ("resale", Owner("anna", "token"), "no_heir"),
        ("resale", Owner("anna", "wrong-token", heir=Owner("carl", "token")), "unauthorised"),
    ],
)
def test_without_its_people_a_scene_is_left_out(
    gateway: GatewayProcess, name: str, owner: Owner | None, reason: str
) -> None:
    (played,) = found((name,))
    story: list[StoryLine] = []
    vin = vins(SEED, 5)[0]
    stage = Stage(owners=Api(gateway.url, {vin: owner} if owner else {}), narrate=story.append)
    assert not asyncio.run(stage.set_scene(played, vin, (52.0, 5.0), 0))
    assert reason in story[0].text
