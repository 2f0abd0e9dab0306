"""How many theft alarms per second go from event to receipt and on to the webhook, and what limits it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import Percentiles, Rounds
from bench.fleet import Report, Work
from bench.ledger import Verdict
from bench.meter import Meter
from bench.reference import single_commits_per_s
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, wait_for

REFERENCE_S = 2.0
DRAIN_S = 60.0
SUSTAINED_SHARE = 0.99
"""A rate is sustained if so much of it is receipted while it lasts, …"""
SUSTAINED_P99_MS = 1_000.0
"""… and the receipts are this quick."""
FIRST_RATE = 1_000.0
GROW = 1.4
REFINEMENTS = 2
BUSY = 0.85
PARTS = ("gateway", "broker", "soc", "vehicles")


class Lap(Struct, frozen=True, kw_only=True):
    """One measured span."""

    report: Report
    cpu_s: dict[str, float]
    at_soc_per_s: float
    soc_latency_ms: Percentiles
    all_delivered: bool

    def share(self, name: str) -> float:
        """How much of one core a process used."""
        return self.cpu_s[name] / self.report.seconds

    def us_per_alarm(self, name: str) -> float:
        """CPU per receipted alarm."""
        return self.cpu_s[name] * 1e6 / max(1, self.report.receipted)

    @property
    def is_sustained(self) -> bool:
        """Whether the rate that was wanted is the rate that was served."""
        report = self.report
        return (
            report.receipted >= SUSTAINED_SHARE * report.sent
            and report.latency_ms.p99 <= SUSTAINED_P99_MS
            and not report.unreceipted_in_all
        )

    def bottleneck(self) -> str:
        """Name what was busy."""
        cores, machine = os.cpu_count() or 1, self.share("machine")
        busiest = max(PARTS, key=self.share)
        if self.share("gateway/main") >= BUSY:
            return "the gateway's event loop (its main thread is busy)"
        if machine >= BUSY * cores:
            return f"the machine: all {cores} cores are busy, {busiest} most"
        if self.share(busiest) >= BUSY:
            return f"the process of the {busiest}"
        return "waiting, not work: no process and no core is busy"


class Round(Struct, frozen=True, kw_only=True):
    """One side and the other, and the ledger."""

    reference_per_s: float
    lap: Lap
    verdict: Verdict
    verify: str

    @property
    def ratio(self) -> float:
        """Receipted alarms per single commit."""
        return self.lap.report.receipted_per_s / self.reference_per_s


def lap(stage: Stage, work: Work) -> Lap:
    """Let vehicles work once, and measure."""
    vehicles = stage.fleet(work)
    pids = {
        "gateway": stage.gateway.pid,
        "broker": stage.broker.pid,
        "soc": stage.soc.pid,
        "vehicles": vehicles.pid,
    }
    limit_s = work.warm_up_s + work.seconds + work.drain_s + 90
    with Meter(pids) as meter:
        try:
            wait_for(lambda: not vehicles.running, limit_s, "the vehicles did not end", stage.fleet_log)
        finally:
            vehicles.end()
    stage.check_alive()
    report = stage.fleet_report()
    drained = _drained(stage)
    ledger = stage.read_ledger()
    return Lap(
        report=report,
        cpu_s={name: meter.cpu_s(name, report.begin_at, report.end_at) for name in meter.names()},
        at_soc_per_s=ledger.count_at_soc(report.begin_at, report.end_at) / report.seconds,
        soc_latency_ms=ledger.soc_latency_ms(report.begin_at, report.end_at),
        all_delivered=drained,
    )


def _drained(stage: Stage) -> bool:
    """Whether everything came to the SOC; triggers that were gathered are told a second later."""
    try:
        wait_for(lambda: not stage.undelivered(), DRAIN_S, "the outbox did not drain")
        wait_for(lambda: not stage.read_ledger().missing(), DRAIN_S, "not all came to the SOC")
    except StageError:
        return False
    return True


def closed_round(options: argparse.Namespace) -> Round:
    """The reference, then vehicles that send the next event when one is receipted."""
    with Stage(vehicles=options.vehicles) as stage:
        reference = single_commits_per_s(stage.folder, REFERENCE_S)
        work = Work(window=options.window, seconds=options.seconds, drain_s=DRAIN_S)
        measured = lap(stage, work)
        verdict = stage.read_ledger().verdict(stage.last_sequence())
        found = Round(reference_per_s=reference, lap=measured, verdict=verdict, verify=stage.verify())
        if not verdict.is_good:
            stage.keep_folder()
    return found


def search(options: argparse.Namespace, say: Callable[[str], None]) -> list[tuple[float, Lap]]:
    """Open loop: raise the rate until it is not sustained, then look between the last two."""
    laps: list[tuple[float, Lap]] = []
    good, bad, rate = 0.0, 0.0, FIRST_RATE
    with Stage(vehicles=options.vehicles) as stage:
        refined = 0
        while refined <= REFINEMENTS:
            say(f"open loop at {rate:,.0f}/s")
            measured = lap(stage, Work(rate=rate, seconds=options.step_seconds, drain_s=DRAIN_S))
            laps.append((rate, measured))
            if measured.is_sustained:
                good = rate
            else:
                bad = rate
            refined += bool(bad)
            rate = (good + bad) / 2 if bad else rate * GROW
    return laps


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--seconds", type=float, default=20.0, help="measured in each round")
    parser.add_argument("--vehicles", type=int, default=200)
    parser.add_argument("--window", type=int, default=10, help="closed loop: events in flight per vehicle")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--step-seconds", type=float, default=5.0, help="measured at each rate of the open loop"
    )
    parser.add_argument("--no-open", action="store_true", help="leave the open loop out")
    parser.add_argument("--min-ratio", type=float, help="bound: receipted alarms per single commit")
    parser.add_argument("--min-rate", type=float, help="bound: alarms per second, event to receipt")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    progress, rounds = Progress(), []
    for number in range(1, options.rounds + 1):
        progress(f"closed loop, round {number} of {options.rounds}")
        rounds.append(closed_round(options))
    laps = [] if options.no_open else search(options, progress)
    progress.done()
    _show_closed(rounds, options)
    if laps:
        _show_open(laps)
    rate = Rounds(tuple(one.lap.report.receipted_per_s for one in rounds))
    ratio = Rounds(tuple(one.ratio for one in rounds))
    good = all(one.verdict.is_good and one.verify == "whole" and one.lap.all_delivered for one in rounds)
    sentences = broken(
        [
            (not good, "something was lost, doubled or left: see the counts"),
            (_below(ratio, options.min_ratio), f"the ratio is below {options.min_ratio}"),
            (_below(rate, options.min_rate), f"the rate is below {options.min_rate}"),
        ]
    )
    results = {"closed": [asdict(one) for one in rounds], "open": laps, "failed": sentences}
    save(options.json, {"alarms": results})
    return 1 if sentences else 0


def _below(rounds: Rounds, bound: float | None) -> bool:
    return bound is not None and rounds.median < bound


def _show_closed(rounds: list[Round], options: argparse.Namespace) -> None:
    laps = [one.lap for one in rounds]
    rows: list[tuple[str, object]] = [
        ("event to receipt, per s", _over([one.report.receipted_per_s for one in laps])),
        ("event to webhook, per s", _over([one.at_soc_per_s for one in laps])),
        ("one commit per alarm, per s", _over([one.reference_per_s for one in rounds])),
        ("RATIO to one commit per alarm", _over([one.ratio for one in rounds], 2)),
        ("event to receipt", _middle(laps).report.latency_ms.text()),
        ("event to webhook", _middle(laps).soc_latency_ms.text()),
        ("messages per event", _over([one.verdict.messages / max(1, one.verdict.sent) for one in rounds], 2)),
    ]
    rows += [
        (f"CPU of {part}, us per alarm", _over([one.us_per_alarm(part) for one in laps])) for part in PARTS
    ]
    middle = _middle(laps)
    rows += [
        ("cores used", _cores(middle)),
        ("bottleneck", middle.bottleneck()),
        ("sent, receipted, at the SOC", _counts(rounds)),
        ("lost, doubled, false receipts", _faults(rounds)),
        ("verify", ", ".join(one.verify for one in rounds)),
    ]
    table(f"alarms, closed loop: {options.vehicles} vehicles, {options.window} events in flight each", rows)


def _show_open(laps: list[tuple[float, Lap]]) -> None:
    rows: list[tuple[str, object]] = [(f"{rate:,.0f}/s", _step(one)) for rate, one in laps]
    best = max((rate for rate, one in laps if one.is_sustained), default=0.0)
    rows.append(("SUSTAINED", f"{best:,.0f} alarms/s from event to receipt"))
    table("alarms, open loop", rows)


def _step(one: Lap) -> str:
    """One rate of the open loop, three lines."""
    word = "sustained" if one.is_sustained else "NOT sustained"
    return (
        f"{word}: {one.report.receipted_per_s:,.0f}/s, "
        f"gateway {one.us_per_alarm('gateway'):,.0f} us of CPU per alarm\n"
        f"receipt {one.report.latency_ms.text()}\n"
        f"webhook {one.soc_latency_ms.text()}\n"
        f"{_cores(one)}"
    )


def _middle(laps: list[Lap]) -> Lap:
    """The lap of median rate."""
    return sorted(laps, key=lambda one: one.report.receipted_per_s)[len(laps) // 2]


def _over(values: list[float], digits: int = 0) -> str:
    return Rounds(tuple(values)).text(digits)


def _cores(one: Lap) -> str:
    parts = ", ".join(f"{part} {one.share(part):.2f}" for part in (*PARTS, "gateway/main"))
    others = one.share("machine") - sum(one.share(part) for part in PARTS)
    return f"cores: {parts}, all others {max(0.0, others):.2f}"


def _counts(rounds: list[Round]) -> str:
    verdicts = [one.verdict for one in rounds]
    sums = (sum(getattr(one, name) for one in verdicts) for name in ("sent", "receipted", "at_soc"))
    return ", ".join(f"{number:,}" for number in sums)


def _faults(rounds: list[Round]) -> str:
    verdicts = [one.verdict for one in rounds]
    sums = (sum(getattr(one, name) for one in verdicts) for name in ("lost", "doubled", "false_receipts"))
    return ", ".join(f"{number:,}" for number in sums)
