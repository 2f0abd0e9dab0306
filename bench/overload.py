"""More alarms than this machine serves, for a while: all are receipted soon after, and none is lost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.fleet import Report, Work
from bench.kills import drain, ledger_rows
from bench.ledger import Verdict
from bench.show import Progress, broken, save, table
from bench.stage import Stage, wait_for

ENDS_WITHIN_S = 120.0


class Plan(Struct, frozen=True, kw_only=True):
    """An open loop of ``rate`` alarms per second: nobody slows down because the gateway does."""

    vehicles: int = 1_000
    rate: float = 3_500.0
    seconds: float = 14.0
    drain_s: float = 60.0
    """Bound: after so long everything has its receipt."""
    seed: int = 1


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of it."""

    plan: Plan
    report: Report
    verdict: Verdict
    verify: str
    undelivered: int
    evidence: str

    def complaints(self) -> list[str]:
        """Every promise that was broken."""
        unreceipted, drain_s = self.report.unreceipted_in_all, self.plan.drain_s
        found = (
            (not self.verdict.is_good, "a promise is broken: see the ledger"),
            (unreceipted > 0, f"{unreceipted:,} without a receipt after {drain_s:g} s"),
            (self.verify != "whole", f"verify: {self.verify}"),
            (self.undelivered > 0, f"{self.undelivered} left in the outbox"),
            (not self.report.waiting_at_end, "it was no overload: nothing waited at its end"),
        )
        return [sentence for is_so, sentence in found if is_so]


def run(plan: Plan, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Overload the gateway once, and wait for the receipts."""
    with Stage(vehicles=plan.vehicles, seed=plan.seed, folder=folder) as stage:
        work = Work(rate=plan.rate, warm_up_s=0, seconds=plan.seconds, drain_s=plan.drain_s)
        fleet = stage.fleet(work)
        try:
            limit_s = plan.seconds + plan.drain_s + ENDS_WITHIN_S
            wait_for(lambda: _ended(fleet.running, stage, say), limit_s, "they did not end", stage.fleet_log)
        finally:
            fleet.end()
        stage.check_alive()
        drain(stage, time.monotonic(), say)
        outcome = Outcome(
            plan=plan, report=stage.fleet_report(),
            verdict=stage.read_ledger().verdict(stage.last_sequence()), verify=stage.verify(),
            undelivered=stage.undelivered(), evidence=str(stage.folder),
        )  # fmt: skip
        if outcome.complaints():
            stage.keep_folder()
    return outcome


def _ended(running: bool, stage: Stage, say: Callable[[str], None]) -> bool:  # noqa: FBT001  # what was asked
    say(f"{stage.at_soc():,} requests at the SOC")
    return not running


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    usual = Plan()
    parser.add_argument("--vehicles", type=int, default=usual.vehicles)
    parser.add_argument("--rate", type=float, default=usual.rate, help="alarms per second over the fleet")
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument(
        "--drain", type=float, default=usual.drain_s, help="bound: until the last receipt, in s"
    )
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    plan = Plan(
        vehicles=options.vehicles, rate=options.rate, seconds=options.seconds, drain_s=options.drain,
        seed=options.seed,
    )  # fmt: skip
    progress = Progress()
    outcome = run(plan, say=progress)
    progress.done()
    report = outcome.report
    table(
        f"overload: {plan.vehicles:,} vehicles, {plan.rate:,g} alarms/s for {plan.seconds:g} s",
        [
            *ledger_rows(outcome.verdict),
            ("receipted while it lasted, per s", f"{report.receipted_per_s:,.0f}"),
            ("waiting at its end", report.waiting_at_end),
            (f"without a receipt {plan.drain_s:g} s later", report.unreceipted_in_all),
            ("event to receipt", report.latency_ms.text()),
            ("sent again", report.resent_in_all),
            ("connections lost", report.disconnects),
            ("verify", outcome.verify),
            ("left in the outbox", outcome.undelivered),
            *([("evidence", outcome.evidence)] if outcome.complaints() else []),
        ],
    )
    sentences = broken([(True, sentence) for sentence in outcome.complaints()])
    save(options.json, {"overload": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
