"""Bundle states in the contract's order, and each threshold told once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.effects import Notify
from gateway.domain.services.data_bundle import LOW_SHARE, MAX_BUNDLES, bundle_state, used_share, whole
from gateway.domain.set_back import set_back
from gateway.domain.signals import DataBundle
from tests.domain.cars import Car, at, registered, times

DAY_S = 86400


def bundle(event_id: str, seconds: float, used: float | None = 10, **more: object) -> DataBundle:
    fields: dict[str, object] = {
        "bundle_id": "B1",
        "used_mb": used,
        "total_mb": 100,
        **times(seconds),
        **more,
    }
    return DataBundle(event_id=event_id, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "state"),
    [
        (bundle("a", 0), "active"),
        (bundle("a", 0, 79.9), "active"),
        (bundle("a", 0, 80), "low"),
        (bundle("a", 0, 99.9), "low"),
        (bundle("a", 0, 100), "exhausted"),
        (bundle("a", 0, None), "active"),
        (bundle("a", 0, 5, total_mb=None), "active"),
        (bundle("a", 0, 5, total_mb=0), "active"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S)), "expiring"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S + 1)), "low"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S), renewal="renewing"), "renewing"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S), renewal="failed"), "renew_failed"),
        (bundle("a", 0, 100, renewal="failed"), "exhausted"),
        (bundle("a", 0, 100, valid_until=at(0)), "expired"),
        (bundle("a", 0, bundle_id=None), "none"),
        (None, "none"),
    ],
)
def test_the_first_state_that_applies(stated: DataBundle | None, state: str) -> None:
    assert bundle_state(stated, at(0)) == state


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        pytest.param([bundle("a", 0, 70), bundle("b", 10, 105)], ["exhausted", "low"], id="from 70 to 105 %"),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 86), bundle("c", 20, 101)],
            ["low", "exhausted"],
            id="each once",
        ),
        pytest.param(
            [bundle("a", 0, 105), bundle("b", -5, 75)], ["exhausted", "low"], id="a late lower count"
        ),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 10), bundle("c", 20, 85)], ["low"], id="down and up again"
        ),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 85, bundle_id="B2")], ["low", "low"], id="another bundle"
        ),
        pytest.param(
            [bundle("a", 0, 105, valid_until=at(3 * DAY_S), renewal="failed")],
            ["exhausted", "renew_failed", "expiring", "low"],
            id="everything at once",
        ),
        pytest.param([bundle("a", 0, 10, renewal="renewing")], [], id="renewing is not told"),
        pytest.param([bundle("a", 0, 105, bundle_id=None)], [], id="no bundle"),
    ],
)
def test_the_main_user_is_told_each_threshold_once(stated: list[DataBundle], told: list[str]) -> None:
    car = Car().live([registered(-10, main_user="ann")])
    for fact in stated:
        car.take(fact, at(60))
    notices = [effect for effect in car.effects if isinstance(effect, Notify)]
    assert [(one.user, one.kind, one.code) for one in notices] == [
        ("ann", "data_bundle", code) for code in told
    ]
    assert car.announced == []


def test_nobody_is_told_where_nobody_is_registered() -> None:
    assert Car().live([bundle("a", 0, 105)]).effects == []


@pytest.mark.parametrize("total", [5e-324, 1e-9, 1e12])
@pytest.mark.parametrize("used", [0, 5e-324, 1e12])
def test_absurd_amounts_cost_nothing(used: float, total: float) -> None:
    """Whatever the decoder lets through can be decided and told."""
    car = Car().live([registered(-10, main_user="ann"), bundle("a", 0, used, total_mb=total)])
    for effect in car.effects:
        assert isinstance(effect, Notify)
        assert effect.data["used_percent"] <= 100_000


def notices(car: Car) -> list[tuple[str, str]]:
    told = [effect for effect in car.effects if isinstance(effect, Notify)]
    return [(one.data["bundle_id"], one.code) for one in told]


def owned() -> Car:
    return Car().live([registered(-10, main_user="ann")], until_s=0)


def test_time_alone_passes_thresholds_once() -> None:
    """A bundle of a car that sleeps ends too."""
    car = owned()
    car.live([bundle("a", 1, valid_until=at(10 * DAY_S))], until_s=11 * DAY_S)
    assert notices(car) == [("B1", "expiring"), ("B1", "expired")]
    car.live([bundle("b", 11 * DAY_S, valid_until=at(10 * DAY_S))], until_s=12 * DAY_S)
    assert len(notices(car)) == 2


def test_a_clock_that_jumps_over_both_tells_the_end_only() -> None:
    car = owned()
    car.take(bundle("a", 1, valid_until=at(10 * DAY_S)))
    car.take(bundle("x", 2, bundle_id="B2"), at(30 * DAY_S))
    assert notices(car) == [("B1", "expired")]


def test_bundles_stack_by_their_ends() -> None:
    """The first to end is used first; the whole is over when the last one is."""
    car = owned().live(
        [
            bundle("a", 1, 50, bundle_id="late", valid_until=at(40 * DAY_S)),
            bundle("b", 2, 100, bundle_id="early", valid_until=at(20 * DAY_S)),
            bundle("c", 3, 0, bundle_id="endless"),
        ],
        until_s=10,
    )
    found = whole(car.vehicle.bundles, at(10))
    assert [one.bundle_id for one in found.stack] == ["late", "endless", "early"]
    assert (found.state, found.used_mb, found.total_mb, found.valid_until) == ("active", 150, 300, None)
    assert whole(car.vehicle.bundles, at(50 * DAY_S)).state == "active"
    exhausted = next(one for one in car.effects if isinstance(one, Notify))
    assert (exhausted.data["another"], exhausted.data["hotspot_limited"]) == (True, False)


def test_no_bundle_means_that_there_is_none() -> None:
    car = owned().live([bundle("a", 1, 50), bundle("b", 5, bundle_id=None)], until_s=10)
    assert whole(car.vehicle.bundles, at(10)).state == "none"
    car.live([bundle("late", 4, 99, received_at=at(11))], until_s=12)
    assert whole(car.vehicle.bundles, at(12)).state == "none"
    car.live([bundle("c", 13, 99, bundle_id="B2")], until_s=14)
    assert [one.bundle_id for one in whole(car.vehicle.bundles, at(14)).stack] == ["B2"]
    assert notices(car) == [("B2", "low")]


def test_the_last_bundle_to_end_limits_the_hotspot() -> None:
    car = owned().live([bundle("a", 1, 100, hotspot=True)], until_s=10)
    told = [one.data["hotspot_limited"] for one in car.effects if isinstance(one, Notify)]
    assert told == [True, False]  # exhausted, low


def test_failed_renewals_are_counted_as_the_vehicle_states_them() -> None:
    facts = [
        bundle(str(n), n, renewal=renewal)
        for n, renewal in enumerate(["failed", "failed", "renewing", "failed", "renewing", "none"])
    ]
    car = owned().live(facts, until_s=10)
    assert car.vehicle.bundles.told[0].failures == 2
    assert notices(car) == [("B1", "renew_failed")]


def test_a_clock_set_back_makes_no_new_statement_late() -> None:
    """What was stated by the old clock is moved; until when a bundle is valid is not."""
    ends_at = at(30 * DAY_S)
    car = owned().live([bundle("a", 100, 50, valid_until=ends_at)], until_s=200)
    car.vehicle = set_back(car.vehicle, timedelta(seconds=150), at(200))
    car.now = at(50)
    car.live([bundle("b", 60, 85, valid_until=ends_at)], until_s=70)
    assert notices(car) == [("B1", "low")]
    newest = car.vehicle.bundles.newest
    assert newest is not None
    assert (newest.used_mb, newest.valid_until) == (85, ends_at)


@st.composite
def histories(draw: st.DrawFn) -> list[DataBundle]:
    """Statements of few bundles, in any order of their times."""
    count = draw(st.integers(1, 12))
    return [
        bundle(
            f"e{number}",
            draw(st.integers(0, 40)) * DAY_S / 2,
            draw(st.sampled_from([None, 0, 79, 80, 99, 100, 250])),
            bundle_id=draw(st.sampled_from([None, "B1", "B1", "B2", "B3"])),
            valid_until=draw(st.none() | st.integers(0, 40).map(lambda half: at(half * DAY_S / 2))),
            renewal=draw(st.sampled_from([None, "none", "renewing", "failed"])),
            received_at=at(20 * DAY_S + number),
        )
        for number in range(count)
    ]


@given(histories(), st.lists(st.integers(0, 60), max_size=12))
def test_no_threshold_is_told_twice_and_none_by_a_late_statement(
    facts: list[DataBundle], days: list[int]
) -> None:
    """Whatever is stated and however the clock jumps: at most once a bundle, and only by what is newest."""
    car = owned()
    newest: dict[str | None, tuple[Any, str]] = {}
    for number, fact in enumerate(facts):
        before = len(car.effects)
        # Timers first, so that what follows is told by the statement itself.
        now = at((days[number] if number < len(days) else 60) * DAY_S)
        now = max(now, fact.received_at)
        car.take(registered(0, main_user="ann"), now)
        timed = len(car.effects)
        car.take(fact, now)
        key, none = (fact.at, fact.event_id), newest.get(None, (at(-DAY_S), ""))
        late = key < newest.get(fact.bundle_id, (at(-DAY_S), "")) or fact.at <= none[0]
        if late or fact.bundle_id is None:
            assert len(car.effects) == timed
        newest[fact.bundle_id] = max(key, newest.get(fact.bundle_id, key))
        fresh = notices(car)[before:]
        assert all(bundle_id in newest for bundle_id, _ in fresh)
    assert max(Counter(notices(car)).values(), default=1) == 1


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20))
def test_what_one_message_passes_is_told_exactly_once(used: list[int]) -> None:
    """Counts that only grow in time: low and exhausted are told exactly if they are ever passed."""
    facts = [bundle(str(n).zfill(3), n, count) for n, count in enumerate(sorted(used))]
    car = owned().live(facts, until_s=100)
    shares = [used_share(fact) for fact in facts]
    expected = Counter({("B1", "low"): max(shares) >= LOW_SHARE, ("B1", "exhausted"): max(shares) >= 1})
    assert Counter(notices(car)) == +expected


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100)), max_size=60))
def test_what_is_kept_is_bounded(stated: list[tuple[int, int]]) -> None:
    car = owned()
    for number, (name, seconds) in enumerate(stated):
        car.take(bundle(f"e{number}", seconds, 90, bundle_id=f"B{name}"), at(200))
    assert len(car.vehicle.bundles.told) <= MAX_BUNDLES
