"""A seeded day of a whole fleet with every scenario, on virtual time through the gateway's own pipeline."""

from __future__ import annotations

import argparse
import asyncio
import io
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from bench import virtual
from bench.air import Air
from bench.inside import Arrival, Body, Inside
from bench.show import Progress, broken, save, table
from bench.virtual import LoopClock
from gateway.adapters.storage.sqlite.verify import holes
from vehicle_emulator import scenarios
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.report import Line, Tally
from vehicle_emulator.scenario import FleetWide, Scenario
from vehicle_emulator.score import Bounds, Run, Scorecard, score
from vehicle_emulator.stage import NOT_PLAYED, Stage, StoryLine
from vehicle_emulator.unit import Clock, Depot
from vehicle_emulator.verdict import Told, read_feed

BEGAN = datetime(2026, 11, 20, tzinfo=UTC)
"""A Friday."""
PLAYING_SHARE = 0.1
"""So much of the fleet plays a scenario of its own, each scenario at least once."""
DRAIN_S = 120.0
MARGIN_S = 120.0
BROKER_AWAY_S = 2.0
SAY_EVERY_S = 1.0
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
"""On virtual time a disk would only cost real time: what a day proves is no durability."""

TRIES = 10_000
MOST_HOURS = 24 * 366

Programme = tuple[tuple[tuple[Scenario, float], ...], tuple[tuple[FleetWide, float], ...]]


class DayError(Exception):
    """No such day can be lived; the text says why."""


class Day(Struct, frozen=True, kw_only=True):
    """How many vehicles live for how long."""

    vehicles: int = 1_000
    hours: float = 24.0
    seed: int = 1
    driving_share: float | None = None
    """None: when people drive."""
    singles: tuple[str, ...] = ()
    """Only these; empty: every scenario."""
    alone: bool = False
    """Without what happens to the whole fleet."""

    @property
    def length_s(self) -> float:
        """In seconds."""
        return self.hours * 3_600


class Outcome(Struct, frozen=True, kw_only=True):
    """What a day came to."""

    day: Day
    card: Scorecard
    verify: tuple[str, ...]
    not_played: tuple[str, ...]
    events: int
    telemetry: int
    errors: tuple[str, ...]
    took_s: float
    cpu_s: float

    def complaints(self, bounds: Bounds) -> list[str]:
        """Every promise that this day broke."""
        complaints = self.card.broken(bounds)
        if self.verify:
            complaints.append(f"verify: {self.verify[0]} ({len(self.verify)} in all)")
        if self.not_played:
            complaints.append(f"{len(self.not_played)} scenarios were not played: {self.not_played[0]}")
        return complaints


def programme(day: Day) -> Programme:
    """
    Every scenario at seeded moments; what takes the radio from all has its own time.

    Errors:  DayError.
    """
    dice, length_s = Dice(day.seed, "programme"), day.length_s
    wide = [] if day.alone else list(scenarios.FLEET_WIDE)
    slot_s = length_s / (len(wide) + 1)
    wide_at = tuple((one, (place + 0.5) * slot_s) for place, one in enumerate(wide))
    chosen = [one for one in scenarios.SCENARIOS if not day.singles or one.name in day.singles]
    if unknown := set(day.singles) - {one.name for one in chosen}:
        raise DayError(f"there is no scenario {min(unknown)}")
    times = max(1, round(day.vehicles * PLAYING_SHARE / len(chosen)))
    if len(chosen) * times > day.vehicles:
        raise DayError(f"{len(chosen)} scenarios need as many vehicles, not {day.vehicles}")
    singles = [(one, _free_moment(one, wide_at, length_s, dice)) for one in chosen for _ in range(times)]
    return tuple(singles), wide_at


def _free_moment(
    one: Scenario, wide: tuple[tuple[FleetWide, float], ...], length_s: float, dice: Dice
) -> float:
    for _ in range(TRIES):
        start_s = dice.between(MARGIN_S, length_s - one.length_s - MARGIN_S)
        if start_s >= MARGIN_S and all(
            wide_one.parked or start_s + one.length_s + MARGIN_S < at_s
            or start_s > at_s + wide_one.length_s + MARGIN_S
            for wide_one, at_s in wide
        ):  # fmt: skip
            return start_s
    raise DayError(f"{length_s:g} s are too short for {one.name}: use more --hours, or --alone")


def run(day: Day, folder: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Live one day; the store stays in the folder, in place of an earlier one."""
    for old in folder.glob("day.db*"):
        old.unlink()
    return virtual.run(lambda: _run(day, folder, say))


async def _run(day: Day, folder: Path, say: Callable[[str], None]) -> Outcome:
    began, cpu = time.monotonic(), time.process_time()
    clock = LoopClock(BEGAN)
    air = Air(clock, Dice(day.seed, "air"))
    inside = Inside(folder / "day.db", air, clock, day.seed)
    air.take = inside.ingest.take
    numbers = vins(day.seed, day.vehicles)
    await inside.register(numbers)
    ledger = io.BytesIO()
    async with inside.running():
        story: list[StoryLine] = []
        fleet = _fleet(day, air, Stage(owners=inside, narrate=story.append), ledger)
        helpers = [asyncio.create_task(_report_progress(day, inside, say, began))]
        helpers += [
            asyncio.create_task(_strike(air, at_s)) for wide, at_s in fleet.plan.fleet_wide
            if wide.strikes == "broker"
        ]  # fmt: skip
        report = await fleet.run()
        await inside.settled()
        for helper in helpers:
            helper.cancel()
    feed = _filed(inside, folder / "soc.jsonl")
    ran = Run(day.vehicles, BEGAN.timestamp(), report.ran_s, silences=report.silences)
    lines = [msgspec.json.decode(line, type=Line) for line in ledger.getvalue().splitlines()]
    return Outcome(
        day=day, card=score(ran, report.scenarios, feed, lines), verify=_verify(folder / "day.db"),
        not_played=tuple(
            f"{line.scenario}: {line.text}" for line in story if line.text.startswith(NOT_PLAYED)
        ),
        events=report.events.made, telemetry=report.telemetry_sent,
        errors=tuple(dict.fromkeys(inside.log.errors)), took_s=time.monotonic() - began,
        cpu_s=time.process_time() - cpu,
    )  # fmt: skip


def _fleet(day: Day, air: Air, stage: Stage, ledger: io.BytesIO) -> Fleet:
    singles, wide = programme(day)
    plan = Plan(
        vehicles=day.vehicles, seed=day.seed, duration_s=day.length_s, drain_s=DRAIN_S,
        driving_share=day.driving_share, clock_error_s=1.0, scenarios=singles, fleet_wide=wide,
    )  # fmt: skip
    depot = Depot(air, Clock(BEGAN.timestamp() * 1_000), Tally(ledger), lambda vin: (vin, None))
    return Fleet(plan, depot, stage)


async def _strike(air: Air, at_s: float) -> None:
    await asyncio.sleep(at_s)
    await air.restart(BROKER_AWAY_S)


async def _report_progress(day: Day, inside: Inside, say: Callable[[str], None], began: float) -> None:
    """A line whenever a real second has passed."""
    said = began
    while True:
        await asyncio.sleep(60)
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            hours = (inside.clock.now() - BEGAN).total_seconds() / 3_600
            share = min(1.0, hours / day.hours)
            bar = "#" * round(20 * share)
            events = inside.tally.totals["gateway_events_total"]
            say(
                f"[{bar:20}] {hours:5.2f} of {day.hours:g} h, {events:,} events,"
                f" {len(inside.sink.filed):,} messages at the SOC, {said - began:.0f} s"
            )


def _filed(inside: Inside, path: Path) -> list[Told]:
    """The SOC's ledger, as any SOC would keep it."""
    decode, encode = msgspec.json.Decoder(Body).decode, msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for at, body in inside.sink.filed:
            message = decode(body)
            file.write(encode(Arrival(at, message.type, message.data)) + b"\n")
    return read_feed(path)


def _verify(path: Path) -> tuple[str, ...]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return tuple(holes(connection))
    finally:
        connection.close()


def report(outcome: Outcome) -> None:
    """Print the scorecard."""
    day = outcome.day
    speed = day.length_s / outcome.took_s
    rows: list[tuple[str, object]] = [
        *outcome.card.rows(),
        ("verify", "whole" if not outcome.verify else "\n".join(outcome.verify[:5])),
        ("not played", "\n".join(outcome.not_played[:5]) or "none"),
        ("events, telemetry", f"{outcome.events:,}, {outcome.telemetry:,}"),
        ("errors logged", ", ".join(outcome.errors) or "none"),
        ("took", f"{outcome.took_s:.0f} s ({speed:,.0f}x real time), {outcome.cpu_s:.0f} s of CPU"),
    ]
    table(f"a day of {day.vehicles:,} vehicles, {day.hours:g} h, seed {day.seed}", rows)


def hours(text: str) -> float:
    """How long a day may be. Errors: ValueError."""
    if not 0.0 < (found := float(text)) <= MOST_HOURS:
        raise ValueError(text)
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    usual = Day()
    parser.add_argument("--vehicles", type=int, default=usual.vehicles)
    parser.add_argument("--hours", type=hours, default=usual.hours)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--driving-share", type=float, help="of the time; usually when people drive")
    parser.add_argument("--scenario", action="append", default=[], help="only this one; may be given often")
    parser.add_argument("--alone", action="store_true", help="nothing happens to the whole fleet")
    parser.add_argument("--max-false", type=float, default=1.0, help="bound: per 1,000 vehicle-days")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave store and SOC ledger there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    day = Day(
        vehicles=options.vehicles, hours=options.hours, seed=options.seed,
        driving_share=options.driving_share, singles=tuple(options.scenario), alone=options.alone,
    )  # fmt: skip
    try:
        programme(day)
    except DayError as error:
        print(error)
        return 2
    progress = Progress()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as temporary:
        folder: Path = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = run(day, folder, progress)
    progress.done()
    report(outcome)
    bounds = Bounds(false_per_1000_days=options.max_false)
    sentences = broken([(True, sentence) for sentence in outcome.complaints(bounds)])
    save(options.json, {"day": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
