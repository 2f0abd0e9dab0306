"""CPU for each telemetry message with 1,000, 100,000 and 1,000,000 vehicles in shuffled order."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import driving
from bench.figures import Rounds
from bench.show import Progress, broken, save, table

SIZES = (1_000, 100_000, 1_000_000)
WARM_UP = 2
MESSAGES = 400_000
"""At least so many are measured at each size."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument(
        "--sizes", default=",".join(map(str, SIZES)), help="vehicles; the first is compared to"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-ratio-100k", type=float, help="bound: CPU of the second size, of the first's")
    parser.add_argument("--max-ratio-1m", type=float, help="bound: CPU of the third size, of the first's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    say, sizes = Progress(), [int(size) for size in options.sizes.split(",")]
    found: dict[int, list[driving.Kept]] = {size: [] for size in sizes}
    for number in range(1, options.rounds + 1):
        for size in sizes:
            say(f"{size:,} vehicles, round {number} of {options.rounds}")
            measured = max(1, MESSAGES // (size * driving.CYCLE)) * driving.CYCLE
            found[size].append(driving.run("gateway", size, WARM_UP + measured, measured))
    say.done()
    costs = {size: Rounds(tuple(one.cpu_us for one in some)) for size, some in found.items()}
    first, *others = costs.values()
    ratios = [
        Rounds(tuple(one / base for one, base in zip(cost.values, first.values, strict=True)))
        for cost in others
    ]
    rows: list[tuple[str, object]] = [
        (f"{size:,} vehicles, us of CPU for each message", cost.text(2)) for size, cost in costs.items()
    ]
    rows += [
        (f"RATIO of {size:,} to {sizes[0]:,}", ratio.text(2))
        for size, ratio in zip(sizes[1:], ratios, strict=True)
    ]
    table("telemetry of growing fleets, read, checked and remembered", rows)
    limits = (options.max_ratio_100k, options.max_ratio_1m)
    sentences = broken(
        [
            (limit is not None and ratio.median > limit, f"{size:,} vehicles cost above {limit}")
            for size, ratio, limit in zip(sizes[1:], ratios, limits, strict=False)
        ]
    )
    save(options.json, {"growth": {"rounds": found, "failed": sentences}})
    return 1 if sentences else 0
