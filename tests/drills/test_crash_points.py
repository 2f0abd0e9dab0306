"""The gateway dies at every named place of the alarm path; nothing is lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import crashes
from bench.kills import ledger_rows
from devtools.mosquitto import Mosquitto
from gateway.faults import CRASH_POINTS


def complaint(outcome: crashes.Outcome) -> str:
    rows = [f"{name}: {value}" for name, value in ledger_rows(outcome.verdict)]
    lives = [f"{one.point} hit {one.hit}: exit {one.exit_code}" for one in outcome.crashes]
    return "\n".join([*rows, f"verify: {outcome.verify}", *lives, f"evidence: {outcome.evidence}"])


def test_nothing_is_lost_or_doubled_at_any_crash_point(tmp_path: Path, mosquitto: Mosquitto) -> None:
    outcome = crashes.run(CRASH_POINTS, (1, 4), folder=tmp_path)
    assert len(outcome.crashes) == 2 * len(CRASH_POINTS)
    assert outcome.is_good, complaint(outcome)


@pytest.mark.drill
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_nothing_is_lost_or_doubled_at_twenty_hits(point: str, tmp_path: Path, mosquitto: Mosquitto) -> None:
    outcome = crashes.run([point], range(1, 21), folder=tmp_path)
    assert outcome.is_good, complaint(outcome)
