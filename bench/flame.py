"""Where the gateway's CPU goes in a recorded minute of a seeded fleet: a flame picture, and a table."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from bench import minute
from bench.minute import Counts
from bench.reading.runs import installed
from bench.show import Progress, save, table
from bench.stage import StageError, wait_for
from devtools import CACHE, ROOT

PY_SPY = "py-spy==0.4.1"
SAMPLING = "Sampling process"
"""What it says when it has begun."""
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 180.0
STAGES = {
    "gateway/adapters/mqtt": "packets split",
    "gateway/pipeline/telemetry": "telemetry: glance, last values, facts",
    "gateway/pipeline/track": "telemetry: glance, last values, facts",
    "gateway/wire": "payloads decoded",
    "gateway/pipeline/ingest": "payloads decoded",
    "gateway/domain": "facts decided",
    "gateway/pipeline/decider": "facts decided",
    "gateway/pipeline/batch": "facts decided",
    "gateway/pipeline/states": "vehicle states encoded, decoded",
    "gateway/adapters/storage": "stored (SQLite, fsync's CPU)",
    "gateway/pipeline/delivery": "delivered, receipted, feed",
    "gateway/pipeline/outlet": "delivered, receipted, feed",
    "gateway/pipeline/receipts": "delivered, receipted, feed",
    "gateway/pipeline/messages": "delivered, receipted, feed",
    "gateway/pipeline/feed": "delivered, receipted, feed",
    "gateway/": "the rest of the gateway",
}
"""By the innermost function of a sample that lies in one of these; the first that fits."""
OTHERS = "event loop and the bench itself"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--vehicles", type=int, default=5_000)
    parser.add_argument("--alarms", type=float, default=10.0, help="theft-sensor triggers a second, over all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=1_000, help="samples for each second of CPU")
    parser.add_argument("--svg", type=Path, default=CACHE / "bench" / "profile.svg", help="the picture")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Record, play twice, report."""
    say = Progress()
    say(f"recording a minute of {options.vehicles:,} vehicles")
    heard = minute.record(options.vehicles, options.seed, options.alarms)
    with tempfile.TemporaryDirectory(dir=CACHE / "bench") as temporary:
        folder = Path(temporary)
        recording = folder / "minute"
        recording.write_bytes(msgspec.msgpack.encode(heard))
        say("playing it for the table")
        counts = profiled(recording, options.rate, folder / "stacks", "--format", "raw", "--full-filenames")
        shares = stages((folder / "stacks").read_text())
        say("playing it for the picture")
        picture = folder / "picture.svg"
        if profiled(recording, options.rate, picture) != counts:
            raise StageError("the same minute was decided in two ways")
        options.svg.write_text(titled(picture.read_text(), options, counts))
    say.done()
    _show(options, counts, shares)
    save(options.json, {"profile": {"counts": counts, "samples": shares}})
    return 0


def profiled(recording: Path, rate: int, output: Path, *more: str) -> Counts:
    """
    Play a recording in a process of its own and sample it while it does; what it counted.

    Errors:  StageError, with what the sampler said: it may not be allowed to look at another process.
    """
    spy, log = installed(PY_SPY) / "bin" / "py-spy", output.with_suffix(".log")
    player = subprocess.Popen(
        [sys.executable, "-m", "bench.minute", recording],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with player, log.open("wb") as said:
        try:
            _line(player)
            sampler = subprocess.Popen(
                [spy, "record", "--pid", str(player.pid), "--rate", str(rate), "--function",
                 *more, "--output", output],
                stdout=said, stderr=said,
            )  # fmt: skip
            with sampler:
                wait_for(partial(_begun, sampler, log), STARTS_WITHIN_S, "nothing samples", log)
                counts = msgspec.json.decode(_line(player, "\n"), type=Counts)
                player.communicate()
                wait_for(output.exists, ENDS_WITHIN_S, "the sampler wrote nothing", log)
        finally:
            player.kill()
    return counts


def _begun(sampler: subprocess.Popen[bytes], log: Path) -> bool:
    said = log.read_text()
    if sampler.poll() is not None:
        raise StageError(f"nothing samples: {said.strip()}")
    return SAMPLING in said


def _line(player: subprocess.Popen[str], told: str = "") -> str:
    """What the player says next, after it was told something."""
    if player.stdin is None or player.stdout is None:
        raise StageError("the player can't be talked to")
    player.stdin.write(told)
    player.stdin.flush()
    if not (said := player.stdout.readline()):
        raise StageError("the player ended by itself")
    return said


def stages(stacks: str) -> dict[str, int]:
    """Samples by stage, most first; ``stacks``: a line for each stack, outermost first, and its count."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        samples[stage(stack.split(";"))] += int(count)
    return dict(samples.most_common())


def stage(stack: list[str]) -> str:
    """The stage of one stack."""
    for function in reversed(stack):
        for part, name in STAGES.items():
            if f"({ROOT}/{part}" in function:
                return name
    return OTHERS


def titled(svg: str, options: argparse.Namespace, counts: Counts) -> str:
    """The picture with a title that says what was played."""
    title = (
        f"a minute of {options.vehicles:,} vehicles: {counts.messages:,} messages, {counts.facts:,} facts,"
        f" {counts.alarms:,} alarms"
    )
    return re.sub(r'(<text id="title"[^>]*>)[^<]*', lambda found: found[1] + title, svg).rstrip() + "\n"


def _show(options: argparse.Namespace, counts: Counts, shares: dict[str, int]) -> None:
    samples = sum(shares.values())
    rows: list[tuple[str, object]] = [
        (name.replace("_", " "), value) for name, value in asdict(counts).items()
    ]
    rows += [(name, f"{100 * count / samples:.1f} % of CPU") for name, count in shares.items()]
    rows += [("samples", samples), ("picture", options.svg)]
    table(f"a minute of {options.vehicles:,} vehicles, seed {options.seed}, on one thread", rows)
