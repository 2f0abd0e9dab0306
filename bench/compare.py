"""
Two kept runs side by side: ``bench compare [NAME] [A B]``.

A and B are the beginning of a commit or a kept file; without them the newest two of each name.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.goals import GOALS
from bench.results import Result, names, read, results

SAME = 0.005
"""A change below half a percent is none."""
USAGE = "bench compare [NAME] [A B]: A and B are the beginning of a commit, or a kept file"


class CompareError(RuntimeError):
    """There is nothing to compare; the text says why."""


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Print every comparison that is asked for; 2 if there is none."""
    try:
        for older, newer in _pairs(list(arguments), folder):
            print("\n".join(lines(older, newer)))
    except CompareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def lines(older: Result, newer: Result) -> list[str]:
    """Two runs as a table: each goal's figure with better or worse, every other with more or less."""
    told = [f"\n{newer.name}: A = {older.label}; B = {newer.label}", *_differences(older, newer)]
    rows: list[tuple[str, ...]] = [("", "A", "B", "change", "")]
    for goal in GOALS:
        if goal.bench == newer.name:
            before, after = goal.judged(older.found), goal.judged(newer.found)
            if before is not None and after is not None:
                better = (after > before) is goal.at_least
                rows.append(_row(goal.judged_name, before, after, ("worse", "better")[better]))
    before_all, after_all = figures(older.found), figures(newer.found)
    for path, before in before_all.items():
        if path in after_all:
            after = after_all[path]
            rows.append(_row(path, before, after, "more" if after > before else "less"))
    only = len(before_all.keys() ^ after_all.keys())
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    told += [
        "  "
        + "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*told, f"  ({only} figures are in only one of them)"] if only else told


def figures(found: Any, path: str = "") -> dict[str, float]:
    """Every number by its path; of several rounds the median, because rounds have no order."""
    if isinstance(found, bool) or found is None or isinstance(found, str):
        return {}
    if isinstance(found, int | float):
        return {path: float(found)}
    if isinstance(found, Mapping):
        parts = [figures(value, f"{path}.{key}".lstrip(".")) for key, value in found.items()]
        return {name: value for part in parts for name, value in part.items()}
    gathered: dict[str, list[float]] = {}
    for one in found:
        for name, value in figures(one, path).items():
            gathered.setdefault(name, []).append(value)
    return {name: median(values) for name, values in gathered.items()}


def _differences(older: Result, newer: Result) -> list[str]:
    """What else than the code may be why figures differ."""
    told = []
    there, here = msgspec.structs.asdict(older.machine), msgspec.structs.asdict(newer.machine)
    if changed := [f"{key}: {there[key]} -> {here[key]}" for key in there if there[key] != here[key]]:
        told.append(f"  OTHER MACHINE, trust only the ratios: {'; '.join(changed)}")
    keys = older.options.keys() | newer.options.keys()
    options = [
        f"{key}: {older.options.get(key)} -> {newer.options.get(key)}"
        for key in sorted(keys)
        if older.options.get(key) != newer.options.get(key)
    ]
    return [*told, f"  OTHER OPTIONS: {'; '.join(options)}"] if options else told


def _row(name: str, before: float, after: float, word: str) -> tuple[str, ...]:
    if abs(after - before) <= SAME * abs(before):
        return name, _short(before), _short(after), "", "same"
    change = f"{100 * (after - before) / abs(before):+,.1f} %" if before else "new"
    return name, _short(before), _short(after), change, word


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def _pairs(words: list[str], folder: Path | None) -> list[tuple[Result, Result]]:
    known = names(folder)
    chosen = [words.pop(0)] if len(words) in {1, 3} else known
    if len(words) not in {0, 2} or "--help" in chosen:
        raise CompareError(USAGE)
    if unknown := set(chosen) - set(known):
        raise CompareError(
            f"Nothing is kept of {unknown.pop()!r}. Kept: {', '.join(known) or 'nothing yet'}."
        )
    if words and all(Path(word).is_file() for word in words):
        return [(read(Path(words[0])), read(Path(words[1])))]
    pairs = [pair for name in chosen if (pair := _pair(results(name, folder), words))]
    if not pairs:
        counts = Counter({name: len(results(name, folder)) for name in chosen})
        raise CompareError(f"There are no two runs to compare. Kept: {dict(counts) or 'nothing yet'}.")
    return pairs


def _pair(kept: list[Result], words: list[str]) -> tuple[Result, Result] | None:
    """The newest two, or the newest of each of two commits."""
    if not words:
        return (kept[-2], kept[-1]) if len(kept) > 1 else None
    found = [next((one for one in reversed(kept) if one.commit.startswith(word)), None) for word in words]
    older, newer = found
    return None if older is None or newer is None else (older, newer)
