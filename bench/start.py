"""From the gateway's command to ready, with a large fleet and its alarms stored, beside an empty store."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from bench import filled
from bench.figures import Rounds
from bench.show import Progress, broken, save, table
from bench.site import Site
from devtools import CACHE


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--vehicles", type=int, default=100_000, help="stored, each with one alarm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-s", type=float, help="bound: command to ready with the large store")
    parser.add_argument("--max-ratio", type=float, help="bound: the large store's time to the empty one's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    say = Progress()
    say(f"a store of {options.vehicles:,} vehicles")
    stored = filled.store(options.vehicles, nights=1)
    full_s, empty_s = [], []
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        empty_s.append(_empty())
        full_s.append(_start(stored))
    say.done()
    full, empty = Rounds(tuple(full_s)), Rounds(tuple(empty_s))
    ratio = full.median / empty.median
    table(
        f"start with {options.vehicles:,} vehicles and as many alarms stored",
        [
            ("command to ready, s", full.text(2)),
            ("with an empty store, s", empty.text(2)),
            ("RATIO", f"{ratio:.2f}"),
        ],
    )
    sentences = broken(
        [
            (options.max_s is not None and full.median > options.max_s, f"ready after {options.max_s} s"),
            (options.max_ratio is not None and ratio > options.max_ratio, f"ratio above {options.max_ratio}"),
        ]
    )
    found = {"full_s": full_s, "empty_s": empty_s, "ratio": ratio, "failed": sentences}
    save(options.json, {"start": found})
    return 1 if sentences else 0


def _start(database: Path) -> float:
    filled.heard_just_now(database)
    with Site(database) as site:
        took_s = site.start()
        site.stop()
    return took_s


def _empty() -> float:
    folder = Path(tempfile.mkdtemp(dir=CACHE / "bench", prefix="empty-"))
    with Site(folder / "gateway.db") as site:
        took_s = site.start()
        site.stop()
    shutil.rmtree(folder)
    return took_s
