"""CPU for each message of a pre-encoded stream, beside gmqtt and aiomqtt with the same work."""

from __future__ import annotations

import argparse

from bench import ingest
from bench.reading import runs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    ingest.add_common(parser, messages=300_000, against="gmqtt,aiomqtt")
    parser.add_argument("--max-ratio", type=float, help="bound: CPU for each message, of gmqtt's")
    parser.add_argument("--max-ratio-aiomqtt", type=float, help="bound: of aiomqtt's, as documented")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    results, bounds = ingest.measure(options, runs.from_spout, "from a pre-encoded stream"), []
    limits = {"gmqtt": options.max_ratio, "aiomqtt": options.max_ratio_aiomqtt}
    for qos, found in results.items():
        for name, limit in limits.items():
            cost = ingest.ratio(found, name, "cpu_us")
            over = limit is not None and cost is not None and cost.median > limit
            bounds.append((over, f"QoS {qos}: CPU above {limit} of {name}'s"))
    return ingest.finish(options, "cpu", results, bounds)
