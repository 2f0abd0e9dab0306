"""Kill the gateway, the broker and the SOC again and again under load, and count what is lost or doubled."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import percentiles
from bench.ledger import Kill, Verdict
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, end_vehicles, wait_for
from devtools.processes import Process

VICTIMS = ("gateway", "broker", "soc")
EVENTS_PER_S_AND_VEHICLE = 2.0
"""Below the rate at which a vehicle's events are gathered, so that each has a message of its own."""
FIRST_ALARM_WITHIN_S = 30.0
DRAIN_S = 120.0
LOOK_EVERY_S = 0.2


class Victim(Protocol):
    """What can be killed and comes back on the same address with the same data."""

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""

    def start(self) -> None:
        """Start it again."""


class Plan(Struct, frozen=True, kw_only=True):
    """One drill."""

    seconds: float = 60.0
    rate: float = 100.0
    seed: int = 1
    victims: tuple[str, ...] = ("gateway", "broker")
    sinks: tuple[str, ...] = ("webhook",)
    gap_s: tuple[float, float] = (2.0, 4.0)
    least_kills: int = 0
    """A drill goes on beyond its time until there were so many: on a slow machine a start takes long."""
    telemetry_rate: float = 0.0

    @property
    def vehicles(self) -> int:
        """As many as it takes to stay below a vehicle's own quota."""
        return max(20, round(self.rate / EVENTS_PER_S_AND_VEHICLE))


class Outcome(Struct, frozen=True, kw_only=True):
    """What the drill found."""

    plan: Plan
    kills: list[Kill]
    verdict: Verdict
    verify: str
    undelivered: int
    vehicles_exit: int
    drained_s: float
    recoveries_s: dict[str, list[float]]
    receipt_latency: str
    evidence: str

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled or falsely receipted, and all was delivered."""
        return self.verdict.is_good and self.verify == "whole" and not self.undelivered


def run(plan: Plan, folder: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run one drill from its start to the ledger."""
    with Stage(vehicles=plan.vehicles, seed=plan.seed, sinks=plan.sinks, folder=folder) as stage:
        emulator = stage.emulator(alarm_rate=plan.rate, telemetry_rate=plan.telemetry_rate, drain_s=DRAIN_S)
        try:
            wait_for(
                lambda: stage.at_soc() > 0,
                FIRST_ALARM_WITHIN_S,
                "no alarm came",
                stage.folder / "vehicles.log",
            )
            kills = _kill(plan, stage, emulator, progress)
        finally:
            ended = time.monotonic()
            exit_code = end_vehicles(emulator, DRAIN_S + 30)
        drain(stage, ended, progress)
        drained_s = time.monotonic() - ended
        ledger = stage.read_ledger()
        outcome = Outcome(
            plan=plan,
            kills=kills,
            verdict=ledger.verdict(stage.last_sequence()),
            verify=stage.verify(),
            undelivered=stage.undelivered(),
            vehicles_exit=exit_code,
            drained_s=drained_s,
            recoveries_s={victim: ledger.recoveries_s(kills, victim) for victim in plan.victims},
            receipt_latency=ledger.receipt_latency_ms().text(),
            evidence=str(stage.folder),
        )
        if not outcome.is_good:
            stage.keep_folder()
    return outcome


def _kill(plan: Plan, stage: Stage, emulator: Process, progress: Callable[[str], None]) -> list[Kill]:
    """Kill one victim after another, each back at once, until the time is over."""
    victims: dict[str, Victim] = {"gateway": stage.gateway, "broker": stage.broker, "soc": stage.soc}
    dice = random.Random(plan.seed)
    kills: list[Kill] = []
    end = time.monotonic() + plan.seconds
    due = time.monotonic() + dice.uniform(*plan.gap_s)
    while (now := time.monotonic()) < end or len(kills) < plan.least_kills:
        stage.check_alive()
        if not emulator.running:
            raise StageError("the vehicles ended by themselves; see vehicles.log in " + str(stage.folder))
        if now >= due:
            name = dice.choice(plan.victims)
            kills.append(Kill(time.time(), name))
            victims[name].kill()
            victims[name].start()
            due = time.monotonic() + dice.uniform(*plan.gap_s)
        progress(
            f"{max(0, end - now):4.0f} s left, {len(kills)} kills, {stage.at_soc():,} requests at the SOC"
        )
        time.sleep(LOOK_EVERY_S)
    return kills


def drain(stage: Stage, since: float, progress: Callable[[str], None]) -> None:
    """Wait until the outbox is empty and the SOC has everything; what is missing then is in the ledger."""
    while time.monotonic() < since + DRAIN_S:
        stage.check_alive()
        waiting, missing = stage.undelivered(), stage.read_ledger().missing()
        if not waiting and not missing:
            return
        progress(f"draining: {waiting:,} in the outbox, {missing:,} not at the SOC")
        time.sleep(LOOK_EVERY_S)


def report(outcome: Outcome) -> None:
    """Print the ledger."""
    verdict, plan = outcome.verdict, outcome.plan
    counts = {name: sum(kill.victim == name for kill in outcome.kills) for name in plan.victims}
    killed = ", ".join(f"{name} {count}x" for name, count in counts.items())
    rows: list[tuple[str, object]] = [
        ("killed", killed),
        *ledger_rows(verdict),
        ("verify", outcome.verify),
        ("left in the outbox", outcome.undelivered),
        ("event to receipt", outcome.receipt_latency),
        ("drained after", f"{outcome.drained_s:.1f} s"),
    ]
    for name, recoveries in outcome.recoveries_s.items():
        rows.append((f"{name} killed to next alarm", percentiles(recoveries).text("s", 2)))
    if not outcome.is_good:
        rows.append(("evidence", outcome.evidence))
    table(
        f"kills: {plan.rate:g} alarms/s for {plan.seconds:g} s, {plan.vehicles} vehicles, seed {plan.seed}",
        rows,
    )


def ledger_rows(verdict: Verdict) -> list[tuple[str, object]]:
    """Show the comparison for people."""
    return [
        ("sent by vehicles", verdict.sent),
        ("receipted", verdict.receipted),
        ("at the SOC", verdict.at_soc),
        ("LOST", verdict.lost),
        ("DOUBLED after the key", verdict.doubled),
        ("FALSE RECEIPTS", verdict.false_receipts),
        ("never receipted", verdict.unreceipted),
        ("rejected", verdict.rejected),
        ("gaps in the feed", verdict.sequence_gaps),
        ("without signature", verdict.unsigned),
        ("messages", verdict.messages),
        ("raw repeats (same webhook-id)", verdict.raw_repeats),
        ("told unrecorded", verdict.unrecorded),
        ("resent by vehicles", verdict.resent),
        *((f"example: {name}", "\n".join(some)) for name, some in verdict.examples.items()),
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    usual = Plan()
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--kills", type=int, default=usual.least_kills, help="go on until there were so many")
    parser.add_argument("--rate", type=float, default=usual.rate, help="alarms per second over the fleet")
    parser.add_argument(
        "--seed", type=int, default=usual.seed, help="the same seed kills at the same moments"
    )
    parser.add_argument("--victims", default=",".join(usual.victims), help=f"of {', '.join(VICTIMS)}")
    parser.add_argument("--sinks", default=",".join(usual.sinks), help="webhook, and beside it log")
    parser.add_argument("--telemetry", type=float, default=0.0, help="telemetry per second beside the alarms")
    parser.add_argument("--max-gateway-s", type=float, help="bound: gateway killed to next alarm")
    parser.add_argument("--max-broker-s", type=float, help="bound: broker killed to next alarm")
    parser.add_argument("--max-soc-s", type=float, help="bound: SOC killed to next alarm")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    plan = Plan(
        seconds=options.seconds,
        least_kills=options.kills,
        rate=options.rate,
        seed=options.seed,
        victims=_names(options.victims, VICTIMS),
        sinks=_names(options.sinks, ("webhook", "log")),
        telemetry_rate=options.telemetry,
    )
    progress = Progress()
    outcome = run(plan, progress=progress)
    progress.done()
    report(outcome)
    limits = {"gateway": options.max_gateway_s, "broker": options.max_broker_s, "soc": options.max_soc_s}
    worst = {name: max(found, default=0.0) for name, found in outcome.recoveries_s.items()}
    sentences = broken(
        [(not outcome.is_good, "a promise is broken: see the ledger")]
        + [
            (limit is not None and worst.get(name, 0.0) > limit, f"{name}: back after more than {limit} s")
            for name, limit in limits.items()
        ]
    )
    save(options.json, {"kills": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0


def _names(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise SystemExit(f"{name!r} is not one of {', '.join(known)}")
    return names
