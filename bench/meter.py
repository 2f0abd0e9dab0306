"""What processes use while something is measured: CPU per process, of the gateway per thread, and memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_S = 0.1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Meter:
    """Samples in a thread until left; ``cpu_s`` then answers for any span of time."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def cpu_s(self, name: str, begin_at: float, end_at: float) -> float:
        """CPU seconds of a process between two moments; ``<name>/main`` is its first thread."""
        return self._at(name, end_at) - self._at(name, begin_at)

    def names(self) -> list[str]:
        """What was measured."""
        return list(self._samples[-1][1]) if self._samples else []

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._samples.append((time.time(), cpu_now_s(self._pids)))

    def _at(self, name: str, at: float) -> float:
        """Interpolate between the samples around a moment."""
        before = [(when, seen[name]) for when, seen in self._samples if when <= at]
        after = [(when, seen[name]) for when, seen in self._samples if when > at]
        if not before or not after:
            return (before or after)[-1 if before else 0][1]
        (low_at, low), (high_at, high) = before[-1], after[0]
        return low + (high - low) * (at - low_at) / (high_at - low_at)


def cpu_now_s(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds so far: of each process, of its first thread (``<name>/main``), and of the ``machine``."""
    found = {"machine": _machine_s()}
    for name, pid in pids.items():
        found[name] = _cpu_s(Path(f"/proc/{pid}/stat"))
        found[f"{name}/main"] = _cpu_s(Path(f"/proc/{pid}/task/{pid}/stat"))
    return found


def rss_bytes(pid: int) -> int:
    """Resident memory; 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _cpu_s(path: Path) -> float:
    try:
        # The name of the program stands in parentheses and may hold spaces.
        fields = path.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _machine_s() -> float:
    """CPU seconds that all processes of the machine have used."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS_PER_S
