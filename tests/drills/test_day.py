"""Days of a fleet on virtual time, with every scenario, score what the labels promise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench import day, virtual
from vehicle_emulator import scenarios
from vehicle_emulator.score import Bounds


def test_a_short_day_with_every_scenario_is_as_labelled(tmp_path: Path) -> None:
    outcome = day.run(day.Day(vehicles=32, hours=3, seed=2), tmp_path)
    assert outcome.complaints(Bounds()) == [], outcome.card.examples
    assert outcome.card.missed == outcome.card.not_due == 0
    played = len(scenarios.SCENARIOS) + len(scenarios.FLEET_WIDE)
    assert outcome.card.plays > played


@pytest.mark.drill
@pytest.mark.parametrize("seed", [1, 4, 14])
def test_a_day_of_a_thousand_vehicles_is_as_labelled(seed: int, tmp_path: Path) -> None:
    outcome = day.run(day.Day(seed=seed), tmp_path)
    assert outcome.complaints(Bounds()) == [], outcome.card.examples


@pytest.mark.parametrize(
    ("impossible", "sentence"),
    [
        (day.Day(vehicles=3), "as many vehicles"),
        (day.Day(hours=0.2), "too short"),
        (day.Day(singles=("moonlight",)), "no scenario moonlight"),
    ],
    ids=["too-few", "too-short", "unknown"],
)
def test_a_day_that_can_not_be_lived_is_told(impossible: day.Day, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(day.DayError, match=sentence):
        day.run(impossible, tmp_path)


def test_the_same_seed_is_the_same_day(tmp_path: Path) -> None:
    short = day.Day(vehicles=16, hours=0.7, seed=3, singles=("glass_break", "towed_away"), alone=True)
    feeds = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        day.run(short, tmp_path / name)
        feeds.append((tmp_path / name / "soc.jsonl").read_bytes())
    assert feeds[0] == feeds[1] != b""


def test_hours_pass_in_a_moment_and_nothing_waits_for_ever() -> None:
    async def nap() -> float:
        await asyncio.sleep(3_600)
        return asyncio.get_running_loop().time()

    assert virtual.run(nap) == pytest.approx(3_600)

    async def forget() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is due"):
        virtual.run(forget)
