"""A SOC that answers nothing for minutes, then heals: memory stays flat, nothing is lost, critical first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import slope_per_s
from bench.fleet import Report, Work
from bench.kills import ledger_rows
from bench.ledger import Ledger, Verdict
from bench.meter import rss_bytes
from bench.show import Progress, broken, save, table
from bench.stage import Stage, wait_for
from devtools.processes import Process
from gateway.domain.causes import BY_NAME

CAUSES = ("hold_up", "intrusion")
"""One critical and one major, each stated by half of the vehicles only."""
EVENTS_PER_S_AND_VEHICLE = 0.5
"""Slower than alarms are gathered: each event makes a message of its own."""
LOOK_EVERY_S = 1.0
WARM_UP_SHARE, WARM_UP_MOST_S = 0.25, 60.0
SLOWEST_DRAIN_PER_S = 100.0
DRAIN_AT_LEAST_S = 120.0
MB = 1e6


class Healing(Struct, frozen=True, kw_only=True):
    """How the SOC got what had waited; seconds count from its first moment of health."""

    first_s: float
    all_s: float
    critical_median_s: float
    critical_last_s: float
    major_median_s: float
    majors_before_last_critical: int
    majors: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What the drill found."""

    report: Report
    memory: list[tuple[float, float]]
    """Seconds since the outage began, bytes."""
    warm_up_s: float
    waiting_at_heal: int
    memory_after: int
    healing: Healing
    verdict: Verdict
    verify: str
    undelivered: int
    evidence: str

    @property
    def growth_mb(self) -> float:
        """From the end of the warm-up to the end of the outage."""
        warm = [rss for at_s, rss in self.memory if at_s >= self.warm_up_s]
        return (warm[-1] - warm[0]) / MB

    @property
    def slope_mb_per_min(self) -> float:
        """Least squares over the same time."""
        warm = [(at_s, rss / MB) for at_s, rss in self.memory if at_s >= self.warm_up_s]
        return slope_per_s(warm) * 60

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost or doubled and all was delivered."""
        return self.verdict.is_good and self.verify == "whole" and not self.undelivered


def run(minutes: float, rate: float, say: Callable[[str], None]) -> Outcome:
    """Hang the SOC under load, heal it, wait until it has everything."""
    vehicles = max(len(CAUSES), round(rate / EVENTS_PER_S_AND_VEHICLE))
    with Stage(vehicles=vehicles) as stage:
        stage.soc.mode("hang")
        work = Work(rate=rate, warm_up_s=0, seconds=minutes * 60, causes=CAUSES, one_cause_each=True)
        fleet = stage.fleet(work)
        try:
            memory = _watch(stage, fleet, say)
        finally:
            fleet.end()
        report, waiting = stage.fleet_report(), stage.undelivered()
        healed_at = time.time()
        stage.soc.mode("ok")
        _drain(stage, waiting, say)
        after, ledger = rss_bytes(stage.gateway.pid), stage.read_ledger()
        outcome = Outcome(
            report=report,
            memory=memory,
            warm_up_s=min(WARM_UP_SHARE * minutes * 60, WARM_UP_MOST_S),
            waiting_at_heal=waiting,
            memory_after=after,
            healing=_healing(ledger, healed_at),
            verdict=ledger.verdict(stage.last_sequence()),
            verify=stage.verify(),
            undelivered=stage.undelivered(),
            evidence=str(stage.folder),
        )
        if not outcome.is_good:
            stage.keep_folder()
    return outcome


def _watch(stage: Stage, fleet: Process, say: Callable[[str], None]) -> list[tuple[float, float]]:
    """Sample the gateway's memory while vehicles alarm and the SOC says nothing."""
    began, memory = time.monotonic(), []
    while fleet.running:
        stage.check_alive()
        at_s, rss = time.monotonic() - began, rss_bytes(stage.gateway.pid)
        memory.append((at_s, float(rss)))
        say(f"{at_s:4.0f} s of silence, {stage.undelivered():,} wait, gateway {rss / MB:,.0f} MB")
        time.sleep(LOOK_EVERY_S)
    return memory


def _drain(stage: Stage, waiting: int, say: Callable[[str], None]) -> None:
    def delivered() -> bool:
        stage.check_alive()
        left = stage.undelivered()
        say(f"healed: {left:,} wait")
        time.sleep(LOOK_EVERY_S / 5)
        return not left

    limit_s = max(DRAIN_AT_LEAST_S, waiting / SLOWEST_DRAIN_PER_S)
    wait_for(delivered, limit_s, f"the outbox of {waiting:,} did not drain")


def _healing(ledger: Ledger, healed_at: float) -> Healing:
    """In what order the messages about vehicles came."""
    came: dict[str, list[float]] = {"critical": [], "major": []}
    for arrival in ledger.accepted:
        if arrival.vin is not None and arrival.cause in CAUSES:
            came[BY_NAME[arrival.cause].severity].append(arrival.at - healed_at)
    critical, major = came["critical"], came["major"]
    return Healing(
        first_s=min(critical + major),
        all_s=max(critical + major),
        critical_median_s=median(critical),
        critical_last_s=max(critical),
        major_median_s=median(major),
        majors_before_last_critical=sum(at < max(critical) for at in major),
        majors=len(major),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--minutes", type=float, default=10.0, help="of silence; 1 for a quick look")
    parser.add_argument("--rate", type=float, default=300.0, help="alarms per second over the fleet")
    parser.add_argument("--max-growth-mb", type=float, default=20.0, help="bound: memory after the warm-up")
    parser.add_argument("--max-first-s", type=float, default=5.0, help="bound: SOC well to first delivery")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    progress = Progress()
    outcome = run(options.minutes, options.rate, progress)
    progress.done()
    report, healing = outcome.report, outcome.healing
    first, last, most = outcome.memory[0][1], outcome.memory[-1][1], max(rss for _, rss in outcome.memory)
    drained_per_s = outcome.waiting_at_heal / healing.all_s
    table(
        f"SOC silent for {options.minutes:g} min under {options.rate:g} alarms/s",
        [
            *ledger_rows(outcome.verdict),
            ("verify", outcome.verify),
            ("event to receipt, SOC silent", report.latency_ms.text()),
            ("memory, MB", f"{first / MB:.1f} at first, {last / MB:.1f} at last, {most / MB:.1f} at most"),
            ("growth after warm-up", f"{outcome.growth_mb:+.1f} MB after {outcome.warm_up_s:.0f} s"),
            ("slope after warm-up", f"{outcome.slope_mb_per_min:+.2f} MB/min"),
            ("memory after the drain, MB", f"{outcome.memory_after / MB:.1f}"),
            ("waiting when the SOC healed", outcome.waiting_at_heal),
            ("first delivery after", f"{healing.first_s:.2f} s"),
            ("all delivered after", f"{healing.all_s:.1f} s ({drained_per_s:,.0f}/s)"),
            (
                "critical, median and last",
                f"{healing.critical_median_s:.1f} s, {healing.critical_last_s:.1f} s",
            ),
            ("major, median", f"{healing.major_median_s:.1f} s"),
            (
                "majors before the last critical",
                f"{healing.majors_before_last_critical:,} of {healing.majors:,}",
            ),
            ("left in the outbox", outcome.undelivered),
        ],
    )
    sentences = broken(
        [
            (not outcome.is_good, f"a promise is broken: see the ledger; evidence in {outcome.evidence}"),
            (outcome.growth_mb > options.max_growth_mb, f"grew by more than {options.max_growth_mb} MB"),
            (
                healing.first_s > options.max_first_s,
                f"first delivery after more than {options.max_first_s} s",
            ),
            (healing.critical_median_s >= healing.major_median_s, "critical alarms did not come first"),
        ]
    )
    save(options.json, {"soc-outage": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
