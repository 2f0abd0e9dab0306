"""A recorded minute is the gateway's own work, the same each time, and a profile names whose time it was."""

from __future__ import annotations

from pathlib import Path

from bench import flame, minute, virtual
from bench.minute import Counts
from devtools import ROOT


def test_a_recorded_minute_is_played_to_the_same_counts_each_time(tmp_path: Path) -> None:
    heard = minute.record(vehicles=60, seed=3, alarms_per_s=0.5)

    def played(name: str) -> Counts:
        (tmp_path / name).mkdir()
        return virtual.run(lambda: minute.play(heard, tmp_path / name))

    first = played("first")
    assert played("second") == first
    assert min(first.telemetry, first.events, first.facts, first.alarms) > 0
    assert first.messages > first.telemetry
    assert first.told == first.read_from_feed >= first.alarms


def test_samples_belong_to_the_innermost_stage() -> None:
    loop, step, write = (
        f"run (/usr/lib/python/asyncio/runners.py:1);_turn ({ROOT}/gateway/pipeline/decider.py:1)",
        f"step ({ROOT}/gateway/domain/step.py:1)",
        f"commit ({ROOT}/gateway/adapters/storage/sqlite/deciding.py:1);dumps (/usr/lib/python/json.py:1)",
    )
    text = f"{loop};{step} 5\n{loop};{write} 7\nrun (/usr/lib/python/asyncio/runners.py:1) 2\n"
    assert flame.stages(text) == {
        "stored (SQLite, fsync's CPU)": 7,
        "facts decided": 5,
        flame.OTHERS: 2,
    }
