"""One vehicle floods, 100 others alarm once each: none of theirs is lost, and none waits for long."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import Percentiles
from bench.fleet import Work
from bench.kills import FIRST_ALARM_WITHIN_S, drain, ledger_rows
from bench.ledger import Verdict
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, end_vehicles, wait_for

FLOOD_ENDS_WITHIN_S = 60.0
FLOOD_DRAIN_S = 1.0
"""Nobody waits for the flood's own receipts."""


class Plan(Struct, frozen=True, kw_only=True):
    """One flood: ``alarms`` and ``telemetry`` per second of one vehicle, beside the others' alarms."""

    others: int = 100
    seconds: float = 20.0
    alarms: float = 500.0
    telemetry: float = 5_000.0
    seed: int = 1
    soc_within_s: float = 5.0
    """Bound: the slowest of the others' alarms."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of the others' alarms."""

    plan: Plan
    verdict: Verdict
    verify: str
    to_soc_ms: Percentiles
    flooded: int
    evidence: str

    def complaints(self) -> list[str]:
        """Every promise that was broken."""
        plan = self.plan
        found = (
            (not self.verdict.is_good, "a promise is broken: see the ledger"),
            (self.verdict.sent < plan.others, f"only {self.verdict.sent} of {plan.others} alarmed"),
            (self.verify != "whole", f"verify: {self.verify}"),
            (self.to_soc_ms.max > plan.soc_within_s * 1_000, f"one took more than {plan.soc_within_s:g} s"),
            (self.flooded < plan.others, "there was no flood"),
        )
        return [sentence for is_so, sentence in found if is_so]


def run(plan: Plan, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Let one vehicle flood while the others alarm."""
    with Stage(vehicles=plan.others, seed=plan.seed, folder=folder, crowd=1) as stage:
        flooder = stage.emulator(
            alarm_rate=plan.alarms, telemetry_rate=plan.telemetry, drain_s=FLOOD_DRAIN_S, crowd=True
        )
        try:
            log = stage.folder / "vehicles.log"
            wait_for(lambda: stage.at_soc() > 0, FIRST_ALARM_WITHIN_S, "the flood did not begin", log)
            say("the flood has begun")
            work = Work(rate=plan.others / plan.seconds, warm_up_s=0, seconds=plan.seconds)
            fleet = stage.fleet(work)
            wait_for(lambda: not fleet.running, plan.seconds + 90, "the others did not end", stage.fleet_log)
            if not flooder.running:
                raise StageError(f"the flooding vehicle ended by itself; see {log}")
        finally:
            end_vehicles(flooder, FLOOD_ENDS_WITHIN_S)
        drain(stage, time.monotonic(), say)
        ledger, others = stage.read_ledger(), set(stage.vins)
        outcome = Outcome(
            plan=plan, verdict=ledger.verdict(stage.last_sequence()), verify=stage.verify(),
            to_soc_ms=ledger.soc_latency_ms(0.0, float("inf")),
            flooded=sum(vin not in others for vin, _ in ledger.messages_of),
            evidence=str(stage.folder),
        )  # fmt: skip
        if outcome.complaints():
            stage.keep_folder()
    return outcome


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    usual = Plan()
    parser.add_argument("--others", type=int, default=usual.others)
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--alarms", type=float, default=usual.alarms, help="of the flood, per second")
    parser.add_argument("--telemetry", type=float, default=usual.telemetry, help="of the flood, per second")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument(
        "--max-soc-s", type=float, default=usual.soc_within_s, help="bound: the slowest alarm"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    plan = Plan(
        others=options.others, seconds=options.seconds, alarms=options.alarms, telemetry=options.telemetry,
        seed=options.seed, soc_within_s=options.max_soc_s,
    )  # fmt: skip
    progress = Progress()
    outcome = run(plan, say=progress)
    progress.done()
    table(
        f"flood: one vehicle with {plan.alarms:g} alarms/s and {plan.telemetry:g} telemetry/s,"
        f" {plan.others} others alarm once",
        [
            *ledger_rows(outcome.verdict),
            ("event of another to the SOC", outcome.to_soc_ms.text()),
            ("events of the flood at the SOC", outcome.flooded),
            ("verify", outcome.verify),
            *([("evidence", outcome.evidence)] if outcome.complaints() else []),
        ],
    )
    sentences = broken([(True, sentence) for sentence in outcome.complaints()])
    save(options.json, {"flood": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
