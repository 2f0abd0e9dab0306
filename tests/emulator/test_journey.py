"""Roads, and motion along a way over them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vehicle_emulator import journey, roads
from vehicle_emulator.dice import Dice
from vehicle_emulator.journey import Journey, Leg

SEEDS = st.integers(0, 10_000)
REGION = roads.region(1, 0)
NODES = st.integers(0, len(REGION.sites) - 1)


def some_way(seed: int) -> tuple[Leg, ...]:
    """A way over real roads, at least one road long."""
    dice = Dice(seed, "way")
    start = dice.below(len(REGION.sites))
    return REGION.way(start, (start + 1 + dice.below(len(REGION.sites) - 1)) % len(REGION.sites))


@given(seed=SEEDS, step_s=st.sampled_from([0.4, 1.0, 5.0, 25.0]), traffic=st.sampled_from([0.0, 1.0]))
def test_every_way_is_driven_to_its_end(seed: int, step_s: float, traffic: float) -> None:
    legs = some_way(seed)
    under_way, driven_m = Journey(legs, Dice(seed), traffic=traffic), 0.0
    while not under_way.is_over:
        driven_m += under_way.advance(step_s)
    assert (driven_m, under_way.along_m) == pytest.approx((under_way.length_m,) * 2, abs=0.01)
    assert under_way.speed_mps == 0.0
    assert under_way.length_m / under_way.takes_s < max(leg.limit_mps for leg in legs) * 1.08


@settings(max_examples=30)
@given(seed=SEEDS)
def test_speed_keeps_limits_and_changes_as_a_car_can(seed: int) -> None:
    under_way, before_mps, step_s = Journey(some_way(seed), Dice(seed)), 0.0, 0.5
    while not under_way.is_over:
        limit_mps = under_way.leg.limit_mps
        driven_m = under_way.advance(step_s)
        assert -2.3 * step_s <= under_way.speed_mps - before_mps <= 1.95 * step_s
        assert under_way.speed_mps <= max(limit_mps, under_way.leg.limit_mps) * 1.08 + 1e-6
        assert driven_m == pytest.approx((before_mps + under_way.speed_mps) / 2 * step_s, abs=0.2)
        before_mps = under_way.speed_mps


@given(seed=SEEDS)
def test_place_and_distance_do_not_depend_on_how_often_one_looks(seed: int) -> None:
    legs = some_way(seed)
    often, rarely = Journey(legs, Dice(seed)), Journey(legs, Dice(seed))
    for _ in range(20):
        for _ in range(30):
            often.advance(0.5)
        rarely.advance(15.0)
        assert (often.east_m, often.north_m) == pytest.approx((rarely.east_m, rarely.north_m), abs=0.01)
        assert often.speed_mps == pytest.approx(rarely.speed_mps, abs=0.01)


@given(start=NODES, end=NODES)
def test_a_way_leads_along_roads_from_start_to_end(start: int, end: int) -> None:
    legs = REGION.way(start, end)
    east_m, north_m = REGION.sites[start]
    under_way = Journey(legs, Dice(1)) if legs else None
    if under_way is not None:
        under_way.advance(under_way.takes_s)
        east_m, north_m = east_m + under_way.east_m, north_m + under_way.north_m
    assert (east_m, north_m) == pytest.approx(REGION.sites[end], abs=0.1)
    back_m = sum(leg.length_m for leg in REGION.way(end, start))
    assert back_m == pytest.approx(sum(leg.length_m for leg in legs), rel=0.2, abs=500)


def test_every_place_of_every_region_can_be_reached() -> None:
    for index in range(len(roads.CENTRES)):
        region = roads.region(3, index)
        tree = [region.way(region.city.middle, node) for node in range(len(region.sites))]
        assert len([way for way in tree if not way]) == 1
        assert any(leg.is_abroad for leg in region.way(region.city.middle, region.abroad.middle))


@settings(max_examples=20)
@given(seed=SEEDS, index=st.integers(0, 11))
def test_a_region_has_streets_arterials_country_roads_motorways_and_a_tunnel(seed: int, index: int) -> None:
    legs = [edge.leg for edges in roads.Region(seed, index).edges for edge in edges]
    kinds = {round(leg.limit_mps * journey.KMH_PER_MPS) for leg in legs}
    assert kinds == {30, 50, 80, 120}
    assert {leg.air for leg in legs} >= {"", "LTE", "3G"}
    assert min(leg.length_m for leg in legs) > 10.0


def test_a_site_and_its_position_are_one_place() -> None:
    for node in range(0, len(REGION.sites), 40):
        assert REGION.site(REGION.place(node)) == pytest.approx(REGION.sites[node], abs=0.01)
        assert REGION.nearest(REGION.site(REGION.place(node))) == node


def test_pauses_at_lights_are_longer_in_the_rush_hour() -> None:
    def takes_s(traffic: float) -> float:
        return sum(Journey(some_way(seed), Dice(seed), traffic=traffic).takes_s for seed in range(60))

    assert takes_s(1.0) > 1.15 * takes_s(0.0)


def test_legs_meet_where_the_one_before_ended() -> None:
    under_way, places = Journey(some_way(7), Dice(7)), []
    while not under_way.is_over:
        under_way.advance(1.0)
        places.append((under_way.east_m, under_way.north_m))
    for earlier, later in pairwise(places):
        assert abs(later[0] - earlier[0]) + abs(later[1] - earlier[1]) < 55.0
