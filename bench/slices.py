"""A slice of the day in real time, over a real broker: thefts, and what strikes the whole fleet."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import Percentiles, percentiles
from bench.kills import DRAIN_S, LOOK_EVERY_S, drain
from bench.ledger import Verdict, seconds
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, end_vehicles, wait_for
from devtools.processes import Process
from tests.support.soc import Arrival
from vehicle_emulator import figures, files, scenarios
from vehicle_emulator.casting import parts
from vehicle_emulator.choosing import FASTEST
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Plan as FleetPlan
from vehicle_emulator.owner import Owner
from vehicle_emulator.report import Line, Report
from vehicle_emulator.scenario import FleetWide, Scenario
from vehicle_emulator.scenarios.broker_restart import BROKER_RESTART
from vehicle_emulator.scenarios.clock_change import CLOCK_CHANGE
from vehicle_emulator.scenarios.ferry_burst import FERRY_BURST
from vehicle_emulator.scenarios.network_outage import NETWORK_OUTAGE
from vehicle_emulator.score import SIREN, Bounds, Run, Scorecard, score
from vehicle_emulator.stage import StoryLine
from vehicle_emulator.verdict import Told

FIRST_S = 10.0
"""All have booted, and people have time for their errands."""
CALM_S = 60.0
"""Thefts have so long at the least before anything strikes all, and after it."""
SETTLED_S = 15.0
AWAY_S = 2.0
BOOTED_WITHIN_S = 60.0
STRIKES = ((BROKER_RESTART, 10.0), (NETWORK_OUTAGE, 60.0), (CLOCK_CHANGE, 0.0))
"""In this order, after the ferry; with the seconds until all are back when it is over."""
CONNECTED = re.compile(r"(\S+): New client connected from \S+ as (\w{17}) ", re.ASCII)
CODE = "1234"
DRIVER, BUYER = "driver", "buyer"

Cue = tuple[Scenario, float]
WideCue = tuple[FleetWide, float]


class Plan(Struct, frozen=True, kw_only=True):
    """What is played; ``pace``: what strikes the whole fleet is so many times faster than in life."""

    vehicles: int = 300
    seed: int = 1
    pace: float = 30.0
    wide: tuple[str, ...] = tuple(one.scenario.name for one in scenarios.FLEET_WIDE)
    back_within_s: float = 70.0
    """Bound: until the last vehicle is connected again."""
    ready_within_s: float = 15.0
    """Bound: until the gateway is ready again."""


class Programme(Struct, frozen=True):
    """When what plays, in seconds from the beginning."""

    singles: tuple[Cue, ...]
    wide: tuple[WideCue, ...]
    length_s: float

    @property
    def words(self) -> list[str]:
        """As the emulator's command line takes it."""
        names = [(one.name, at_s) for one, at_s in self.singles]
        names += [(one.scenario.name, at_s) for one, at_s in self.wide]
        return [word for name, at_s in names for word in ("--scenario", f"{name}@{at_s:.3f}")]


class Strike(Struct, frozen=True, kw_only=True):
    """One thing that took the connections of all; seconds from when they could connect again."""

    name: str
    away_s: float
    back_s: Percentiles
    never_back: int
    ready_s: float | None = None
    """Until the gateway was ready again, where it was struck, too."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a slice came to."""

    plan: Plan
    length_s: float
    card: Scorecard
    verdict: Verdict
    verify: str
    undelivered: int
    strikes: list[Strike]
    receipt_latency_ms: Percentiles
    lag_ms: figures.Percentiles
    telemetry: int
    vehicles_exit: int
    evidence: str

    def complaints(self) -> list[str]:
        """Every promise that was broken."""
        plan, found = self.plan, self.card.broken(Bounds())
        if not self.verdict.is_good:
            found.append("a promise is broken: see the ledger")
        if self.verify != "whole":
            found.append(f"verify: {self.verify}")
        if self.undelivered:
            found.append(f"{self.undelivered} left in the outbox")
        if self.vehicles_exit:
            found.append(f"the vehicles ended with exit code {self.vehicles_exit}")
        for one in self.strikes:
            if one.never_back:
                found.append(f"{one.name}: {one.never_back} vehicles never connected again")
            if one.back_s.max > plan.back_within_s:
                found.append(f"{one.name}: the last is back after more than {plan.back_within_s:g} s")
            if one.ready_s is not None and one.ready_s > plan.ready_within_s:
                found.append(f"{one.name}: the gateway is ready after more than {plan.ready_within_s:g} s")
        return found


def programme(plan: Plan) -> Programme:
    """Thefts and the ferry while it is calm, then one strike after the other, then thefts again."""
    wide, at_s = list[WideCue](), FIRST_S + CALM_S
    if FERRY_BURST.scenario.name in plan.wide:
        ferry = FERRY_BURST.hurried(plan.pace)
        wide.append((ferry, FIRST_S))
        promised_s = max(one.after_s + one.within_s for one in ferry.scenario.label.must)
        at_s = max(at_s, FIRST_S + ferry.within_s + promised_s + SETTLED_S)
    calm_until_s = at_s
    for strike, back_s in STRIKES:
        if strike.scenario.name in plan.wide:
            hurried = strike.hurried(plan.pace)
            wide.append((hurried, at_s))
            at_s += hurried.lasts_s + back_s + SETTLED_S
    length_s = max([at_s + CALM_S, *(start_s + one.length_s for one, start_s in wide)])
    dice = Dice(plan.seed, "slice")
    singles = [*_between(FIRST_S, calm_until_s, dice), *_between(at_s, length_s, dice)]
    if len(singles) > plan.vehicles:
        raise StageError(f"{len(singles)} scenarios need as many vehicles, not {plan.vehicles}")
    return Programme(tuple(singles), tuple(wide), length_s)


def _between(from_s: float, until_s: float, dice: Dice) -> list[Cue]:
    """Every scenario that there is time for, at a seeded moment."""
    return [
        (one, dice.between(from_s, until_s - one.length_s))
        for one in scenarios.SCENARIOS
        if from_s + one.length_s < until_s
    ]


def run(plan: Plan, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Play one slice from its beginning to the scorecard."""
    played = programme(plan)
    with Stage(vehicles=plan.vehicles, seed=plan.seed, folder=folder, excused={SIREN}) as stage:
        owners = _register(plan, played, stage)
        story, telling = stage.folder / "story.jsonl", stage.folder / "vehicles.log"
        emulator = stage.emulator(
            drain_s=DRAIN_S, duration_s=played.length_s,
            more=(
                "--pace", str(plan.pace), *played.words, "--api", stage.gateway.url, "--owners", owners,
                "--story", story, "--clock-error", "1",
            ),
        )  # fmt: skip
        try:
            wait_for(
                lambda: len(list(_connects(stage))) >= plan.vehicles, BOOTED_WITHIN_S, "not all connected",
                telling,
            )  # fmt: skip
            ready_s = _follow(stage, emulator, story, played.length_s, say)
        finally:
            ended = time.monotonic()
            exit_code = end_vehicles(emulator, DRAIN_S + 30)
        drain(stage, ended, say)
        outcome = _outcome(plan, played, stage, ready_s, exit_code)
        if outcome.complaints():
            stage.keep_folder()
    return outcome


def _register(plan: Plan, played: Programme, stage: Stage) -> Path:
    """Every vehicle with a main user and a Driver Card; what their apps have, where a scenario needs it."""
    roles = parts(
        FleetPlan(vehicles=plan.vehicles, seed=plan.seed, scenarios=played.singles, fleet_wide=played.wide),
        stage.vins,
    )
    needed = {part.vin: part for part in roles if part.played.needs_people}
    # A burst of a ferry's drivers is no burst of codes: who plays alone has one.
    alone = {one.name for one, _ in played.singles}
    coded = {vin for vin, part in needed.items() if part.played.name in alone}
    lines = [
        {"vin": vin, "main_user": DRIVER, "driver_cards": ["DC-1"]}
        | ({"security_code": CODE} if vin in coded else {})
        for vin in stage.vins
    ]
    fleet, owners = stage.folder / "fleet.jsonl", stage.folder / "owners.json"
    fleet.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
    imported = stage.gateway.command("fleet", "import", str(fleet))
    if imported.returncode:
        raise StageError(f"the fleet was not imported: {imported.stderr}")
    tokens = {user: stage.gateway.token("main_user", user, user) for user in (DRIVER, BUYER)}
    heir = Owner(BUYER, tokens[BUYER])
    known = {vin: Owner(DRIVER, tokens[DRIVER], CODE if vin in coded else None, heir=heir) for vin in needed}
    owners.write_bytes(msgspec.json.encode(known))
    return owners


def _follow(
    stage: Stage, emulator: Process, story: Path, length_s: float, say: Callable[[str], None]
) -> float | None:
    """Restart the broker when the story says so; how long the gateway took from then until it was ready."""
    began, ready_s = time.monotonic(), None
    until = began + length_s + DRAIN_S
    while emulator.running and time.monotonic() < until:
        stage.check_alive()
        if ready_s is None and BROKER_RESTART.scenario.name in _begun(story):
            say("the broker restarts")
            stage.broker.kill()
            time.sleep(AWAY_S)
            stage.broker.start()
            ready_s = _until_ready(stage)
        done = min(1.0, (time.monotonic() - began) / length_s)
        say(
            f"[{'#' * round(20 * done):20}] {done * length_s:4.0f} of {length_s:.0f} s,"
            f" {stage.at_soc():,} messages at the SOC"
        )
        time.sleep(LOOK_EVERY_S)
    return ready_s


def _begun(story: Path) -> set[str]:
    """Which scenarios have begun."""
    if not story.exists():
        return set()
    lines = [line for line in story.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return {msgspec.json.decode(line, type=StoryLine).scenario for line in lines}


def _until_ready(stage: Stage) -> float:
    began = time.monotonic()
    stage.gateway.wait_ready()
    return time.monotonic() - began


def _outcome(plan: Plan, played: Programme, stage: Stage, ready_s: float | None, exit_code: int) -> Outcome:
    report = files.read_json(stage.vehicles_report, Report, "--report")
    ledger, lines = stage.read_ledger(), files.read_json_lines(stage.vehicles_ledger, Line, "--ledger")
    ran = Run(
        report.vehicles, datetime.fromisoformat(report.started_at).timestamp(), report.ran_s,
        len(report.left_out), silences=report.silences,
    )  # fmt: skip
    return Outcome(
        plan=plan, length_s=played.length_s,
        card=score(ran, report.scenarios, [_told(one) for one in ledger.accepted], lines),
        verdict=ledger.verdict(stage.last_sequence()), verify=stage.verify(),
        undelivered=stage.undelivered(), strikes=_strikes(played, report, stage, ready_s),
        receipt_latency_ms=ledger.receipt_latency_ms(), lag_ms=report.lag_ms,
        telemetry=report.telemetry_sent, vehicles_exit=exit_code, evidence=str(stage.folder),
    )  # fmt: skip


def _told(arrival: Arrival) -> Told:
    """A request that the SOC took, as a scorecard reads it."""
    data = asdict(arrival) | {"class": arrival.alarm_class}
    return msgspec.convert(
        {"type": arrival.type, "received_at": arrival.at, "data": data}, Told, strict=False
    )


def _strikes(played: Programme, report: Report, stage: Stage, ready_s: float | None) -> list[Strike]:
    """What took the connections of all, by the broker's own log, which tells whole seconds."""
    began = {play.name: seconds(play.started_at) for play in report.scenarios}
    away_s = {BROKER_RESTART.scenario.name: AWAY_S} | {
        wide.scenario.name: wide.lasts_s
        for wide, _ in played.wide
        if wide.scenario.name == NETWORK_OUTAGE.scenario.name
    }
    connects = list(_connects(stage))
    found = []
    for name in away_s.keys() & began.keys():
        gone_s, over_s = began[name], began[name] + away_s[name]
        before = {vin for at_s, vin in connects if at_s < gone_s}
        first: dict[str, float] = {}
        for at_s, vin in connects:
            if at_s >= int(over_s):
                first.setdefault(vin, max(0.0, at_s - over_s))
        found.append(
            Strike(
                name=name, away_s=away_s[name],
                back_s=percentiles([first[vin] for vin in sorted(before & first.keys())]),
                never_back=len(before - first.keys()),
                ready_s=ready_s if name == BROKER_RESTART.scenario.name else None,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: began[one.name])


def _connects(stage: Stage) -> Iterator[tuple[int, str]]:
    """When which vehicle connected, in whole seconds since the epoch."""
    for at, vin in CONNECTED.findall(stage.broker.log()):
        yield round(datetime.fromisoformat(at).timestamp()), vin


def report(outcome: Outcome) -> None:
    """Print the scorecard, the ledger and the recoveries."""
    plan, verdict = outcome.plan, outcome.verdict
    rows: list[tuple[str, object]] = [
        *outcome.card.rows(),
        ("sent by vehicles, resent", f"{verdict.sent:,}, {verdict.resent:,}"),
        ("receipted, at the SOC", f"{verdict.receipted:,}, {verdict.at_soc:,}"),
        ("FALSE RECEIPTS", verdict.false_receipts),
        ("raw repeats (same webhook-id)", verdict.raw_repeats),
        ("verify", outcome.verify),
        ("left in the outbox", outcome.undelivered),
        *(row for one in outcome.strikes for row in _strike_rows(one)),
        ("event to receipt", outcome.receipt_latency_ms.text()),
        ("telemetry", outcome.telemetry),
        ("emulator's own lateness", f"p99 {outcome.lag_ms.p99:,.1f} ms"),
        *([("evidence", outcome.evidence)] if outcome.complaints() else []),
    ]
    title = f"a slice of {outcome.length_s:.0f} s: {plan.vehicles:,} vehicles, seed {plan.seed}"
    table(f"{title}; what strikes all of them {plan.pace:g} times faster than in life", rows)


def _strike_rows(one: Strike) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        (f"{one.name}, over after {one.away_s:g} s", "the rest counts from then"),
        ("  vehicles connected again", one.back_s.text("s", 0)),
        ("  never again", one.never_back),
    ]
    return rows if one.ready_s is None else [*rows, ("  gateway ready again", f"{one.ready_s:.1f} s")]


def pace(text: str) -> float:
    """How much faster than in life. Errors: ValueError."""
    if not 1.0 <= (found := float(text)) <= FASTEST:
        raise ValueError(text)
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    usual = Plan()
    parser.add_argument("--vehicles", type=int, default=usual.vehicles)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument(
        "--pace", type=pace, default=usual.pace,
        help="what strikes all is so many times faster: at 1 300 of 1,000 cars board in 10 min, and the"
        " network is down for 10 min; 60 s to come back are 60 s at any",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", choices=usual.wide, help="of what strikes all; may be given often"
    )
    parser.add_argument(
        "--max-back-s", type=float, default=usual.back_within_s, help="bound: the last vehicle"
    )
    parser.add_argument("--max-ready-s", type=float, default=usual.ready_within_s, help="bound: the gateway")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    plan = Plan(
        vehicles=options.vehicles, seed=options.seed, pace=options.pace,
        wide=tuple(options.only or Plan().wide),
        back_within_s=options.max_back_s, ready_within_s=options.max_ready_s,
    )  # fmt: skip
    progress = Progress()
    outcome = run(plan, say=progress)
    progress.done()
    report(outcome)
    sentences = broken([(True, sentence) for sentence in outcome.complaints()])
    save(options.json, {"slice": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
