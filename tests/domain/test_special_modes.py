"""Workshop, transport and deactivation: what they hold back, what never, and how they end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from gateway.domain.causes import CAUSES
from gateway.domain.effects import Audited, Notify, Refused
from gateway.domain.facts import AnyFact
from gateway.domain.security_code import key_of, response
from gateway.domain.services.special_modes import INSTALLATION, MODES, Modes, SpecialMode, counts, distance
from gateway.domain.signals import (
    Acknowledge,
    Challenged,
    EndMode,
    ForgedRepeat,
    Located,
    Mode,
    Movement,
    Place,
    Position,
    SetMode,
    Software,
    Tick,
)
from gateway.domain.situation import Moment
from gateway.domain.suppression import SUPPRESSED_BY, Suppressed, decide
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import (
    START,
    VIN,
    Car,
    at,
    card,
    ignition,
    moves,
    registered,
    sensor,
    siren,
    stands,
    times,
)
from tests.domain.test_properties import lives

H = 3600.0
YARD = Place(52.0907, 5.1214, 300)
CODE = {"salt": "aa", "rounds": 2, "key": key_of("1234", "aa", 2).hex()}


def put(
    mode: str, seconds: float, hours: float | None = None, role: str = "operator", **more: Any
) -> SetMode:
    user = "anna" if role == "main_user" else None
    fields = {"user": user, "reason": "Service", **more}
    duration_s = None if hours is None else hours * H
    return SetMode(mode=mode, received_at=at(seconds), by=role, role=role, duration_s=duration_s, **fields)


def stop(mode: str, seconds: float, role: str = "operator") -> EndMode:
    user = "anna" if role == "main_user" else None
    return EndMode(mode=mode, received_at=at(seconds), by=role, role=role, user=user)


def located(seconds: float, north_m: float, accuracy_m: float | None = 8) -> Located:
    position = Position(YARD.latitude + north_m / 111_195, YARD.longitude, accuracy_m)
    return Located(position=position, **times(seconds))


def owned(**more: Any) -> Car:
    car = Car()
    car.take(registered(0, "DC-1", main_user="anna", secondary_users=("bert",), **more))
    return car


def codes(car: Car) -> list[str]:
    return [one.code for one in car.effects if isinstance(one, Refused)]


def told(car: Car) -> list[tuple[str, str]]:
    return [(one.user, one.code) for one in car.effects if isinstance(one, Notify)]


def notes(car: Car) -> list[tuple[str, str, str | None]]:
    return [(one.type, one.alarm.cause, one.alarm.note) for one in car.announced]


# -- the table ----------------------------------------------------------------------------------------------

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


# -- ends ---------------------------------------------------------------------------------------------------


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


# -- who, how long ------------------------------------------------------------------------------------------


def test_the_main_user_gets_two_starts_and_the_longest_duration_in_any_day() -> None:
    car = owned()
    car.live([put("workshop", 10, 2, "main_user"), put("workshop", 20, 2, "main_user")], 21)
    car.live([put("workshop", 30, 1, "main_user"), put("transport", 31, 1, "main_user")], 32)
    assert codes(car) == ["mode_limit"]
    car.live([put("workshop", 10 + 24 * H, 10, "main_user")], 11 + 24 * H)
    assert codes(car) == ["mode_limit"]


def test_the_hours_of_a_day_are_counted() -> None:
    car = owned().live(
        [put("workshop", 0.5, 8, "main_user"), stop("workshop", 2 * H, "main_user")], 2 * H + 1
    )
    assert codes(car) == []
    car.live([put("workshop", 3 * H, 11, "main_user")], 3 * H + 1)
    assert codes(car) == ["mode_limit"]
    car.live([put("workshop", 3 * H + 2, 9.9, "main_user")], 3 * H + 3)
    assert codes(car) == ["mode_limit"]


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (put("workshop", 1, 12.01, "main_user"), "invalid_request"),
        (put("workshop", 1, 72.01), "invalid_request"),
        (put("transport", 1, 72.01, "main_user"), "invalid_request"),
        (put("transport", 1, 168.01), "invalid_request"),
        (put("deactivation", 1, 24.01), "invalid_request"),
        (put("workshop", 1, 0), "invalid_request"),
        (put("workshop", 1, place=Place(52, 5, 49)), "invalid_request"),
        (put("workshop", 1, place=Place(52, 5, 2001)), "invalid_request"),
        (put("workshop", 1, place=Place(91, 5, 300)), "invalid_request"),
        (put("holiday", 1), "unknown_mode"),
        (put("transport", 1, role="workshop"), "not_authorised"),
        (stop("workshop", 1), "unknown_mode"),
    ],
)
def test_what_can_not_be_set_is_refused_and_audited(fact: Any, code: str) -> None:
    car = owned().live([fact], 2)
    assert codes(car) == [code]
    assert [one.action for one in car.effects if isinstance(one, Audited)] == ["mode.refused"]
    assert car.vehicle.modes.running == ()


@pytest.mark.parametrize(("mode", "hours"), [("workshop", 4), ("transport", 24), ("deactivation", 4)])
def test_the_default_duration(mode: str, hours: float) -> None:
    car = owned().live([put(mode, 1)], 2)
    running = car.vehicle.modes.running[0]
    assert running.ends_at - running.starts_at == timedelta(hours=hours)


def test_a_new_end_keeps_the_mode_and_counts_as_a_start() -> None:
    car = owned().live([put("workshop", 1, 1), put("workshop", 1800, 1)], 1801)
    (mode,) = car.vehicle.modes.running
    assert (mode.starts_at, mode.ends_at) == (at(1), at(1800 + H))
    assert [code for _, code in told(car)] == ["started", "started", "changed", "changed"]


def test_an_open_theft_alarm_sends_the_main_user_to_the_soc() -> None:
    car = owned().live([sensor("e1", 1), put("workshop", 10, 1, "main_user"), put("workshop", 11, 1)], 12)
    assert codes(car) == ["call_soc"]
    refused = next(one for one in car.effects if isinstance(one, Audited) and one.action == "mode.refused")
    assert refused.details["cause"] == "open theft alarm"
    assert [mode.role for mode in car.vehicle.modes.running] == ["operator"]


def test_a_workshop_asks_and_the_main_user_grants() -> None:
    asked = put("workshop", 1, 2, "workshop", place=YARD)
    car = owned().live([asked, sensor("e1", 5)], 10)
    assert (car.vehicle.modes.running, car.raised) == ((), ["intrusion"])
    car = owned().live([asked, put("workshop", 20, None, "main_user")], 21)
    (mode,) = car.vehicle.modes.running
    assert (mode.requested_by, mode.ends_at, mode.place) == ("workshop", at(20 + 2 * H), YARD)
    assert car.vehicle.modes.request is None


def test_only_its_setter_or_an_operator_ends_a_mode() -> None:
    car = owned().live([put("workshop", 1), stop("workshop", 2, "main_user")], 3)
    assert codes(car) == ["not_authorised"]
    car = owned().live([put("workshop", 1, 1, "main_user"), stop("workshop", 2)], 3)
    assert car.vehicle.modes.past[-1].ended_why == "operator"


def test_everyone_is_told_at_start_reminded_and_told_at_the_end() -> None:
    car = owned().live([put("transport", 1, 1)], 2 * H)
    assert told(car) == [
        (user, code) for code in ("started", "reminder", "ended") for user in ("anna", "bert")
    ]
    started, ended = (one for one in car.effects if isinstance(one, Audited))
    assert (started.actor, started.details["reason"], started.details["role"]) == (
        "operator",
        "Service",
        "operator",
    )
    assert (ended.actor, ended.details["why"]) == ("gateway", "time")


def test_an_operators_mode_beyond_the_main_users_longest_is_overdue_once() -> None:
    car = owned().live([put("workshop", 1, 20)], 30 * H)
    assert car.raised == ["mode_overdue"]
    assert car.raised_after_s("mode_overdue") == 12 * H + 1
    assert owned().live([put("workshop", 1, 12)], 30 * H).raised == []


# -- the security code --------------------------------------------------------------------------------------


def answer(seconds: float, challenge: str | None, **more: Any) -> SetMode:
    return put("workshop", seconds, 1, "main_user", answered=True, challenge=challenge, **more)


def ask(seconds: float, challenge: str) -> Challenged:
    return Challenged(received_at=at(seconds), challenge=challenge, user="anna", purpose="special_mode")


def test_a_challenge_serves_once_and_for_a_minute() -> None:
    car = owned(security_code_key=CODE).live([put("workshop", 1, 1, "main_user"), ask(2, "a")], 3)
    car.live([answer(10, "a"), answer(11, "a"), ask(12, "b"), answer(72.5, "b")], 73)
    assert codes(car) == ["security_code_required", "security_code_wrong", "security_code_wrong"]
    assert len(car.vehicle.modes.starts) == 1


def test_three_wrong_answers_lock_and_five_in_a_day_are_an_alarm() -> None:
    car = owned(security_code_key=CODE).live([answer(second, None) for second in (1, 2, 3, 4)], 5)
    assert codes(car) == ["security_code_wrong"] * 3 + ["call_soc"]
    car.live([answer(3 + 601, None), answer(3 + 901, None), answer(3 + 902, None)], 1000)
    assert codes(car)[4:] == ["security_code_locked", "security_code_wrong", "security_code_wrong"]
    assert car.raised == ["wrong_security_code"]


def test_locks_grow_and_a_right_answer_resets_them() -> None:
    car = owned(security_code_key=CODE)
    guards = []
    now_s = 0.0
    for _ in range(4):
        for second in (1, 2, 3):
            car.vehicle = replace(car.vehicle, alarms={})  # each fifth wrong answer is an alarm of its own
            car.take(answer(now_s + second, None))
        until = car.vehicle.code_guard.people[0].locked_until
        assert until is not None
        guards.append((until - at(now_s + 3)).total_seconds())
        now_s += guards[-1] + 700
    assert guards == [900, H, 24 * H, 24 * H]
    car.vehicle = replace(car.vehicle, alarms={})
    car.live([ask(now_s, "x"), answer(now_s + 1, "x")], now_s + 2)
    assert (car.vehicle.code_guard.people, len(car.vehicle.modes.running)) == ((), 1)


def test_the_answer_is_the_one_of_the_contract() -> None:
    key = key_of("1234", "salt", 1000)
    assert len(key) == 32
    right = response(key, "ab12", "anna", VIN, "special_mode")
    assert len(right) == 128
    assert right != response(key, "ab12", "bert", VIN, "special_mode")


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


def test_transport_is_not_ended_by_a_backlog_of_the_drive_to_the_ferry() -> None:
    car = owned().live([ignition(True, 10), put("transport", 1000)], 1001)
    car.live([moves(100, 1010), moves(120, 1011), stands(200, 1012), ignition(False, 201, 1013)], 1100)
    assert [one.mode for one in car.vehicle.modes.running] == ["transport"]
    slow = owned().live([ignition(True, 10), put("transport", 1000), moves(901, 1201)], 1300)
    assert slow.vehicle.modes.running == (), "a clock that is a little slow is no backlog"


def test_under_a_stolen_vehicle_no_mode_is_set_by_its_user() -> None:
    car = owned()
    car.vehicle = replace(car.vehicle, stolen=True)
    car.live([put("workshop", 1, 1, "main_user")], 5)
    assert (codes(car), car.vehicle.modes.running) == (["call_soc"], ())


def test_a_held_back_siren_counts_each_of_its_triggers() -> None:
    car = owned().live([put("workshop", 1, 1), siren("a", 10), siren("b", 12), siren("c", 14)], 100)
    (alarm,) = car.vehicle.suppressed.values()
    assert (alarm.count, car.vehicle.modes.running[0].suppressed) == (3, 3)
    assert car.told == ["a", "b", "c"]


def test_timers_that_come_late_end_a_mode_as_well() -> None:
    car = owned().live([put("workshop", 1, 1), sensor("e1", 5)], 10)
    car.take(Tick(received_at=at(5 * H)), at(5 * H))
    assert notes(car)[-1] == ("alarm.raised", "intrusion", "present_at_mode_end")


def test_movement_facts_keep_no_odometer_in_the_window() -> None:
    car = owned().live([Movement(moving=True, odometer_m=5.0, **times(5))], 6)
    assert "odometer_m" not in msgspec.json.encode(car.vehicle.past).decode()


def test_who_is_the_main_user_no_more_sets_no_mode() -> None:
    car = owned()
    refused = car.take(put("transport", 1, 1, "main_user", user="carl"))[0]
    assert isinstance(refused, Refused)
    assert refused.code == "not_authorised"
    assert car.vehicle.modes.of("transport") is None
    car.take(put("transport", 2, 1, "main_user"))
    assert [one.mode for one in car.vehicle.modes.running] == ["transport"]
