"""
What runs have found, kept: with commit, machine and options, so that two can be laid side by side.

A file for each run lies under ``.cache/bench/results/NAME``; the newest ``KEPT`` of a name stay.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from devtools import CACHE, ROOT
from devtools.mosquitto import find

FOLDER = CACHE / "bench" / "results"
KEPT = 50


class Machine(Struct, frozen=True):
    """What a figure depends on beside the code."""

    cpu: str
    cores: int
    kernel: str
    python: str
    sqlite: str
    mosquitto: str


class Result(Struct, frozen=True, kw_only=True):
    """One run."""

    name: str
    began_at: datetime
    took_s: float
    commit: str
    dirty: bool
    """Whether tracked files differed from the commit."""
    machine: Machine
    options: dict[str, Any]
    found: dict[str, Any]
    """What the measurement itself says, as with ``--json``."""

    @property
    def label(self) -> str:
        """Commit and start, for people."""
        return f"{self.commit[:10]}{' changed' if self.dirty else ''}, {self.began_at:%d %b %H:%M:%S}"


def machine() -> Machine:
    """The one that this runs on."""
    broker = find()
    return Machine(
        cpu=_cpu(), cores=os.cpu_count() or 1, kernel=platform.release(), python=platform.python_version(),
        sqlite=sqlite3.sqlite_version, mosquitto="none" if broker is None else broker.version(),
    )  # fmt: skip


@contextmanager
def keeping(name: str, options: argparse.Namespace, folder: Path | None = None) -> Iterator[None]:
    """Keep what is saved as JSON within; where the options name a file, it is written as well."""
    began_at, began_s = datetime.now(UTC), time.monotonic()
    wanted: Path | None = options.json
    given = {key: value for key, value in vars(options).items() if key != "json"}
    folder = folder or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    options.json = folder / f"unfinished-{os.getpid()}"
    try:
        yield
        if options.json.exists():
            text = options.json.read_bytes()
            if wanted is not None:
                wanted.write_bytes(text)
            took_s = round(time.monotonic() - began_s, 1)
            _keep(folder / name, _result(name, began_at, took_s, given, msgspec.json.decode(text)))
    finally:
        options.json.unlink(missing_ok=True)


def results(name: str, folder: Path | None = None) -> list[Result]:
    """All that are kept of a name, oldest first."""
    return [read(path) for path in _paths((folder or FOLDER) / name)]


def names(folder: Path | None = None) -> list[str]:
    """Of what there are results."""
    return sorted(one.name for one in (folder or FOLDER).glob("*") if one.is_dir())


def read(path: Path) -> Result:
    """
    One kept run.

    Errors:  OSError, msgspec.MsgspecError.
    """
    return msgspec.json.decode(path.read_bytes(), type=Result)


def _result(
    name: str, began_at: datetime, took_s: float, options: dict[str, Any], found: dict[str, Any]
) -> Result:
    return Result(
        name=name, began_at=began_at, took_s=took_s, commit=_git("rev-parse", "HEAD") or "unknown",
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")), machine=machine(),
        options=options, found=found,
    )  # fmt: skip


def _keep(folder: Path, result: Result) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"{result.began_at:%Y-%m-%dT%H-%M-%S.%f}-{result.commit[:10]}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result, enc_hook=str)) + b"\n")
    for old in _paths(folder)[:-KEPT]:
        old.unlink()


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""  # no git, no checkout: the figures are still figures
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
