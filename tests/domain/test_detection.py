"""Thefts that no sensor states: from ignition, movement and position."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.domain.facts import AnyFact
from gateway.domain.signals import Located, Mode, Position
from gateway.domain.thresholds import Thresholds
from tests.domain.cars import Car, card, ignition, moves, registered, stands, times

CARD: list[AnyFact] = [registered(-200, "DC-1"), card("c-0", True, -100), ignition(True, -90)]
ARMED: list[AnyFact] = [*CARD, stands(-10), ignition(False, -5), card("c-1", False, 0)]
NO_CARD: list[AnyFact] = [ignition(True, -90), stands(-10), ignition(False, 0)]
METRES = 1 / 111_194.9
"""One metre northwards in degrees."""


def there(metres: float, seconds: float, received_s: float | None = None, **more: float) -> Located:
    """A position so many metres north of the parking spot."""
    return Located(position=Position(52.1 + metres * METRES, 4.3, **more), **times(seconds, received_s))


def truck(metres: float, start_s: float = 100, every_s: float = 5, stay_s: float = 60) -> list[AnyFact]:
    """Carried at 20 m/s, then standing there."""
    ride = [there(20 * s, start_s + s) for s in range(0, int(metres / 20), int(every_s))]
    end_s = start_s + metres / 20
    return [*ride, *(there(metres, end_s + s) for s in range(0, int(stay_s), int(every_s)))]


def test_a_car_that_was_armed_is_pushed() -> None:
    car = Car().live([*ARMED, moves(100), moves(120), moves(140)])
    assert car.raised == ["driver_card_missing", "unauthorised_movement"]
    assert car.raised_after_s("unauthorised_movement") == 100
    texts = " ".join(one.text for one in car.alarm("unauthorised_movement").evidence)
    assert "armed" in texts
    assert "would clear this" in texts


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([*ARMED, moves(40), stands(50)], id="still arming"),
        pytest.param([*ARMED, card("c-2", True, 90), moves(100)], id="the card is there"),
        pytest.param([*NO_CARD, ignition(True, 90), moves(100)], id="driven, no card fitted"),
        pytest.param([moves(100), moves(120)], id="nobody stated the ignition"),
        pytest.param([*CARD, moves(-20), ignition(False, -5), card("c-1", False, 0)], id="an old movement"),
        pytest.param(
            [*NO_CARD, moves(100, after_gap=True), moves(120, after_gap=True), ignition(True, 129)],
            id="the ignition's statement was lost, its repeat is heard",
        ),
    ],
)
def test_a_movement_that_is_none(facts: list[AnyFact]) -> None:
    assert "unauthorised_movement" not in Car().live(facts).raised


@pytest.mark.parametrize(
    ("facts", "after_s"),
    [
        pytest.param([*NO_CARD, moves(100)], 100, id="nothing was lost"),
        pytest.param([*NO_CARD, moves(100, after_gap=True)], 130, id="nothing more is heard"),
        pytest.param(
            [*NO_CARD, *(moves(100 + 10 * s, after_gap=True) for s in range(9))], 130, id="no repeat comes"
        ),
        pytest.param(
            [*NO_CARD, moves(100, after_gap=True), ignition(False, 105), moves(106)], 106, id="it is off"
        ),
        pytest.param([*ARMED, moves(100, after_gap=True)], 100, id="a card disarms, and none is there"),
    ],
)
def test_a_lost_message_lets_an_armed_car_wait_half_a_minute_at_most(
    facts: list[AnyFact], after_s: float
) -> None:
    """Ignition and movement are repeated every 30 s: what is still off then is no lost statement."""
    assert Car().live(facts).raised_after_s("unauthorised_movement") == after_s


def test_a_late_ignition_on_takes_the_alarm_back_before_it_is_one() -> None:
    """The fold sees the facts in the order of the car, whatever order they arrive in."""
    assert Car().live([*NO_CARD, ignition(True, 99, 99.5), moves(99, 100)]).raised == []


def test_given_a_lost_card_s_deactivation_a_tow_is_still_told() -> None:
    """Scenario 13, first half: movement with the ignition off is a rule of its own, beside the card's."""
    assert Car().live([*NO_CARD, moves(100)]).raised == ["unauthorised_movement"]


def test_the_ignition_is_switched_on_while_armed() -> None:
    car = Car().live([*ARMED, ignition(True, 100)], until_s=110)
    assert car.raised == ["ignition_on_armed"]
    assert car.raised_after_s("ignition_on_armed") == 103


def test_a_car_that_was_armed_by_its_own_clock_needs_no_further_fact() -> None:
    """What it was left like arrives late; the ignition being on is the fact that proves the time before."""
    left: list[AnyFact] = [
        registered(-200, "DC-1"),
        ignition(False, -20000, 100),
        card("c-1", False, -20000, 100),
    ]
    car = Car().live([*left, ignition(True, 101)], until_s=110)
    assert (car.raised, car.raised_after_s("ignition_on_armed")) == (["ignition_on_armed"], 104)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([*ARMED, card("c-2", True, 99), ignition(True, 100)], id="with the card"),
        pytest.param(
            [*ARMED, ignition(True, 100, 100), card("c-2", True, 99, 102)], id="the card is overtaken"
        ),
        pytest.param([*ARMED, ignition(True, 60)], id="still arming"),
        pytest.param([*NO_CARD, ignition(True, 200)], id="without a card it only disarms"),
    ],
)
def test_an_ignition_that_alarms_nobody(facts: list[AnyFact]) -> None:
    assert Car().live(facts, until_s=400).raised == []


def test_an_ignition_switched_off_again_at_once_is_told() -> None:
    assert Car().live([*ARMED, ignition(True, 100), ignition(False, 101)], until_s=110).raised == [
        "ignition_on_armed"
    ]


def test_a_parked_car_drifting_40_metres() -> None:
    """Scenario 35, first half: given a car parked, position drifting 40 m, then none."""
    drift = [there(40 * (s % 3 - 1), 100 + 10 * s) for s in range(200)]
    assert Car().live([there(0, -20), *NO_CARD, *drift]).raised == []


def test_a_car_moved_600_m_on_a_truck_alarms_once_per_15_minutes() -> None:
    """Scenario 35, second half: moved 600 m on a truck with ignition off, then alarm once per 15 min."""
    stay = [there(600, 200 + 30 * s) for s in range(60)]
    car = Car().live([there(0, -20), *NO_CARD, *truck(600), *stay])
    assert car.raised == ["towed"]
    assert [kind for kind, cause, _ids in car.messages if cause == "towed"] == ["alarm.raised"] + [
        "alarm.updated"
    ] * ((30 * 59 + 200 - 150) // 900)
    assert car.alarm("towed").count == len(car.messages)
    assert "from where it was parked" in car.alarm("towed").evidence[0].text


def test_position_0_0_or_a_jump_of_600_km_is_a_sensor_note() -> None:
    """Scenario 34: given position 0,0 or a jump of 600 km in 5 s, then no movement alarm, sensor note."""
    zero = Located(position=Position(0, 0), **times(105))
    jumps = [there(600_000, 110 + s) for s in range(20)]
    car = Car().live([there(0, -20), *NO_CARD, there(0, 100), zero, *jumps, there(0, 140)])
    parking = car.vehicle.past.now.parking
    assert parking is not None
    assert (car.raised, parking.left_out, round(parking.smoothed_m)) == ([], 21, 0)
    car.live(truck(900, 200))
    assert any("sensor note" in one.text for one in car.alarm("towed").evidence)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([there(0, -20), *NO_CARD, ignition(True, 90), *truck(2000)], id="driven"),
        pytest.param([there(0, -20), *NO_CARD, there(2000, 5), there(2001, 900)], id="the receiver settles"),
        pytest.param(
            [there(0, -400), ignition(True, -390), moves(-300), ignition(False, -100), there(3000, 10)],
            id="a short drive without a position",
        ),
        pytest.param([there(0, -700), *NO_CARD, there(9000, 100), there(9001, 900)], id="an old position"),
        pytest.param([there(0, -20), *NO_CARD, *(there(800, 100 + s) for s in range(4))], id="a short echo"),
        pytest.param(
            [there(0, -20), *NO_CARD, *(there(450, 100 + s) for s in range(90))], id="not far enough"
        ),
        pytest.param(
            [there(0, -20), *NO_CARD, *(there(5000, 500 + s, accuracy_m=3000) for s in range(30))],
            id="a vague position",
        ),
    ],
)
def test_a_place_that_is_no_tow(facts: list[AnyFact]) -> None:
    assert Car().live(facts).raised == []


def test_the_distance_is_configured() -> None:
    facts = [there(0, -20), *NO_CARD, *(there(300, 100 + s) for s in range(30))]
    assert Car(Thresholds(towed_distance_m=200)).live(facts).raised == ["towed"]


def test_a_weak_card_drops_out_in_motion() -> None:
    """Scenario 8: the alarm and the low-battery note are both told: likely false, still forwarded."""
    car = Car().live([*CARD, moves(0), card("c-1", False, 1, battery="low"), moves(20)])
    assert car.raised == ["driver_card_missing"]
    texts = [one.text for one in car.alarm("driver_card_missing").evidence]
    assert any("battery of Driver Card DC-1 is low" in text for text in texts)


def test_a_private_drive_leaves_no_trail_of_places() -> None:
    private = Mode(event_id="m", private_mode=True, **times(-50))
    driven = Car().live(
        [private, ignition(True, 0), *(there(100 * s, 10 + s) for s in range(20))], until_s=40
    )
    assert driven.vehicle.past.window == (ignition(True, 0),)
    parked = Car().live([private, there(0, -20), *NO_CARD, *truck(900)])
    assert parked.raised == ["towed"]


def test_no_drive_leaves_a_trail_of_places() -> None:
    """Whatever asks for the positions of a drive, the state keeps the newest alone."""
    drive = [replace(there(100 * s, 10 + s), driven=True) for s in range(20)]
    car = Car().live([ignition(True, 0), *drive], until_s=40)
    assert car.vehicle.past.window == (ignition(True, 0),)
    assert car.vehicle.past.now.parking is None
    assert car.vehicle.position is not None
    assert car.vehicle.position.latitude == drive[-1].position.latitude
