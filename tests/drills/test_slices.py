"""What strikes a whole fleet, in real time over a real broker; and when it plays what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import slices
from bench.stage import StageError
from devtools.mosquitto import Mosquitto
from vehicle_emulator import choosing, scenarios
from vehicle_emulator.scenario import FleetWide

NAMES = [one.scenario.name for one in scenarios.FLEET_WIDE]


def singles_end_before(played: slices.Programme, strike: FleetWide, at_s: float) -> bool:
    over_s = at_s + strike.lasts_s
    return all(start_s + one.length_s <= at_s or start_s >= over_s for one, start_s in played.singles)


@given(st.sets(st.sampled_from(NAMES)), st.floats(1.0, 1_000.0), st.integers(0, 99))
def test_no_theft_is_played_while_all_are_struck(names: set[str], pace: float, seed: int) -> None:
    played = slices.programme(slices.Plan(seed=seed, pace=pace, wide=tuple(names)))
    assert {one.scenario.name for one, _ in played.wide} == names
    assert played.singles
    for strike, at_s in played.wide:
        assert at_s + strike.length_s <= played.length_s
        assert strike.parked or singles_end_before(played, strike, at_s)
    spoken = [word for word in played.words if word != "--scenario"]
    assert [one for one, _ in choosing.wide(spoken, played.length_s + 1, pace)] == [
        one for one, _ in played.wide
    ]
    assert len(choosing.singles(spoken, played.length_s + 1, 300)) == len(played.singles)


def test_too_few_vehicles_are_told() -> None:
    with pytest.raises(StageError, match="as many vehicles"):
        slices.programme(slices.Plan(vehicles=3))


@pytest.mark.drill
def test_a_slice_is_as_labelled(tmp_path: Path, mosquitto: Mosquitto) -> None:
    plan = slices.Plan(vehicles=48, pace=60, wide=("broker_restart", "network_outage"), ready_within_s=60)
    outcome = slices.run(plan, tmp_path)
    assert outcome.complaints() == [], outcome.card.examples
    assert [(one.name, one.back_s.count) for one in outcome.strikes] == [(name, 48) for name in plan.wide]
    assert outcome.card.kept == sum(len(one.label.must) for one, _ in slices.programme(plan).singles) > 0
    assert outcome.verdict.sent == outcome.verdict.at_soc
