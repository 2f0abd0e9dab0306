"""
Measure, and drill: ``python -m bench [NAME …]`` and ``python -m bench drill [NAME …]``.

Options follow one name (``bench alarms --seconds 5``). Without a name all run as they are, or with so many
rounds (``bench --rounds 1``), and what they found is held against the goals at the end. What each run found
is kept: ``bench compare`` lays two side by side, ``bench goals`` holds the newest of each against the goals.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from bench import (
    alarms,
    commands,
    compare,
    connections,
    cpu,
    crashes,
    day,
    feed,
    flame,
    flood,
    goals,
    growth,
    ingest,
    kills,
    latency,
    memory,
    outage,
    overload,
    replay,
    results,
    slices,
    soc_outage,
    start,
    stored,
    storm,
)
from bench.results import Result
from bench.stage import StageError


class Part(Protocol):
    """A module that measures or drills."""

    def add_options(self, parser: argparse.ArgumentParser, /) -> None:
        """Add its options."""

    def main(self, options: argparse.Namespace, /) -> int:
        """Run it; the exit code."""


BENCHES: dict[str, Part] = {
    "alarms": alarms,
    "commands": commands,
    "cpu": cpu,
    "feed": feed,
    "fleet": connections,
    "growth": growth,
    "ingest": ingest,
    "latency": latency,
    "memory": memory,
    "profile": flame,
    "replay": replay,
    "start": start,
    "stored": stored,
}
DRILLS: dict[str, Part] = {
    "kills": kills,
    "outage": outage,
    "flood": flood,
    "storm": storm,
    "overload": overload,
    "day": day,
    "slice": slices,
    "crashes": crashes,
    "soc-outage": soc_outage,
}


def main(arguments: list[str]) -> int:
    """Run what is named."""
    parts, prefix = BENCHES, "bench"
    if arguments[:1] == ["drill"]:
        parts, prefix, arguments = DRILLS, "drill", arguments[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"{(__doc__ or '').strip()}\n")
        for name, part in parts.items():
            print(f"  {prefix} {name:12} {(part.__doc__ or '').strip().splitlines()[0]}")
        return 0
    if arguments[:1] in ([], ["--rounds"]):
        return run_all(prefix, parts, arguments)
    name, *options = arguments
    if prefix == "bench" and name in ACCOUNTS:
        return ACCOUNTS[name](options)
    if name not in parts:
        print(f"There is no {prefix} {name!r}. There are: {', '.join(parts)}.", file=sys.stderr)
        return 2
    return run(prefix, name, parts[name], options)


def run_all(prefix: str, parts: Mapping[str, Part], arguments: list[str]) -> int:
    """Run all of them, whatever one does, each with those options that it has; 1 if one failed."""
    began_at, failed = datetime.now(UTC), []
    for name, part in parts.items():
        print(f"\n── {prefix} {name}", flush=True)
        try:
            code = run(prefix, name, part, arguments, is_strict=False)
        except Exception:  # noqa: BLE001  # the others are measured all the same
            traceback.print_exc()
            code = 1
        if code:
            failed.append(name)
    if prefix == "bench":
        show_goals([one for name in parts for one in results.results(name) if one.began_at >= began_at])
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def show_goals(runs: list[Result]) -> None:
    """Hold what runs found against the goals."""
    print("", *goals.table({one.name: one.found for one in runs}), "", sep="\n")
    print(*(f"  {one.name}: {one.label}" for one in runs), sep="\n")


def newest_goals(names: list[str]) -> int:
    """Hold the newest run of each name (of none: of all that are kept) against the goals."""
    show_goals([kept[-1] for name in names or results.names() if (kept := results.results(name))])
    return 0


ACCOUNTS: dict[str, Callable[[list[str]], int]] = {"compare": compare.main, "goals": newest_goals}
"""What is said about runs that are kept."""


def run(prefix: str, name: str, part: Part, arguments: list[str], *, is_strict: bool = True) -> int:
    """Run one of them; 1 if it failed or a bound was passed."""
    about = (part.__doc__ or "").strip().splitlines()[0]
    parser = argparse.ArgumentParser(prog=f"python3 dev.py {prefix} {name}", description=about)
    part.add_options(parser)
    options, unknown = parser.parse_known_args(arguments)
    if unknown and is_strict:
        parser.error(f"there is no option {' '.join(unknown)}")
    try:
        with results.keeping(name, options):
            return part.main(options)
    except StageError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
