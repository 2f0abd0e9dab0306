"""Special modes: what they hold back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from gateway.domain.causes import CAUSES
from gateway.domain.effects import Audited
from gateway.domain.facts import AnyFact
from gateway.domain.services.special_modes import INSTALLATION, MODES, Modes, SpecialMode, counts
from gateway.domain.signals import (
    Acknowledge,
    ForgedRepeat,
    Movement,
    Software,
)
from gateway.domain.situation import Moment
from gateway.domain.suppression import SUPPRESSED_BY, Suppressed, decide
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import (
    START,
    VIN,
    at,
    ignition,
    moves,
    sensor,
    siren,
    times,
)
from tests.domain.modes import YARD, H, codes, located, notes, owned, put, stop
from tests.domain.test_properties import lives

TABLE = {
    "driver_card_missing": "D w",
    "unauthorised_movement": "T w",
    "towed": "T",
    "tilt": "T W",
    "car_alarm": "W",
    "intrusion": "W",
    "ignition_on_armed": "W",
    "tamper": "W",
    "battery_disconnect": "W",
    "battery_low": "W",
    "backup_battery_low": "W",
    "driver_card_battery_low": "W",
    "health_check_failed": "W",
    "supervision_lost": "T W",
}
LETTERS = {"W": ("workshop", True), "w": ("workshop", False), "T": ("transport", True)} | {
    "D": ("deactivation", True)
}
NEVER = (
    "comm_loss_after_jamming",
    "comm_loss_after_tamper",
    "gateway_blind",
    "hold_up",
    "jamming_gnss",
    "jamming_gsm",
    "left_workshop",
    "manual_report",
    "mode_overdue",
    "unknown",
    "unreadable_event",
    "wrong_security_code",
)


@pytest.mark.parametrize("cause", sorted({*TABLE, *NEVER, *(one.name for one in CAUSES)}))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inside", [True, False])
def test_a_mode_holds_back_what_the_contract_lists_and_nothing_else(
    cause: str, mode: str, inside: bool
) -> None:
    letters = [LETTERS[one] for one in TABLE.get(cause, "").split()]
    expected = any(name == mode and (inside or anywhere) for name, anywhere in letters)
    facts: list[AnyFact] = [located(1, 0 if inside else 5000), put(mode, 2, 2, place=YARD)]
    car = owned().live(facts, 3)
    verdict = decide(cause, car.vehicle, at(3), at(3))
    assert isinstance(verdict, Suppressed) == expected
    assert not isinstance(decide(cause, car.vehicle, at(3), at(3), forged=True), Suppressed)


def test_every_suppressible_cause_is_in_the_table() -> None:
    assert set(SUPPRESSED_BY) == set(TABLE)
    assert not set(SUPPRESSED_BY) & set(NEVER)


# -- a held-back trigger ----------------------------------------------------------------------------------


def test_a_held_back_trigger_is_an_alarm_of_its_own_that_takes_no_slot_and_joins_no_case() -> None:
    car = owned().live([put("workshop", 1), sensor("e1", 5), sensor("e2", 5.2), sensor("e3", 9)], 20)
    assert car.messages == [
        ("alarm.suppressed", "intrusion", ("e1",)),
        ("alarm.suppressed", "intrusion", ("e2",)),
        ("alarm.suppressed", "intrusion", ("e3",)),
    ]
    alarm = car.announced[-1].alarm
    mode = car.vehicle.modes.running[0]
    assert (alarm.state, alarm.count, alarm.case_id, alarm.suppressed_by) == (
        "suppressed",
        3,
        None,
        mode.mode_id,
    )
    assert (car.vehicle.alarms, car.vehicle.case_id) == ({}, None)
    assert car.verdicts == [("e1", "suppressed"), ("e2", "suppressed"), ("e3", "suppressed")]


def test_a_held_back_alarm_can_not_be_acknowledged() -> None:
    car = owned().live([put("workshop", 1), sensor("e1", 5)], 20)
    car.take(Acknowledge(received_at=at(21), alarm_id=car.announced[0].alarm.alarm_id, by="Kim"))
    assert codes(car) == ["illegal_transition"]


def test_tamper_and_a_battery_cut_are_remembered_while_they_are_held_back() -> None:
    cut = sensor("b", 6, cause="battery_disconnect")
    car = owned().live([put("workshop", 1), sensor("t", 5, cause="tamper"), cut], 20)
    assert car.vehicle.held_back == {
        "tamper": Moment(at(5), at(5)),
        "battery_disconnect": Moment(at(6), at(6)),
    }
    car.live([sensor("b2", 30, cause="battery_disconnect", state="restored")], 31)
    assert set(car.vehicle.held_back) == {"tamper"}
    assert car.live([stop("workshop", 40)], 41).vehicle.held_back == {}


def test_a_forged_repeat_is_tamper_in_every_mode() -> None:
    car = owned().live([put("workshop", 1), put("transport", 2), put("deactivation", 3)], 4)
    forged = sensor("e1", 5, cause="intrusion")
    car.take(ForgedRepeat(event_id="e1", kind="theft-sensor", sensor=forged, **times(5)))
    assert car.raised == ["tamper"]
    assert ("alarm.suppressed", "intrusion", ("e1",)) in car.messages


def test_what_happened_before_the_mode_or_arrives_after_it_is_alarmed() -> None:
    car = owned().live([put("workshop", 1000, 1), sensor("old", 100, 1010)], 1020)
    assert car.raised == ["intrusion"]
    car.live([sensor("late", 1000 + H - 5, 1000 + H + 1000, cause="tilt")], 1000 + H + 1001)
    assert car.raised == ["intrusion", "tilt"]


# -- what can't be read does not suppress -----------------------------------------------------------------

GOOD = SpecialMode(
    mode_id="m", mode="workshop", starts_at=START, set_at=START, ends_at=at(H), set_by="Kim", role="operator"
)


@pytest.mark.parametrize(
    ("mode", "now_s", "expected"),
    [
        pytest.param(GOOD, 60, True, id="good"),
        pytest.param(GOOD, H, False, id="over"),
        pytest.param(GOOD, -1, False, id="our clock was set back"),
        pytest.param(replace(GOOD, mode="holiday"), 60, False, id="unknown kind"),
        pytest.param(replace(GOOD, ends_at=at(73 * H)), 60, False, id="too long for its role"),
        pytest.param(
            replace(GOOD, ends_at=at(13 * H), role="main_user"), 60, False, id="too long for a user"
        ),
        pytest.param(replace(GOOD, set_at=at(-5)), 60, False, id="set before it began"),
    ],
)
def test_a_mode_that_can_not_be_read_does_not_suppress(
    mode: SpecialMode, now_s: float, expected: bool
) -> None:
    vehicle = Vehicle(vin=VIN, modes=Modes(running=(mode,)))
    assert counts(mode, at(now_s)) == expected
    assert isinstance(decide("tilt", vehicle, at(now_s), at(now_s)), Suppressed) == expected


def test_the_state_stays_readable_by_every_version() -> None:
    car = owned().live([located(1, 0), put("workshop", 2), sensor("e1", 5, cause="tamper")], 6)
    text = msgspec.json.encode(car.vehicle)
    assert msgspec.json.decode(text, type=Vehicle) == car.vehicle
    plain = {"vin": VIN, "version": 3}
    assert msgspec.convert(plain, Vehicle).modes == Modes()


# -- software ------------------------------------------------------------------------------------------------


def software(event_id: str, state: str, seconds: float, package: str = "P1") -> Software:
    return Software(event_id=event_id, package_id=package, kind="update", state=state, **times(seconds))  # type: ignore[arg-type]


def test_a_running_installation_holds_back_the_siren_and_intrusion_only() -> None:
    car = owned().live([software("s1", "installing", 1), sensor("i", 5), sensor("t", 6, cause="tilt")], 10)
    car.live([sensor("c", 11, cause="car_alarm", active_for_s=20.0), sensor("m", 12, cause="tamper")], 13)
    assert car.raised == ["tilt", "tamper"]
    assert min(car.vehicle.suppressed).startswith("car_alarm/")
    restored = sensor("r", 15, cause="car_alarm", state="restored"), sensor("r2", 15, state="restored")
    car.live([*restored, software("s2", "active", 20), sensor("i2", 30)], 40)
    assert car.raised == ["tilt", "tamper", "intrusion"]
    assert [one.action for one in car.effects if isinstance(one, Audited)] == ["mode.started", "mode.ended"]


def test_an_installation_that_never_ends_is_over_after_an_hour() -> None:
    car = owned().live([software("s1", "installing", 1), software("s2", "installing", 3000)], 10)
    car.live([sensor("i", H + 10)], H + 20)
    assert car.raised == ["intrusion"]
    car.live(
        [software("s3", "installing", H + 30), sensor("t", H + 40, cause="car_alarm", active_for_s=20)], 2 * H
    )
    assert car.raised == ["intrusion", "car_alarm"]


@pytest.mark.parametrize(
    "driven",
    [
        pytest.param([ignition(True, 1), software("s", "installing", 2)], id="stated while driven"),
        pytest.param([software("s", "installing", 1), ignition(True, 2), moves(3)], id="driven off"),
    ],
)
def test_only_a_parked_car_installs(driven: list[AnyFact]) -> None:
    car = owned().live([*driven, sensor("i", 5)], 10)
    assert car.raised == ["intrusion"]
    assert not car.vehicle.modes.running


@settings(max_examples=25)
@given(facts=lives())
def test_nothing_that_a_vehicle_states_makes_another_mode(facts: list[AnyFact]) -> None:
    car = owned()
    for number, fact in enumerate(facts):
        car.take(fact)
        car.take(software(f"s{number}", "installing", number), max(car.now, at(number)))
    made = [*car.vehicle.modes.running, *car.vehicle.modes.past]
    assert {one.mode for one in made} <= {INSTALLATION}
    held = {one.alarm.cause for one in car.announced if one.alarm.state == "suppressed"}
    assert held <= {"car_alarm", "intrusion"}


def test_a_late_word_of_rest_takes_no_later_trigger_back() -> None:
    """Triggered, restored, triggered again; the middle one comes last, and the door is still open."""
    car = owned().live([put("workshop", 1, 1), sensor("t1", 10), sensor("t2", 30)], 31)
    car.live([sensor("r", 20, 40, state="restored")], 50)
    car.live([sensor("b", 60, cause="tamper"), sensor("b2", 59, 70, cause="tamper", state="restored")], 80)
    assert set(car.vehicle.held_back) == {"tamper"}
    car.live([], H + 10)
    assert [one for one in notes(car) if one[0] == "alarm.raised"] == [
        ("alarm.raised", "intrusion", "present_at_mode_end"),
        ("alarm.raised", "tamper", "present_at_mode_end"),
    ]


def test_what_another_mode_takes_over_keeps_its_newest_trigger() -> None:
    car = owned().live([put("workshop", 1, 2), put("transport", 2, 1), sensor("t", 30, cause="tilt")], 40)
    car.live([sensor("r", 20, H + 100, "tilt", "restored")], 2 * H + 10)
    assert notes(car)[-1] == ("alarm.raised", "tilt", "present_at_mode_end")


def test_a_trigger_of_the_minutes_before_a_mode_is_alarmed() -> None:
    """The glass was broken; then someone sets the mode; then the car's word arrives."""
    car = owned().live([put("workshop", 100, 1), sensor("e", 40, 101), sensor("f", 95, 102, "tilt")], 110)
    assert car.raised == ["intrusion"]
    assert car.vehicle.suppressed


def test_a_held_back_siren_counts_each_of_its_triggers() -> None:
    car = owned().live([put("workshop", 1, 1), siren("a", 10), siren("b", 12), siren("c", 14)], 100)
    (alarm,) = car.vehicle.suppressed.values()
    assert (alarm.count, car.vehicle.modes.running[0].suppressed) == (3, 3)
    assert car.told == ["a", "b", "c"]


def test_movement_facts_keep_no_odometer_in_the_window() -> None:
    car = owned().live([Movement(moving=True, odometer_m=5.0, **times(5))], 6)
    assert "odometer_m" not in msgspec.json.encode(car.vehicle.past).decode()
