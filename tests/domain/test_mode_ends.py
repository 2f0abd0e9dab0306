"""Special modes: how they end, by time, by place and by driving."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.services.special_modes import distance
from gateway.domain.signals import (
    Located,
    Mode,
    Place,
    Position,
    Tick,
)
from gateway.domain.suppression import Suppressed, decide
from tests.domain.cars import (
    at,
    card,
    ignition,
    moves,
    sensor,
    stands,
    times,
)
from tests.domain.modes import YARD, H, located, notes, owned, put, stop


def test_workshop_until_twelve_battery_and_tilt_still_present_are_raised_once_each() -> None:
    """Scenario 9: the car on the lift with its battery off when the mode ends by the gateway's clock."""
    car = owned().live([put("workshop", 0.5, 2)], 1)
    for number in range(10):
        car.live([sensor(f"t{number}", 10 + number, cause="tilt")], 10.5 + number)
        car.live([sensor(f"b{number}", 10.6 + number, cause="battery_disconnect")], 10.7 + number)
    car.live([sensor("i", 40), sensor("i2", 41, state="restored")], 2 * H + 10)
    assert [one for one in notes(car) if one[0] == "alarm.raised"] == [
        ("alarm.raised", "tilt", "present_at_mode_end"),
        ("alarm.raised", "battery_disconnect", "present_at_mode_end"),
    ]
    ended = [one for one in car.announced if one.alarm.note == "mode_ended"]
    assert [(one.type, one.alarm.cause, one.event_ids, one.alarm.count) for one in ended] == [
        ("alarm.updated", "tilt", (), 10),
        ("alarm.updated", "battery_disconnect", (), 10),
        ("alarm.updated", "intrusion", (), 1),
    ]
    assert all(one.event_ids == () for one in car.announced if one.type == "alarm.raised")
    assert sorted(car.told) == sorted([f"{kind}{n}" for kind in "tb" for n in range(10)] + ["i"])
    assert car.vehicle.suppressed == {}


def test_workshop_mode_and_the_car_drives_off_without_a_card() -> None:
    """Scenario 10: outside its place nothing holds the missing card back."""
    car = owned().live([located(1, 0), card("c1", True, 2), card("c2", False, 3), put("workshop", 4)], 5)
    car.live([moves(100), moves(120)], 125)
    assert car.raised == []
    assert car.messages == [("alarm.suppressed", "driver_card_missing", ())]
    car.live([located(130, 2000), moves(131), located(140, 2200), moves(150), moves(170)], 200)
    assert car.raised == ["left_workshop", "driver_card_missing"]
    assert car.vehicle.modes.running == ()


def test_workshop_and_transport_both_on_and_transport_ends() -> None:
    """Scenario 11: movement alarms return, tamper stays held back."""
    car = owned().live([put("workshop", 1), put("transport", 2)], 3)
    car.live([sensor("m1", 4, cause="unauthorised_movement"), sensor("t1", 5, cause="tamper")], 10)
    car.live([sensor("m2", 11, cause="unauthorised_movement", state="restored"), stop("transport", 20)], 21)
    car.live([sensor("m3", 30, cause="unauthorised_movement"), sensor("t2", 31, cause="tamper")], 40)
    assert car.raised == ["unauthorised_movement"]
    assert car.told == ["m1", "t1", "m3", "t2"]


def test_transport_on_a_ferry_and_the_mobile_network_lost_for_nine_hours() -> None:
    """Scenario 12: no theft alarm; what the supervision notes is held back and recorded."""
    car = owned().live([put("transport", 1), sensor("t", 5, cause="tilt")], 9 * H)
    assert car.raised == []
    verdict = decide("supervision_lost", car.vehicle, at(9 * H), at(9 * H))
    assert isinstance(verdict, Suppressed)


def test_deactivation_for_a_lost_card_and_the_car_is_towed() -> None:
    """Scenario 13: deactivation holds back the missing card only."""
    car = owned().live([card("c", True, 0.5), card("c2", False, 0.6), put("deactivation", 1)], 2)
    car.live([moves(5), moves(25), stands(30)], 40)
    assert (car.raised, car.messages) == ([], [("alarm.suppressed", "driver_card_missing", ())])
    car.live([sensor("m", 100, cause="unauthorised_movement")], 110)
    assert car.raised == ["unauthorised_movement"]


def test_the_soc_ended_a_mode_and_no_word_of_the_vehicle_brings_it_back() -> None:
    """Scenario 15: no vehicle topic can set a mode, however old or new its time stamp."""
    car = owned().live([put("workshop", 1), stop("workshop", 50)], 51)
    car.take(Mode(event_id="late", private_mode=True, **times(20, 60)))
    car.live([sensor("e1", 70)], 80)
    assert (car.raised, car.vehicle.modes.running) == (["intrusion"], ())


def test_workshop_mode_set_while_an_alarm_is_open() -> None:
    """Scenario 16: the open alarm is neither closed nor hidden."""
    car = owned().live([sensor("e1", 1), put("workshop", 10), sensor("e2", 20, state="restored")], 30)
    assert car.alarm("intrusion").state == "open"
    assert car.messages == [("alarm.raised", "intrusion", ("e1",))]
    car.live([stop("workshop", 40)], 50)
    assert (car.alarm("intrusion").state, len(car.messages)) == ("open", 1)


def test_what_two_modes_cover_is_raised_when_the_last_of_them_ends() -> None:
    car = owned().live([put("transport", 1), put("workshop", 2), sensor("t", 5, cause="tilt")], 10)
    car.live([stop("transport", 20)], 21)
    assert car.raised == []
    car.live([stop("workshop", 30)], 31)
    assert notes(car)[-1] == ("alarm.raised", "tilt", "present_at_mode_end")
    assert car.told == ["t"]


def test_what_is_handed_on_while_another_mode_is_reminded_is_not_forgotten() -> None:
    """Transport ends at the very instant of the workshop mode's reminder."""
    car = owned().live([put("workshop", 1, 5), put("transport", 2, 1), sensor("t", 5, cause="tilt")], 10)
    car.take(Tick(received_at=at(4.5 * H)), at(4.5 * H))
    car.live([], 6 * H)
    assert notes(car)[-1] == ("alarm.raised", "tilt", "present_at_mode_end")


def test_a_backlog_of_the_drive_to_the_workshop_does_not_leave_it() -> None:
    car = owned().live([put("workshop", 1000, place=YARD)], 1001)
    late = [replace(located(100 + n, 9000 - n), received_at=at(1010 + n)) for n in range(5)]
    assert car.live(late, 1100).raised == []


def test_transport_ends_when_the_car_is_driven() -> None:
    car = owned().live([put("transport", 1), moves(10), stands(20), ignition(True, 30)], 40)
    assert [one.mode for one in car.vehicle.modes.running] == ["transport"]
    car.live([moves(50)], 51)
    assert car.vehicle.modes.past[-1].ended_why == "driven"


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        pytest.param([located(20, 900)], False, id="one fix is none"),
        pytest.param(
            [located(20, 900), moves(700, speed_km_h=80)], True, id="one fix, then fast without any"
        ),
        pytest.param(
            [
                located(20, 900),
                moves(30, odometer_m=5000, speed_km_h=20),
                moves(700, odometer_m=6200, speed_km_h=20),
            ],
            True,
            id="one fix, then far without any",
        ),
        pytest.param([located(20, 900), located(30, 950)], True, id="two fixes"),
        pytest.param([located(20, 900), located(30, 10), located(40, 900)], False, id="back between"),
        pytest.param([located(20, 320, 50), located(30, 330, 50)], False, id="within accuracy"),
        pytest.param([located(20, 600_000), located(25, 600_000)], False, id="a jump of 600 km"),
        pytest.param(
            [Located(position=Position(0, 0), **times(s)) for s in (20, 30)], False, id="0,0 is no place"
        ),
        pytest.param([moves(20, speed_km_h=80)], False, id="fast, but a fix tells"),
        pytest.param([moves(700, speed_km_h=80)], True, id="fast without a fix"),
        pytest.param([moves(700, speed_km_h=29)], False, id="slow without a fix"),
        pytest.param([moves(650, odometer_m=5000.0), moves(700, odometer_m=5900.0)], False, id="900 m"),
        pytest.param([moves(650, odometer_m=5000.0), moves(700, odometer_m=6100.0)], True, id="1.1 km"),
    ],
)
def test_leaving_the_workshop_is_alarmed_and_ends_the_mode(facts: list[Any], left: bool) -> None:
    car = owned().live([card("c", True, 0.5), located(1, 0), put("workshop", 2), *facts], 800)
    assert car.raised == (["left_workshop"] if left else [])
    assert (car.vehicle.modes.running == ()) == left


def test_a_car_that_has_not_arrived_has_not_left() -> None:
    car = owned().live([card("c", True, 0.5), located(1, 9000), put("workshop", 2, place=YARD)], 3)
    car.live([located(20, 8000), located(30, 7000), located(900, 10), located(910, 0)], 911)
    assert car.raised == []
    car.live([located(2000, 5000), located(2010, 5100)], 2020)
    assert car.raised == ["left_workshop"]


def test_private_mode_hides_no_leaving_and_keeps_no_position() -> None:
    car = owned().live([located(1, 0), put("workshop", 2)], 3)
    known = car.vehicle.position
    car.take(Mode(event_id="p", private_mode=True, **times(4)))
    car.live([located(20, 900), located(30, 950)], 31)
    assert car.raised == ["left_workshop"]
    assert car.vehicle.position == known


def test_without_a_place_nothing_is_held_back_inside_it() -> None:
    car = owned().live([put("workshop", 2)], 3)
    assert car.vehicle.modes.running[0].place is None
    assert not isinstance(decide("unauthorised_movement", car.vehicle, at(3), at(3)), Suppressed)


def test_the_default_place_is_around_a_position_of_the_last_hour() -> None:
    car = owned().live([located(1, 0), put("workshop", 2)], 3)
    place = car.vehicle.modes.running[0].place
    assert place == Place(YARD.latitude, YARD.longitude, 300, derived=True)
    older = owned().live([located(1, 0), put("workshop", 2 + H)], 3 + H)
    assert older.vehicle.modes.running[0].place is None


def test_distances_are_metres() -> None:
    assert distance(52.0907, 5.1214, 52.3676, 4.9041) == pytest.approx(34_190, rel=0.01)


def test_transport_is_not_ended_by_a_backlog_of_the_drive_to_the_ferry() -> None:
    car = owned().live([ignition(True, 10), put("transport", 1000)], 1001)
    car.live([moves(100, 1010), moves(120, 1011), stands(200, 1012), ignition(False, 201, 1013)], 1100)
    assert [one.mode for one in car.vehicle.modes.running] == ["transport"]
    slow = owned().live([ignition(True, 10), put("transport", 1000), moves(901, 1201)], 1300)
    assert slow.vehicle.modes.running == (), "a clock that is a little slow is no backlog"


def test_timers_that_come_late_end_a_mode_as_well() -> None:
    car = owned().live([put("workshop", 1, 1), sensor("e1", 5)], 10)
    car.take(Tick(received_at=at(5 * H)), at(5 * H))
    assert notes(car)[-1] == ("alarm.raised", "intrusion", "present_at_mode_end")
