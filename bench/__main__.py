"""
Measure, and drill: ``python -m bench [NAME …]`` and ``python -m bench drill [NAME …]``.

Options follow one name (``bench alarms --seconds 5``); without a name, all run as they are.
"""

from __future__ import annotations

import argparse
import sys
from typing import Protocol

from bench import (
    alarms,
    commands,
    connections,
    cpu,
    crashes,
    day,
    feed,
    flood,
    growth,
    ingest,
    kills,
    latency,
    memory,
    outage,
    replay,
    soc_outage,
    start,
    stored,
    storm,
)
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
    "replay": replay,
    "start": start,
    "stored": stored,
}
DRILLS: dict[str, Part] = {
    "kills": kills,
    "outage": outage,
    "flood": flood,
    "storm": storm,
    "day": day,
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
    if not arguments:
        return max(run(prefix, name, part, []) for name, part in parts.items())
    name, *options = arguments
    if name not in parts:
        print(f"There is no {prefix} {name!r}. There are: {', '.join(parts)}.", file=sys.stderr)
        return 2
    return run(prefix, name, parts[name], options)


def run(prefix: str, name: str, part: Part, arguments: list[str]) -> int:
    """Run one of them; 1 if it failed or a bound was passed."""
    about = (part.__doc__ or "").strip().splitlines()[0]
    parser = argparse.ArgumentParser(prog=f"python3 dev.py {prefix} {name}", description=about)
    part.add_options(parser)
    try:
        return part.main(parser.parse_args(arguments))
    except StageError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
