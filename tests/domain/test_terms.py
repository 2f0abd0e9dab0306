"""What ends in 30, 7 and 1 days is told once each, whatever the clock does."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.effects import Notify
from gateway.domain.signals import Surveyed
from gateway.domain.terms import MAX_TOLD, SPREAD_S
from tests.domain.cars import Car, at, registered

DAY_S = 86400
SPREAD = timedelta(seconds=SPREAD_S)


def term(until_days: float, begins_days: float | None = None, **more: Any) -> dict[str, Any]:
    stated = {"until": at(until_days * DAY_S).isoformat(), **more}
    return stated if begins_days is None else {**stated, "from": at(begins_days * DAY_S).isoformat()}


def owned(day: float, user: str | None = "ann", **services: Any) -> Car:
    car = Car()
    car.take(registered(day * DAY_S, main_user=user, services=services))
    return car


def renew(car: Car, day: float, **services: dict[str, Any]) -> None:
    car.take(registered(day * DAY_S, main_user="ann", services=services), at(day * DAY_S))


def told(car: Car) -> list[tuple[str, str, int]]:
    notices = [effect for effect in car.effects if isinstance(effect, Notify)]
    return [(one.data["service"], one.code, one.data["days_left"]) for one in notices]


def test_each_notice_comes_once_and_in_time() -> None:
    car = owned(0, car_security=term(100)).live([], until_s=200 * DAY_S)
    assert told(car) == [
        ("car_security", "ends_in_30_days", 30),
        ("car_security", "ends_in_7_days", 7),
        ("car_security", "ends_in_1_day", 1),
        ("car_security", "ended", 0),
    ]


@pytest.mark.parametrize(
    ("days_left", "code"),
    [(29.9, "ends_in_30_days"), (6.5, "ends_in_7_days"), (0.5, "ends_in_1_day"), (-1, "ended")],
)
def test_what_was_missed_is_told_as_what_is_true_now(days_left: float, code: str) -> None:
    car = owned(100 - days_left, navigation=term(100))
    assert [one[1] for one in told(car)] == [code]


def test_what_ended_long_ago_is_no_news() -> None:
    assert told(owned(108, navigation=term(100))) == []


def test_a_renewed_term_is_told_anew_and_the_old_one_never_again() -> None:
    car = owned(0, charging=term(20))
    renew(car, 1, charging=term(400))
    renew(car, 2, charging=term(20))
    assert told(car) == [("charging", "ends_in_30_days", 20)]
    renew(car, 3, charging=term(400))
    car.live([], until_s=371 * DAY_S)
    assert told(car)[1:] == [("charging", "ends_in_30_days", 30)]


def test_a_monthly_term_is_not_announced_on_the_day_it_begins() -> None:
    car = owned(0, charging=term(28, 0)).live([], until_s=28.5 * DAY_S)
    assert [one[1] for one in told(car)] == ["ends_in_7_days", "ends_in_1_day", "ended"]


def test_what_was_not_ordered_or_has_no_owner_is_told_to_nobody() -> None:
    assert told(owned(95, charging=term(100, ordered=False))) == []
    car = owned(95, user=None, charging=term(100))
    assert car.vehicle.wake_at is None
    renew(car, 96, charging=term(100))
    assert told(car) == [("charging", "ends_in_7_days", 4)]


@pytest.mark.parametrize("until", ["1971-01-01", "9000-12-31", "0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_survived(until: str) -> None:
    for offset in ("+00:00", "-14:00", "+14:00"):
        car = owned(0, car_security={"until": f"{until}T23:59:59{offset}"})
        car.take(Surveyed(received_at=at(5)))
        assert told(car) == []


def test_a_fleet_is_told_over_an_hour() -> None:
    wakes = set()
    for number in range(200):
        car = Car(vin=f"WDDZZZ99ZTS{number:06}")
        fact = registered(0, main_user="ann", services={"car_security": term(100)})
        entry = fact.registration
        assert entry is not None
        car.take(registered_as(fact, car.vehicle.vin))
        assert car.vehicle.wake_at is not None
        assert at(70 * DAY_S) <= car.vehicle.wake_at < at(70 * DAY_S) + SPREAD
        wakes.add(car.vehicle.wake_at)
    assert len(wakes) > 150


def registered_as(fact: Any, vin: str) -> Any:
    return type(fact)(
        received_at=fact.received_at,
        registration=type(fact.registration)(vin=vin, main_user="ann", services=fact.registration.services),
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, 120),
            st.sampled_from(["tick", "survey", "renew"]),
            st.integers(1, 4),
            st.sampled_from(["car_security", "charging"]),
        ),
        max_size=30,
    )
)
def test_no_notice_is_told_twice_in_any_history(history: list[tuple[int, str, int, str]]) -> None:
    """Clock jumps back and forth, restarts, renewals to and fro: at most once a term and notice."""
    services = {"car_security": term(25), "charging": term(50)}
    car = owned(0, "ann", **services)
    for day, what, term_30s, service in history:
        now = at(day * DAY_S)
        if what == "renew":
            services[service] = term(term_30s * 25)
            renew(car, day, **services)
        elif what == "survey":
            car.take(Surveyed(received_at=now), now)
        elif car.vehicle.terms.next_at is not None:
            car.wait(min(car.vehicle.terms.next_at + timedelta(seconds=1), now))
        assert car.vehicle.terms.next_at is None or car.vehicle.terms.next_at > car.now
    notices = [one for one in car.effects if isinstance(one, Notify)]
    counted = Counter((one.data["service"], one.data["until"], one.code) for one in notices)
    assert max(counted.values(), default=1) == 1
    assert len(car.vehicle.terms.told) <= MAX_TOLD


@given(st.floats(31, 400), st.lists(st.floats(0.1, 45), max_size=40))
def test_every_notice_is_told_when_the_car_is_looked_at_often_enough(
    until_days: float, steps: list[float]
) -> None:
    """However the time passes: the last notice told is always the one that is true."""
    car, day = owned(0, car_security=term(until_days)), 0.0
    for step_days in steps:
        day += step_days
        car.take(Surveyed(received_at=at(day * DAY_S)), at(day * DAY_S))
        left = until_days - day
        codes = [one[1] for one in told(car)]
        slack = SPREAD_S / DAY_S
        for days, code in ((30, "ends_in_30_days"), (7, "ends_in_7_days"), (1, "ends_in_1_day")):
            if code in codes:
                assert left <= days
        if codes and left > slack and left < 1 - slack:
            assert codes[-1] == "ends_in_1_day"


def test_a_term_stays_with_the_car_that_is_sold() -> None:
    """The next owner may use it at once, and is told of its end; what was told before is not told again."""
    car = owned(75, charging=term(100))
    car.take(registered(76 * DAY_S, main_user="bert", services={"charging": term(100)}), at(76 * DAY_S))
    car.live([], until_s=99.5 * DAY_S)
    notices = [(one.user, one.code) for one in car.effects if isinstance(one, Notify)]
    assert notices == [("ann", "ends_in_30_days"), ("bert", "ends_in_7_days"), ("bert", "ends_in_1_day")]
