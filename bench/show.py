"""What a person sees: a line while something runs, a table at its end, and JSON for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

EVERY_S = 10.0


class Progress:
    """One line that is overwritten where somebody watches; in a log, a line every ten seconds."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._next = 0.0
        self._dirty = False

    def __call__(self, line: str) -> None:
        """Say how it is now."""
        if self._watched:
            sys.stderr.write(f"\r\033[K{line}")
            self._dirty = True
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def done(self) -> None:
        """Leave the line."""
        if self._dirty:
            sys.stderr.write("\n")
            self._dirty = False


def table(title: str, rows: Sequence[tuple[str, object]]) -> None:
    """Print names and values under each other."""
    width = max(len(name) for name, _ in rows)
    print(f"\n{title}")
    for name, value in rows:
        text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        lines = text.splitlines() or [""]
        print(f"  {name:<{width}}  {lines[0]}")
        for more in lines[1:]:
            print(f"  {'':<{width}}  {more}")
    sys.stdout.flush()


def save(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write the results as JSON."""
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def broken(bounds: Sequence[tuple[bool, str]]) -> list[str]:
    """Print the sentence of each bound that is passed, and return them."""
    sentences = [sentence for passed, sentence in bounds if passed]
    for sentence in sentences:
        print(f"  FAILED: {sentence}")
    return sentences
