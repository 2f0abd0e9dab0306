"""What benches found is kept, compared and held against the goals."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import __main__ as command
from bench import compare, goals, results
from bench.__main__ import run_all
from bench.results import Machine, Result
from bench.show import save
from bench.stage import StageError

MACHINE = Machine("cpu", 2, "6", "3.11", "3.45", "2.0.11")
STARTS = {"start": {"full_s": [2.0, 1.0, 1.5], "empty_s": [1.0, 1.0, 1.0], "failed": []}}


def result(found: dict[str, Any], **fields: Any) -> Result:
    base = Result(
        name="start", began_at=datetime(2026, 1, 1, tzinfo=UTC), took_s=1.0, commit="a" * 40, dirty=False,
        machine=MACHINE, options={"rounds": 3}, found=found,
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


def run(folder: Path, found: dict[str, Any], wanted: Path | None = None) -> None:
    options = argparse.Namespace(json=wanted, rounds=3, folder=folder)
    with results.keeping("start", options, folder):
        save(options.json, found)


def test_a_run_is_kept_with_what_it_depends_on_and_written_where_asked(tmp_path: Path) -> None:
    run(tmp_path / "kept", STARTS, tmp_path / "asked.json")
    (kept,) = results.results("start", tmp_path / "kept")
    assert kept.found == STARTS == msgspec.json.decode((tmp_path / "asked.json").read_bytes())
    assert kept.options == {"rounds": 3, "folder": str(tmp_path / "kept")}
    assert kept.machine == results.machine()
    assert len(kept.commit) in {40, len("unknown")}


def test_only_the_newest_are_kept_and_nothing_of_a_run_that_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "KEPT", 2)
    for number in range(3):
        run(tmp_path, {"number": number})
    with (
        pytest.raises(ValueError, match="broke"),
        results.keeping("start", argparse.Namespace(json=None), tmp_path),
    ):
        raise ValueError("broke")
    assert [one.found["number"] for one in results.results("start", tmp_path)] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["start"]


def test_two_runs_side_by_side_name_each_change_and_another_machine() -> None:
    slower = {"start": {"full_s": [3.0], "empty_s": [1.0], "only": 1}}
    other = result(slower, machine=msgspec.structs.replace(MACHINE, cores=64), options={"rounds": 1})
    text = "\n".join(compare.lines(result(STARTS), other))
    assert "OTHER MACHINE" in text
    assert "cores: 2 -> 64" in text
    assert "rounds: 3 -> 1" in text
    words = {line.split("  ")[1]: line.split() for line in text.splitlines() if line.startswith("  ")}
    assert words["command to ready, s"][-5:] == ["1.5", "3", "+100.0", "%", "worse"]
    assert words["start.full_s"][-1] == "more"
    assert words["start.empty_s"][-1] == "same"
    assert "(1 figures are in only one of them)" in text


@pytest.mark.parametrize("words", [["start", "1"], ["nothing"], ["start", "b", "c"]])
def test_what_can_not_be_compared_is_said(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, STARTS)
    assert compare.main(words, tmp_path) == 2
    assert capsys.readouterr().err


def test_runs_are_chosen_by_commit_or_are_the_newest_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for commit in ("a" * 40, "b" * 40, "c" * 40):
        monkeypatch.setattr(
            results, "_git", lambda *words, named=commit: named if words[0] == "rev-parse" else ""
        )
        run(tmp_path, STARTS)
    for words, pair in (([], "bc"), (["start"], "bc"), (["start", "a", "c"], "ac"), (["aa", "b"], "ab")):
        assert compare.main(words, tmp_path) == 0
        told = capsys.readouterr().out
        assert f"A = {pair[0] * 10}" in told
        assert f"B = {pair[1] * 10}" in told


@pytest.mark.parametrize(("full_s", "word"), [([2.9], "reached"), ([3.1], "NOT REACHED")])
def test_goals_are_held_against_what_was_found(full_s: list[float], word: str) -> None:
    found = {"start": {"start": {"full_s": full_s, "empty_s": [1.0]}}}
    (line,) = (line for line in goals.table(found) if line.startswith("start: "))
    assert line.split("≤ 3")[1].strip() == word
    assert sum("not measured" in line for line in goals.table(found)) == len(goals.GOALS) - 1


def test_every_goal_reads_figures_that_measurements_write() -> None:
    names = {goal.bench for goal in goals.GOALS}
    assert {"ingest", "cpu", "alarms", "latency", "stored", "fleet", "start"} <= names
    assert all(goal.figures({}) == (None, None, None) for goal in goals.GOALS)


@pytest.mark.parametrize(("curve", "ratio"), [(None, 4.0), ({"sustained_per_s": 9_000.0}, 3.0)])
def test_latency_counts_idle_and_beside_half_of_what_is_sustained(
    curve: dict[str, float] | None, ratio: float
) -> None:
    rounds = [
        {"wanted_per_s": load, "mqtt": {"p50": p50 + noise}, "bare": {"p50": 1.0}}
        for load, p50 in ((0.0, 2.0), (5_000.0, 3.0), (10_000.0, 4.0))
        for noise in (-0.1, 0.0, 0.1)
    ]
    found = {"latency": {"rounds": rounds, "curve": curve}}
    judged = [goal.judged(found) for goal in goals.GOALS if goal.what.startswith("theft to feed")]
    assert judged == [2.0, ratio]


def test_cpu_is_that_of_the_messages_it_was_measured_for() -> None:
    run = {"messages": 100, "wall_s": 1.0, "cpu_s": 0.001, "cpu_messages": 50}
    found = {"cpu": {"rounds": {"0": {"gateway": [run], "gmqtt": [{**run, "cpu_messages": 0}]}}}}
    (goal,) = (one for one in goals.GOALS if one.bench == "cpu" and one.figures(found)[1] is not None)
    assert goal.figures(found) == pytest.approx((20.0, 10.0, 2.0))


class Told:
    """A measurement that ends as it is told."""

    def __init__(self, code: int | Exception) -> None:
        self.code = code

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", type=Path)

    def main(self, options: argparse.Namespace) -> int:
        if isinstance(self.code, Exception):
            raise self.code
        save(options.json, STARTS)
        return self.code


def test_a_run_of_all_goes_on_and_names_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    parts = {"alarms": Told(ValueError("broke")), "cpu": Told(StageError("no broker")), "feed": Told(1)}
    assert run_all("bench", {**parts, "start": Told(0)}, []) == 1
    told = capsys.readouterr()
    assert "FAILED: alarms, cpu, feed" in told.out
    assert "command to ready" in told.out
    assert "ValueError: broke" in told.err
    assert results.names() == ["feed", "start"]
    assert run_all("bench", {"start": Told(0)}, []) == 0


def test_rounds_are_for_those_that_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    asked = []

    class Rounds(Told):
        """One that has rounds."""

        def add_options(self, parser: argparse.ArgumentParser) -> None:
            super().add_options(parser)
            parser.add_argument("--rounds", type=int, default=3)

        def main(self, options: argparse.Namespace) -> int:
            asked.append(options.rounds)
            return super().main(options)

    parts = {"alarms": Rounds(0), "start": Told(0)}
    assert run_all("bench", parts, []) == run_all("bench", parts, ["--rounds", "1"]) == 0
    assert asked == [3, 1]
    with pytest.raises(SystemExit):
        command.run("bench", "start", parts["start"], ["--rounds", "1"])


def test_time_of_a_run_is_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "start"
    folder.mkdir()
    for days in (3, 1, 2):
        results._keep(
            folder, result({"days": days}, began_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days))
        )
    assert [one.found["days"] for one in results.results("start", tmp_path)] == [1, 2, 3]
