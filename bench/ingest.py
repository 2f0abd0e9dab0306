"""Telemetry through Mosquitto, as fast as it delivers, beside a C drain that only counts."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.figures import Rounds
from bench.reading import runs
from bench.reading.runs import Load, Run
from bench.show import Progress, broken, save, table

Source = Callable[[str, Load, Path], Run]
READERS = {
    "drain": "C drain on libmosquitto, which only counts",
    "gmqtt": "gmqtt with the gateway's work",
    "aiomqtt": "aiomqtt as documented, with the gateway's work",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    add_common(parser, messages=300_000, against="drain,gmqtt")
    parser.add_argument("--min-ratio", type=float, help="bound: rate, of the drain's")
    parser.add_argument("--max-ratio", type=float, help="bound: CPU for each message, of gmqtt's")


def add_common(parser: argparse.ArgumentParser, *, messages: int, against: str) -> None:
    """Options of every measurement of reading."""
    parser.add_argument("--messages", type=int, default=messages)
    parser.add_argument("--vehicles", type=int, default=3_000, help="renewals are among the messages of each")
    parser.add_argument("--qos", default="0,1", help="one or both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", default=against, help=f"some of: {', '.join(READERS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    results, bounds = measure(options, runs.through_broker, "through Mosquitto"), []
    for qos, found in results.items():
        rate, cost = ratio(found, "drain", "per_s"), ratio(found, "gmqtt", "cpu_us")
        low = options.min_ratio is not None and rate is not None and rate.median < options.min_ratio
        high = options.max_ratio is not None and cost is not None and cost.median > options.max_ratio
        bounds += [
            (low, f"QoS {qos}: the rate is below its bound"),
            (high, f"QoS {qos}: the CPU is above its bound"),
        ]
    return finish(options, "ingest", results, bounds)


def measure(options: argparse.Namespace, source: Source, where: str) -> dict[str, dict[str, list[Run]]]:
    """All readers in turns, round after round, at each QoS; a table for each."""
    names, progress = ["gateway", *filter(None, options.against.split(","))], Progress()
    results: dict[str, dict[str, list[Run]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for qos in options.qos.split(","):
            found = results[qos] = {name: list[Run]() for name in names}
            for number in range(1, options.rounds + 1):
                for name in names:
                    progress(f"QoS {qos}, round {number} of {options.rounds}: {name}")
                    load = Load(share(options.messages, name), options.vehicles, int(qos))
                    found[name].append(source(name, load, Path(folder)))
            progress.done()
            show(qos, where, found, options)
    return results


def share(messages: int, name: str) -> int:
    """How many a reader gets: what is slow tells its cost with fewer."""
    return min(messages, max(20_000, messages // 10)) if name == "aiomqtt" else messages


def ratio(found: dict[str, list[Run]], name: str, figure: str) -> Rounds | None:
    """The gateway's figure by another reader's, round by round."""
    if name not in found:
        return None
    pairs = zip(found["gateway"], found[name], strict=True)
    return Rounds(tuple(getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in pairs))


def show(qos: str, where: str, found: dict[str, list[Run]], options: argparse.Namespace) -> None:
    """One table."""
    rows: list[tuple[str, object]] = []
    for name, some in found.items():
        title = "the gateway: read, checked, remembered, decided" if name == "gateway" else READERS[name]
        rows += [
            (title, Rounds(tuple(one.per_s for one in some)).text() + " messages/s"),
            ("", Rounds(tuple(one.cpu_us for one in some)).text(2) + " us of CPU each"),
        ]
    for name in list(found)[1:]:
        for text, figure in (("RATIO of rates", "per_s"), ("RATIO of CPU", "cpu_us")):
            against = ratio(found, name, figure)
            if against is not None:
                rows.append((f"{text} to {name}", against.text(2)))
    table(f"telemetry {where}, QoS {qos}, {options.vehicles:,} vehicles, {options.messages:,} messages", rows)


def finish(
    options: argparse.Namespace,
    name: str,
    results: dict[str, dict[str, list[Run]]],
    bounds: list[tuple[bool, str]],
) -> int:
    """Judge and save."""
    sentences = broken(bounds)
    save(options.json, {name: {"rounds": results, "failed": sentences}})
    return 1 if sentences else 0
