"""Memory of what is kept of each vehicle that drives, index included, beside a dict per vehicle."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import driving
from bench.figures import Rounds
from bench.show import Progress, broken, save, table

MESSAGES = driving.CYCLE + 2
"""Of each vehicle: one that it begins with, and more than a renewal of what it stated."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--vehicles", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="turns of both sides")
    parser.add_argument("--traced", action="store_true", help="and trace each allocation: some minutes more")
    parser.add_argument("--max-bytes", type=float, help="bound: resident memory for each vehicle")
    parser.add_argument("--min-ratio", type=float, help="bound: a dict's memory, of the gateway's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    say, sides = Progress(), dict[str, list[driving.Kept]](gateway=[], dict=[])
    for number in range(1, options.rounds + 1):
        for who, found in sides.items():
            say(f"{who}, {options.vehicles:,} vehicles, turn {number} of {options.rounds}")
            found.append(driving.run(who, options.vehicles, MESSAGES))
    traced: driving.Kept | None = None
    if options.traced:
        say(f"gateway, {options.vehicles:,} vehicles, each allocation traced")
        traced = driving.run("gateway", options.vehicles, MESSAGES, traced=True)
    say.done()
    ours, theirs = (Rounds(tuple(one.rss_bytes for one in found)) for found in sides.values())
    ratio = Rounds(tuple(one / other for one, other in zip(theirs.values, ours.values, strict=True)))
    table(
        f"memory of {options.vehicles:,} driving vehicles after {MESSAGES} messages each, bytes for one",
        [
            ("KEPT, resident", ours.text()),
            *([("of it allocated by Python", f"{traced.traced_bytes:,.0f}")] if traced else []),
            ("a dict for each, resident", theirs.text()),
            ("RATIO of a dict to what is kept", ratio.text(1)),
        ],
    )
    sentences = broken(
        [
            (
                options.max_bytes is not None and ours.median > options.max_bytes,
                f"more than {options.max_bytes} bytes for each vehicle",
            ),
            (
                options.min_ratio is not None and ratio.median < options.min_ratio,
                "the ratio is below its bound",
            ),
        ]
    )
    results = {"traced": traced, "turns": sides, "ratio": ratio.values, "failed": sentences}
    save(options.json, {"memory": results})
    return 1 if sentences else 0
