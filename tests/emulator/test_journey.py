"""Motion along a way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle_emulator import journey
from vehicle_emulator.dice import Dice
from vehicle_emulator.journey import Journey


@given(seed=st.integers(0, 10_000), step_s=st.sampled_from([1, 2, 3, 4, 5]))
def test_every_way_is_driven_to_its_end_within_reason(seed: int, step_s: int) -> None:
    legs = journey.plan(Dice(seed))
    length_m = sum(leg.length_m for leg in legs)
    under_way, driven_m, elapsed_s, fastest_mps = Journey(legs, Dice(seed, 1)), 0.0, 0, 0.0
    while not under_way.is_over:
        driven_m += under_way.advance(step_s)
        fastest_mps = max(fastest_mps, under_way.speed_mps)
        elapsed_s += step_s
        assert elapsed_s < 3_600
    assert driven_m == pytest.approx(length_m, abs=1.0)
    assert under_way.speed_mps == 0.0
    assert 8 < fastest_mps <= max(leg.limit_mps for leg in legs) * 1.08 + 1e-9


@given(seed=st.integers(0, 10_000))
def test_speed_changes_as_a_car_can(seed: int) -> None:
    under_way = Journey(journey.plan(Dice(seed)), Dice(seed, 1))
    before_mps = 0.0
    while not under_way.is_over:
        under_way.advance(1.0)
        assert under_way.speed_mps - before_mps <= 2.0
        before_mps = under_way.speed_mps


@given(seed=st.integers(0, 10_000))
def test_the_way_back_ends_where_it_began(seed: int) -> None:
    legs = journey.plan(Dice(seed))
    place = [0.0, 0.0]
    for way in (legs, journey.back(legs)):
        under_way = Journey(way, Dice(seed, 1))
        while not under_way.is_over:
            under_way.advance(5.0)
        place[0] += under_way.north_m
        place[1] += under_way.east_m
    assert place == pytest.approx([0.0, 0.0], abs=1.0)
