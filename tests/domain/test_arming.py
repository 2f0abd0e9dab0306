"""Disarmed, arming, armed: by ignition and card, with and without a card fitted."""

from __future__ import annotations

import pytest

from gateway.domain.arming import ArmingState, arming_state
from gateway.domain.facts import AnyFact
from gateway.domain.thresholds import Thresholds
from tests.domain.cars import Car, at, card, ignition, moves, registered

FITTED: list[AnyFact] = [registered(-200, "DC-1"), card("c-0", True, -100), ignition(True, -90)]
LEFT: list[AnyFact] = [*FITTED, ignition(False, -5), card("c-1", False, 0)]


def state_of(car: Car, seconds: float) -> ArmingState | None:
    vehicle = car.vehicle
    newest_at = vehicle.past.window[-1].at if vehicle.past.window else None
    return arming_state(
        vehicle.past.now, vehicle.counting_cards, Thresholds(), now=at(seconds), newest_at=newest_at
    )


def test_ignition_off_and_card_leaving_arms_after_70_seconds() -> None:
    """Scenario 4: given ignition off and card leaving, when 69 s pass, then not armed; at 71 s armed."""
    car = Car().live(LEFT, until_s=60)
    assert (state_of(car, 69), state_of(car, 71)) == ("arming", "armed")


def test_a_card_seen_while_arming_starts_the_70_seconds_again() -> None:
    """Scenario 5: given ARMING at 60 s, when the card is seen for 1 s, then the 70 s start again."""
    car = Car().live([*LEFT, card("c-2", True, 60), card("c-3", False, 61)], until_s=62)
    assert (state_of(car, 71), state_of(car, 130), state_of(car, 131)) == ("arming", "arming", "armed")


def test_two_cards_in_the_car_and_one_leaves() -> None:
    """Scenario 6: given two cards in the car and one leaves, then still disarmed."""
    cards = [registered(-200, "DC-1", "DC-2"), card("d", True, -50, card_id="DC-2"), *FITTED[1:]]
    car = Car().live([*cards, ignition(False, -5), card("c-1", False, 0)], until_s=10)
    assert state_of(car, 1000) == "disarmed"


@pytest.mark.parametrize(
    ("facts", "seconds", "state"),
    [
        pytest.param([], 0, None, id="nothing is known"),
        pytest.param([registered(-200), ignition(False, 0)], 69, "arming", id="no card fitted, before"),
        pytest.param([registered(-200), ignition(False, 0)], 70, "armed", id="no card fitted, after"),
        pytest.param([ignition(False, 0), ignition(True, 100)], 101, "disarmed", id="ignition on disarms"),
        pytest.param([*LEFT, card("c-2", True, 100)], 101, "disarmed", id="a card disarms"),
        pytest.param([*LEFT, card("x", True, 100, card_id="X")], 101, "armed", id="an unlisted one does not"),
        pytest.param([*LEFT, ignition(True, 100)], 101, "armed", id="with a card fitted ignition does not"),
        pytest.param([*LEFT, ignition(True, 40)], 100, "disarmed", id="ignition on ends arming"),
        pytest.param(
            [*LEFT, ignition(True, 100), card("c-2", True, 110)], 111, "disarmed", id="card follows"
        ),
        pytest.param(
            [*LEFT, ignition(True, 100), card("c-2", True, 110), card("c-3", False, 120)],
            300,
            "disarmed",
            id="the ignition is on",
        ),
        pytest.param(
            [registered(-200, "DC-1"), ignition(False, 0)], 70, "armed", id="a listed card never stated"
        ),
        pytest.param([ignition(False, 0, 50)], 71, "arming", id="our timer counts from arrival"),
        pytest.param([ignition(False, 0, 50), moves(70.5)], 71, "armed", id="a later fact proves it"),
        pytest.param([ignition(False, None, 0)], 71, "armed", id="no clock at all"),
    ],
)
def test_the_state(facts: list[AnyFact], seconds: float, state: ArmingState | None) -> None:
    assert state_of(Car().live(facts, until_s=seconds), seconds) == state


def test_a_card_that_vanishes_for_2_seconds_is_a_flap() -> None:
    """Scenario 1: given driving with card, when the card vanishes for 2 s, then no alarm and one flap."""
    car = Car().live([*FITTED, moves(0), card("c-1", False, 1), card("c-2", True, 3), moves(20)])
    known = car.vehicle.past.now.cards["DC-1"]
    assert (car.raised, known.flaps, known.present) == ([], 1, True)


def test_the_card_returns_after_the_alarm() -> None:
    """Scenario 3: when the card returns after 10 s, then the alarm stays open and is marked card_returned."""
    car = Car().live([*FITTED, moves(0), card("c-1", False, 1), moves(17), card("c-2", True, 27)])
    alarm = car.alarm("driver_card_missing")
    assert (alarm.state, alarm.note, alarm.count) == ("open", "card_returned", 1)
    assert car.messages == [
        ("alarm.raised", "driver_card_missing", ()),
        ("alarm.updated", "driver_card_missing", ()),
    ]


def test_a_longer_absence_is_no_flap_and_the_battery_is_kept() -> None:
    car = Car().live([*FITTED, card("c-1", False, 1, battery="low"), card("c-2", True, 30)], until_s=31)
    known = car.vehicle.past.now.cards["DC-1"]
    assert (known.flaps, known.battery) == (0, "low")
