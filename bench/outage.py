"""The broker is away for a while under load: what waited comes, nothing is lost, everybody is back soon."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import Percentiles, percentiles
from bench.kills import DRAIN_S, FIRST_ALARM_WITHIN_S, LOOK_EVERY_S, drain, ledger_rows
from bench.ledger import Ledger, Verdict, seconds
from bench.show import Progress, broken, save, table
from bench.stage import Stage, end_vehicles, wait_for


class Plan(Struct, frozen=True, kw_only=True):
    """One outage: load before it, the time without a broker, load after it."""

    vehicles: int = 100
    rate: float = 50.0
    before_s: float = 8.0
    away_s: float = 15.0
    after_s: float = 15.0
    seed: int = 1
    back_within_s: float = 60.0
    """Bound: until the last vehicle has a receipt again."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of it; seconds count from the moment the broker was there again."""

    plan: Plan
    verdict: Verdict
    verify: str
    undelivered: int
    back_s: Percentiles
    never_back: int
    evidence: str

    def complaints(self) -> list[str]:
        """Every promise that was broken."""
        found = (
            (not self.verdict.is_good, "a promise is broken: see the ledger"),
            (self.verify != "whole", f"verify: {self.verify}"),
            (self.undelivered > 0, f"{self.undelivered} left in the outbox"),
            (self.never_back > 0, f"{self.never_back} vehicles never had a receipt again"),
            (
                self.back_s.max > self.plan.back_within_s,
                f"back after more than {self.plan.back_within_s:g} s",
            ),
        )
        return [sentence for is_so, sentence in found if is_so]


def run(plan: Plan, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Take the broker away once, and give it back."""
    with Stage(vehicles=plan.vehicles, seed=plan.seed, folder=folder) as stage:
        emulator = stage.emulator(alarm_rate=plan.rate, drain_s=DRAIN_S)
        try:
            log = stage.folder / "vehicles.log"
            wait_for(lambda: stage.at_soc() > 0, FIRST_ALARM_WITHIN_S, "no alarm came", log)
            _wait(plan.before_s, lambda left_s: say(f"{left_s:3.0f} s until the broker goes"))
            gone_at = time.time()
            stage.broker.kill()
            _wait(plan.away_s, lambda left_s: say(f"no broker for {left_s:3.0f} s more"))
            stage.broker.start()
            back_at = time.time()
            _wait(plan.after_s, lambda left_s: say(f"{left_s:3.0f} s more, {stage.at_soc():,} at the SOC"))
        finally:
            ended = time.monotonic()
            end_vehicles(emulator, DRAIN_S + 30)
        drain(stage, ended, say)
        ledger = stage.read_ledger()
        back_s, never_back = _back(ledger, gone_at, back_at)
        outcome = Outcome(
            plan=plan, verdict=ledger.verdict(stage.last_sequence()), verify=stage.verify(),
            undelivered=stage.undelivered(),  back_s=back_s,
            never_back=never_back, evidence=str(stage.folder),
        )  # fmt: skip
        if outcome.complaints():
            stage.keep_folder()
    return outcome


def _wait(for_s: float, tell: Callable[[float], None]) -> None:
    end_s = time.monotonic() + for_s
    while (left_s := end_s - time.monotonic()) > 0:
        tell(left_s)
        time.sleep(min(LOOK_EVERY_S, left_s))


def _back(ledger: Ledger, gone_at: float, back_at: float) -> tuple[Percentiles, int]:
    """For each vehicle that alarmed before, the time until its first receipt after."""
    first: dict[str, float] = {}
    before: set[str] = set()
    for line in ledger.triggers.values():
        if line.sent_at is not None and seconds(line.sent_at) < gone_at:
            before.add(line.vin)
        if line.receipted_at is not None and (at := seconds(line.receipted_at)) >= back_at:
            first[line.vin] = min(at, first.get(line.vin, at))
    times = percentiles([first[vin] - back_at for vin in sorted(before & first.keys())])
    return times, len(before - first.keys())


def add_options(parser: argparse.ArgumentParser, usual: Plan | None = None) -> None:
    """Its command line."""
    usual = usual or Plan()
    parser.add_argument("--vehicles", type=int, default=usual.vehicles)
    parser.add_argument("--rate", type=float, default=usual.rate, help="alarms per second over the fleet")
    parser.add_argument("--away", type=float, default=usual.away_s, help="seconds without a broker")
    parser.add_argument("--after", type=float, default=usual.after_s, help="seconds of load after it")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--max-back-s", type=float, default=usual.back_within_s, help="bound: the last one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace, name: str = "outage") -> int:
    """Run, report, judge."""
    plan = Plan(
        vehicles=options.vehicles, rate=options.rate, away_s=options.away, after_s=options.after,
        seed=options.seed, back_within_s=options.max_back_s,
    )  # fmt: skip
    progress = Progress()
    outcome = run(plan, say=progress)
    progress.done()
    table(
        f"{name}: {plan.vehicles:,} vehicles, {plan.rate:g} alarms/s, no broker for {plan.away_s:g} s",
        [
            *ledger_rows(outcome.verdict),
            ("broker back to first receipt, each vehicle", outcome.back_s.text("s", 2)),
            ("verify", outcome.verify),
            ("left in the outbox", outcome.undelivered),
            *([("evidence", outcome.evidence)] if outcome.complaints() else []),
        ],
    )
    sentences = broken([(True, sentence) for sentence in outcome.complaints()])
    save(options.json, {name: asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
