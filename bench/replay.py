"""How many recorded facts per second one core runs through the rules, beside only decoding the same file."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from bench import journal
from bench.figures import Rounds
from bench.show import Progress, broken, save, table
from gateway.domain.alarms import Alarm
from gateway.domain.facts import AnyFact
from gateway.domain.thresholds import Thresholds
from gateway.recordings import replay


class Line(msgspec.Struct, frozen=True, gc=False):
    """What the reference decodes: the same line, with nothing done to it."""

    vin: str
    fact: AnyFact


def decode_only_per_s(path: Path) -> float:
    """The reference: every line read and decoded, one after the other."""
    decode, count = msgspec.json.Decoder(Line).decode, 0
    began_s = time.process_time()
    with path.open("rb") as lines:
        for line in lines:
            decode(line)
            count += 1
    return count / (time.process_time() - began_s)


def replayed(path: Path) -> tuple[float, int, Counter[str]]:
    """Facts per second of CPU, facts, and alarms by cause."""
    causes: Counter[str] = Counter()

    def take(_index: int, alarm: Alarm) -> None:
        causes[alarm.cause] += 1

    began_s = time.process_time()
    facts = replay(path, [Thresholds()], take).facts
    return facts / (time.process_time() - began_s), facts, causes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--file", type=Path, help="a recording of facts of your own, instead of a made one")
    parser.add_argument("--vehicles", type=int, default=400)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--min-rate", type=float, help="bound: facts per second of CPU")
    parser.add_argument("--min-ratio", type=float, help="bound: of the rate of decoding only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    with tempfile.TemporaryDirectory() as folder:
        path: Path = options.file or Path(folder) / "facts.jsonl"
        if options.file is None:
            journal.write(path, seed=options.seed, vehicles=options.vehicles, hours=options.hours)
        return _measure(path, options)


def _measure(path: Path, options: argparse.Namespace) -> int:
    progress, counts = Progress(), []
    references: list[float] = []
    rates: list[float] = []
    for number in range(1, options.rounds + 1):
        progress(f"round {number} of {options.rounds}")
        references.append(decode_only_per_s(path))
        per_s, facts, causes = replayed(path)
        rates.append(per_s)
        counts.append((facts, causes))
    progress.done()
    rate, reference = Rounds(tuple(rates)), Rounds(tuple(references))
    ratio = Rounds(tuple(one / other for one, other in zip(rates, references, strict=True)))
    facts, causes = counts[0]
    rows: list[tuple[str, object]] = [
        ("facts in the recording", facts),
        (
            "alarms",
            f"{sum(causes.values()):,}: " + ", ".join(f"{n} {one}" for one, n in causes.most_common()),
        ),
        ("REPLAYED, facts per s of CPU", rate.text()),
        ("only decoded, facts per s of CPU", reference.text()),
        ("RATIO to decoding only", ratio.text(2)),
    ]
    table("replay (one core)", rows)
    sentences = broken(
        [
            (any(one != counts[0] for one in counts), "two runs of one recording raised other alarms"),
            (options.min_rate is not None and rate.median < options.min_rate, "the rate is below its bound"),
            (
                options.min_ratio is not None and ratio.median < options.min_ratio,
                "the ratio is below its bound",
            ),
        ]
    )
    results = {
        "facts": facts,
        "alarms": causes,
        "rates": rates,
        "references": references,
        "failed": sentences,
    }
    save(options.json, {"replay": results})
    return 1 if sentences else 0
