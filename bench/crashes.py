"""Let the gateway die at each of its named crash points under load, and count what is lost or doubled."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.kills import drain, ledger_rows
from bench.ledger import Verdict
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, end_vehicles
from gateway.faults import CRASH_POINTS

EXIT_CODE = 137
DIES_WITHIN_S = 60.0
VEHICLES = 30
RATE = 60.0
DRAIN_S = 60.0


class Crash(Struct, frozen=True):
    """One life of the gateway that ended where it was told to."""

    point: str
    hit: int
    lived_s: float
    exit_code: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a chain of crashes."""

    crashes: list[Crash]
    verdict: Verdict
    verify: str
    undelivered: int
    evidence: str

    @property
    def is_good(self) -> bool:
        """Whether each life ended at its crash point, and nothing was lost or doubled."""
        died = all(crash.exit_code == EXIT_CODE for crash in self.crashes)
        return died and self.verdict.is_good and self.verify == "whole" and not self.undelivered


def run(
    points: Sequence[str],
    hits: Sequence[int],
    *,
    folder: Path | None = None,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Crash at each point and hit, one life after the other; then start without a crash point, and drain."""
    total = len(points) * len(hits)
    with Stage(vehicles=VEHICLES, seed=seed, folder=folder) as stage:
        emulator = stage.emulator(alarm_rate=RATE, drain_s=DRAIN_S)
        try:
            stage.gateway.kill()
            crashes = []
            for point in points:
                for hit in hits:
                    crashes.append(_crash(stage, point, hit))
                    progress(f"{len(crashes)} of {total} crashes, {stage.at_soc():,} requests at the SOC")
            stage.gateway.start()
        finally:
            ended = time.monotonic()
            end_vehicles(emulator, DRAIN_S + 30)
        drain(stage, ended, progress)
        verdict = stage.read_ledger().verdict(stage.last_sequence())
        outcome = Outcome(
            crashes=crashes,
            verdict=verdict,
            verify=stage.verify(),
            undelivered=stage.undelivered(),
            evidence=str(stage.folder),
        )
        if not outcome.is_good:
            stage.keep_folder()
    return outcome


def _crash(stage: Stage, point: str, hit: int) -> Crash:
    began = time.monotonic()
    stage.gateway.start({"GATEWAY_CRASH_AT": point, "GATEWAY_CRASH_ON_HIT": str(hit)})
    code = stage.gateway.wait_dead(DIES_WITHIN_S)
    if code != EXIT_CODE:
        raise StageError(f"{point}, hit {hit}: exit code {code}\n{stage.gateway.log_tail()}")
    return Crash(point, hit, time.monotonic() - began, code)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--hits", type=int, default=20, help="die at the 1st, 2nd, … hit of each point")
    parser.add_argument("--points", default=",".join(CRASH_POINTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    points, progress = options.points.split(","), Progress()
    outcome = run(points, range(1, options.hits + 1), seed=options.seed, progress=progress)
    progress.done()
    rows: list[tuple[str, object]] = []
    for point in points:
        lives = [crash for crash in outcome.crashes if crash.point == point]
        there = sum(crash.exit_code == EXIT_CODE for crash in lives)
        rows.append((f"died {point}", f"{there} of {len(lives)}"))
    rows += [
        *ledger_rows(outcome.verdict),
        ("verify", outcome.verify),
        ("left in outbox", outcome.undelivered),
    ]
    if not outcome.is_good:
        rows.append(("evidence", outcome.evidence))
    table(f"crashes: {RATE:g} alarms/s, {VEHICLES} vehicles, seed {options.seed}", rows)
    sentences = broken([(not outcome.is_good, "a promise is broken: see the ledger")])
    save(options.json, {"crashes": asdict(outcome), "failed": sentences})
    return 1 if sentences else 0
