"""The life of an alarm: raised, gathered, acknowledged, reopened, closed; nothing else closes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.alarms import DISPOSITIONS, GATHER_AT_MOST, LIFE, MAX_EVIDENCE
from gateway.domain.causes import BY_NAME, CAUSES, STATED_BY_VEHICLE
from gateway.domain.effects import Refused, Verdict
from gateway.domain.signals import (
    Acknowledge,
    Blind,
    Close,
    Connection,
    DriverCard,
    ForgedRepeat,
    Healthy,
    Located,
    Mode,
    Position,
    TheftSensor,
    Tick,
    Unreadable,
)
from tests.domain.cars import VIN, Car, at, card, moves, quiet, registered, sensor, siren, stands, times


def acknowledge(
    car: Car, seconds: float, cause: str = "intrusion", note: str | None = None
) -> tuple[object, ...]:
    alarm_id = car.alarm(cause).alarm_id
    return car.take(Acknowledge(received_at=at(seconds), alarm_id=alarm_id, by="ann", note=note))


def close(car: Car, seconds: float, cause: str = "intrusion") -> tuple[object, ...]:
    alarm_id = car.alarm(cause).alarm_id
    return car.take(
        Close(received_at=at(seconds), alarm_id=alarm_id, by="ann", disposition="test", note="done")
    )


# -- what is raised ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", sorted(STATED_BY_VEHICLE - {"car_alarm"}))
def test_a_stated_cause_is_raised_at_once(cause: str) -> None:
    car = Car()
    car.take(sensor("a", 0, 1, cause))
    alarm = car.alarm(cause)
    assert car.messages == [("alarm.raised", cause, ("a",))]
    assert car.verdicts == [("a", "alarm")]
    assert (alarm.vin, alarm.state, alarm.count, alarm.occurred_at, alarm.received_at, alarm.raised_at) == (
        VIN,
        "open",
        1,
        at(0),
        at(1),
        at(1),
    )
    assert (alarm.case_id is not None) == (BY_NAME[cause].cause_class == "theft")


@pytest.mark.parametrize(
    "text",
    [
        "moonlight",
        "",
        "\x00",
        "INTRUSION",
        "intrusion ",
        *sorted({one.name for one in CAUSES} - STATED_BY_VEHICLE),
    ],
)
def test_any_other_cause_is_unknown_and_its_text_is_kept(text: str) -> None:
    car = Car()
    car.take(sensor("a", 0, cause=text))
    assert car.messages == [("alarm.raised", "unknown", ("a",))]
    assert repr(text) in car.alarm("unknown").evidence[0].text


@pytest.mark.parametrize("cause", sorted({one.name for one in CAUSES} - {"car_alarm"}))
def test_restored_raises_nothing(cause: str) -> None:
    car = Car().live([sensor("r", 0, cause=cause, state="restored")])
    assert car.effects == []


def test_restored_is_noted_and_closes_nothing() -> None:
    car = Car().live(
        [sensor("a", 0), *[sensor(f"r{index}", 1 + index, state="restored") for index in range(50)]]
    )
    alarm = car.alarm("intrusion")
    assert (car.messages, alarm.state, alarm.count) == ([("alarm.raised", "intrusion", ("a",))], "open", 1)
    assert (alarm.evidence[0].event_id, alarm.evidence[-1].event_id, len(alarm.evidence)) == (
        "a",
        "r49",
        MAX_EVIDENCE,
    )


@pytest.mark.parametrize(
    ("occurred_s", "received_s", "late", "suspect"),
    [
        pytest.param(0, 300, False, False, id="300 s late"),
        pytest.param(0, 300.001, True, False, id="over 300 s late"),
        pytest.param(300, 0, False, False, id="300 s ahead"),
        pytest.param(300.001, 0, False, True, id="over 300 s ahead"),
        pytest.param(None, 0, False, True, id="unreadable"),
        pytest.param(-40 * 60, 0, True, False, id="a tunnel of 40 min"),
        pytest.param(-3 * 365 * 86400, 0, True, False, id="three years back"),
        pytest.param(-56 * 365 * 86400, 0, True, True, id="1970"),
        pytest.param(9 * 365 * 86400, 0, False, True, id="nine years ahead"),
    ],
)
def test_late_and_clock_suspect_are_marked_and_stop_nothing(
    occurred_s: float | None, received_s: float, late: bool, suspect: bool
) -> None:
    car = Car()
    car.take(sensor("a", occurred_s, received_s))
    alarm = car.alarm("intrusion")
    assert (alarm.late, alarm.clock_suspect, alarm.received_at) == (late, suspect, at(received_s))
    assert car.messages == [("alarm.raised", "intrusion", ("a",))]


def test_the_position_of_an_alarm_is_the_newest_known() -> None:
    car = Car()
    car.take(Located(position=Position(1, 2), **times(0, 5)))
    car.take(sensor("a", 10, position=Position(3, 4, 5)))
    car.take(Located(position=Position(6, 7), **times(9, 11)))
    car.take(sensor("b", 20, cause="tilt"))
    first, second = (one.alarm.position for one in car.announced)
    assert first is not None
    assert first == second
    assert (first.latitude, first.longitude, first.accuracy_m, first.at) == (3, 4, 5, at(10))


def test_unreadable_events_are_raised_without_ids() -> None:
    car = Car().live([Unreadable(received_at=at(0), sha256="f" * 64, reason="no cause", event_id="a")])
    assert car.messages == [("alarm.raised", "unreadable_event", ())]
    assert car.alarm("unreadable_event").clock_suspect is False
    assert car.alarm("unreadable_event").case_id is None


@pytest.mark.parametrize(
    ("other", "messages"),
    [
        pytest.param(None, [("alarm.raised", "tamper", ())], id="another topic"),
        pytest.param(sensor("a", 5, state="restored"), [("alarm.raised", "tamper", ())], id="restored"),
        pytest.param(
            sensor("a", 5, cause="tilt"),
            [("alarm.raised", "tamper", ()), ("alarm.raised", "tilt", ("a",))],
            id="trigger",
        ),
        pytest.param(
            siren("a", 5), [("alarm.raised", "tamper", ()), ("alarm.raised", "car_alarm", ("a",))], id="siren"
        ),
        pytest.param(
            quiet("a", 5, active_for_s=14), [("alarm.raised", "tamper", ())], id="short siren that ended"
        ),
        pytest.param(
            sensor("a", 5, cause="tamper"),
            [("alarm.raised", "tamper", ()), ("alarm.updated", "tamper", ("a",))],
            id="tamper itself",
        ),
    ],
)
def test_a_forged_repeat_is_tamper_and_what_it_states(
    other: TheftSensor | None, messages: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    car = Car().live([ForgedRepeat(event_id="a", kind="theft-sensor", sensor=other, **times(5))])
    assert car.messages == messages
    assert "a" in car.announced[0].alarm.evidence[0].text


# -- gathering -----------------------------------------------------------------------------------------------


def test_one_alarm_per_cause_gathers_what_follows_for_a_second() -> None:
    car = Car().live([sensor(f"e{index}", index / 10) for index in range(21)])
    assert car.messages == [
        ("alarm.raised", "intrusion", ("e0",)),
        ("alarm.updated", "intrusion", tuple(f"e{index}" for index in range(1, 11))),
        ("alarm.updated", "intrusion", tuple(f"e{index}" for index in range(11, 21))),
    ]
    assert [one.alarm.count for one in car.announced] == [1, 11, 21]


def test_an_update_waits_for_at_most_a_second() -> None:
    car = Car()
    car.take(sensor("a", 0))
    car.take(sensor("b", 0.5))
    assert car.vehicle.wake_at == at(1)
    car.take(Tick(received_at=at(1)))
    assert car.messages[1:] == [("alarm.updated", "intrusion", ("b",))]
    assert car.rests


def test_an_update_after_a_quiet_second_goes_out_at_once() -> None:
    car = Car()
    car.take(sensor("a", 0))
    car.take(sensor("b", 5))
    assert car.messages[1:] == [("alarm.updated", "intrusion", ("b",))]


def test_an_update_holds_at_most_500_ids() -> None:
    car = Car().live([sensor(f"e{index}", index / 10_000) for index in range(1200)])
    assert [len(one.event_ids) for one in car.announced] == [1, GATHER_AT_MOST, GATHER_AT_MOST, 199]


def test_an_update_that_gathers_a_whole_siren_holds_at_most_500_ids() -> None:
    """A long episode settles while its alarm has gathered something already."""
    episode = [siren(f"s{index}", 20 + index / 1000) for index in range(480)]
    loud = [siren("x", 20.5, active_for_s=17)]
    first = [siren("a", 0, active_for_s=17), quiet("r", 1), *episode]
    forged = [
        ForgedRepeat(event_id=f"f{index}", kind="x", sensor=siren(f"f{index}", 20.49), **times(20.49))
        for index in range(40)
    ]
    car = Car().live([*first, *forged, *loud])
    sizes = [len(one.event_ids) for one in car.announced if one.alarm.cause == "car_alarm"]
    assert max(sizes) <= GATHER_AT_MOST
    assert len(car.told) == len(set(car.told)) == 1 + 480 + 40 + 1


def test_a_gateway_clock_that_is_set_back_delays_no_update() -> None:
    car = Car()
    car.take(sensor("a", 0))
    car.take(sensor("b", 0.5, -600), at(-600))
    assert car.messages[1:] == [("alarm.updated", "intrusion", ("b",))]


# -- what people do -----------------------------------------------------------------------------------------


def test_acknowledged_by_an_operator() -> None:
    car = Car()
    car.take(sensor("a", 0))
    acknowledge(car, 10, note="seen")
    alarm = car.alarm("intrusion")
    assert car.messages[1:] == [("alarm.acknowledged", "intrusion", ())]
    assert (alarm.state, alarm.acknowledged_by, alarm.note) == ("acknowledged", "ann", "seen")


def test_what_was_gathered_is_told_before_what_a_person_did() -> None:
    car = Car()
    for fact in (sensor("a", 0), sensor("b", 0.1)):
        car.take(fact)
    acknowledge(car, 0.2)
    car.take(sensor("c", 0.3))
    close(car, 0.4)
    assert car.messages == [
        ("alarm.raised", "intrusion", ("a",)),
        ("alarm.updated", "intrusion", ("b",)),
        ("alarm.acknowledged", "intrusion", ()),
        ("alarm.updated", "intrusion", ("c",)),
        ("alarm.closed", "intrusion", ()),
    ]


def test_a_further_trigger_reopens_at_most_every_five_minutes() -> None:
    car = Car().live([sensor("a", 0)])
    states = []
    for number, second in enumerate([100, 200, 399, 401, 700, 701]):
        acknowledged = car.alarm("intrusion").state == "acknowledged"
        if not acknowledged:
            acknowledge(car, second - 1)
        car.live([sensor(f"b{number}", second)])
        states.append(car.alarm("intrusion").state)
    assert states == ["open", "acknowledged", "acknowledged", "open", "acknowledged", "open"]
    assert car.told == ["a", *[f"b{number}" for number in range(6)]]


def test_a_reopened_alarm_is_acknowledged_by_nobody() -> None:
    car = Car().live([sensor("a", 0)])
    acknowledge(car, 1)
    car.live([sensor("b", 2)])
    assert (car.announced[-1].alarm.state, car.announced[-1].alarm.acknowledged_by) == ("open", None)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_closed_by_an_operator(acknowledged: bool) -> None:
    car = Car().live([sensor("a", 0)])
    if acknowledged:
        acknowledge(car, 1)
    close(car, 2)
    closed = car.announced[-1]
    assert (closed.type, closed.alarm.state, closed.alarm.disposition, closed.alarm.note) == (
        "alarm.closed",
        "closed",
        "test",
        "done",
    )
    assert (car.vehicle.alarms, car.vehicle.case_id) == ({}, None)


def test_after_closing_a_trigger_is_a_new_alarm() -> None:
    car = Car().live([sensor("a", 0)])
    close(car, 1)
    car.live([sensor("b", 2)])
    first, _closed, second = car.announced
    assert (second.type, second.event_ids, second.alarm.count) == ("alarm.raised", ("b",), 1)
    assert second.alarm.alarm_id != first.alarm.alarm_id
    assert second.alarm.case_id != first.alarm.case_id


def test_the_case_stays_while_a_theft_alarm_is_left() -> None:
    car = Car().live([sensor("a", 0), sensor("b", 1, cause="tilt"), sensor("c", 2, cause="battery_low")])
    case_id = car.alarm("tilt").case_id
    close(car, 3)
    assert car.vehicle.case_id == case_id
    close(car, 4, "tilt")
    assert car.vehicle.case_id is None


@pytest.mark.parametrize("act", [Acknowledge, Close])
def test_an_alarm_of_another_car_or_past_is_refused(act: type[Acknowledge | Close]) -> None:
    car = Car().live([sensor("a", 0)])
    more: dict[str, Any] = {} if act is Acknowledge else {"disposition": "test"}
    effects = car.take(act(received_at=at(1), alarm_id="none", by="ann", **more))
    assert [type(effect) for effect in effects] == [Refused]
    assert car.alarm("intrusion").state == "open"


def test_what_was_acknowledged_can_not_be_acknowledged_again() -> None:
    car = Car().live([sensor("a", 0)])
    acknowledge(car, 1)
    (refused,) = acknowledge(car, 2)
    assert isinstance(refused, Refused)
    assert refused.code == "illegal_transition"


def test_an_alarm_that_is_suppressed_or_closed_has_no_way_out() -> None:
    assert {state for state, act in LIFE if act != "trigger"} == {"open", "acknowledged"}
    assert "closed" not in {state for state, _act in LIFE}
    assert len(set(DISPOSITIONS)) == 12


# -- the gateway itself --------------------------------------------------------------------------------------


def test_a_blind_gateway_is_raised_once_and_closes_itself() -> None:
    car = Car(vin="gateway:gw-1")
    for second, reasons in enumerate([("broker",), ("broker",), ("store", "broker")]):
        car.live([Blind(received_at=at(second * 10), reasons=reasons)])
    car.live([Healthy(received_at=at(90)), Healthy(received_at=at(91))])
    assert [(one.type, one.alarm.vin, one.alarm.case_id) for one in car.announced] == [
        ("alarm.raised", None, None),
        ("alarm.updated", None, None),
        ("alarm.closed", None, None),
    ]
    assert car.announced[-1].alarm.disposition == "recovered"


# -- what is only remembered --------------------------------------------------------------------------------


def test_either_field_of_a_mode_may_be_missing() -> None:
    """What the car does not state stays as it was: private mode does not end by a word on remote access."""
    car = Car().live(
        [
            Mode(event_id="m1", private_mode=True, **times(0)),
            Mode(event_id="m2", remote_access_enabled=False, **times(10)),
            Mode(event_id="m3", private_mode=False, **times(-5, 11)),
            Mode(event_id="m4", **times(12)),
        ]
    )
    mode = car.vehicle.stated["mode"]
    assert isinstance(mode, Mode)
    assert (mode.private_mode, mode.remote_access_enabled, mode.event_id) == (True, False, "m4")


def test_an_older_mode_fills_in_what_no_newer_one_states() -> None:
    car = Car().live(
        [
            Mode(event_id="m2", remote_access_enabled=False, **times(10)),
            Mode(event_id="m1", private_mode=True, remote_access_enabled=True, **times(0, 11)),
        ]
    )
    mode = car.vehicle.stated["mode"]
    assert isinstance(mode, Mode)
    assert (mode.private_mode, mode.remote_access_enabled) == (True, False)


def test_an_older_statement_overwrites_nothing() -> None:
    car = Car().live(
        [
            Connection(online=True, bearer="LTE", **times(10)),
            Connection(online=False, **times(5, 11)),
            card("c-2", True, 10, 12),
            card("c-1", False, 5, 13),
            moves(10, 14),
            stands(5, 15),
        ]
    )
    connection, stated = car.vehicle.stated["connection"], car.vehicle.stated["driver-card"]
    assert isinstance(connection, Connection)
    assert isinstance(stated, DriverCard)
    assert (connection.online, stated.event_id, car.vehicle.past.now.cards["DC-1"].present) == (
        True,
        "c-2",
        True,
    )
    assert car.vehicle.past.now.moving_since is not None
    assert car.announced == []


def test_a_last_will_counts_at_its_arrival() -> None:
    car = Car().live([Connection(online=True, **times(10)), Connection(online=False, **times(None, 11))])
    connection = car.vehicle.stated["connection"]
    assert isinstance(connection, Connection)
    assert connection.online is False


def test_a_registration_is_taken_over_and_given_up() -> None:
    car = Car().live([registered(0, "DC-1", soc="north")])
    assert (car.vehicle.soc, car.vehicle.counting_cards) == ("north", frozenset({"DC-1"}))
    car.take(registered(1).__class__(received_at=at(1), registration=None))
    assert (car.vehicle.soc, car.vehicle.counting_cards) == ("default", frozenset())


def test_every_step_is_a_new_version() -> None:
    car = Car().live([sensor("a", 0), Tick(received_at=at(5)), sensor("b", 10)], until_s=20)
    assert car.vehicle.version == 3
    assert car.vehicle.heard_at == at(10)


def test_verdicts_name_their_alarm() -> None:
    car = Car().live([sensor("a", 0), sensor("b", 0.5)])
    alarm_id = car.alarm("intrusion").alarm_id
    assert Verdict("a", "alarm", alarm_id) in car.effects
    assert Verdict("b", "alarm", alarm_id) in car.effects
    assert car.alarm("intrusion").told_at - at(0) == timedelta(seconds=1)


def test_long_evidence_is_bounded() -> None:
    car = Car().live([sensor("a", 0, cause="\U000e0001" * 256, detail="x" * 256)])
    assert len(car.alarm("unknown").evidence[0].text) == 1000
