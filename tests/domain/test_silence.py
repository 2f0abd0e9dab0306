"""What silence means, and what it never means."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.facts import AnyFact
from gateway.domain.moment import Moment
from gateway.domain.offline import why_offline
from gateway.domain.signals import Acknowledge, Charging, Close, Connection, Mode, Tick
from tests.domain.cars import START, Car, at, card, ignition, moves, registered, sensor, times

ARMED: list[AnyFact] = [registered(-200, "DC-1"), card("c", False, -100), ignition(False, -100)]
DAY = 86400


def jam(event_id: str, seconds: float, state: str = "triggered", cause: str = "jamming_gsm") -> Any:
    return sensor(event_id, seconds, cause=cause, state=state)


def online(seconds: float, bearer: str) -> Connection:
    return Connection(online=True, bearer=bearer, source="integrated_sim", **times(seconds))


def edge(seconds: float) -> Connection:
    return online(seconds, "E")


def test_a_gap_on_edge_is_expected_but_not_under_jamming_or_alarm_or_while_armed() -> None:
    """What a call on EDGE may explain is never a reason to wait for a thief."""
    jammed = Car(hears=True).live([edge(-1), ignition(True, 0), jam("j", 1)], until_s=100)
    assert jammed.raised_after_s("supervision_lost") == 61
    armed = Car(hears=True).live([*ARMED, edge(-1), ignition(True, 0)], until_s=100)
    assert armed.raised == ["ignition_on_armed", "supervision_lost"]
    alarmed = Car(hears=True).live([edge(-1), ignition(True, 0), sensor("h", 1, cause="hold_up")], until_s=90)
    assert alarmed.raised_after_s("supervision_lost") == 61


def test_jamming_then_silence_of_120_seconds_while_armed() -> None:
    """Scenario 17: the gateway raises comm_loss_after_jamming without any further message."""
    car = Car(hears=True).live([*ARMED, jam("j", 10)], until_s=300)
    assert car.raised == ["jamming_gsm", "comm_loss_after_jamming"]
    assert car.raised_after_s("comm_loss_after_jamming") == 130
    (first, second) = car.alarm("comm_loss_after_jamming").evidence
    assert "would have cleared this" in first.text
    assert "jamming_gsm" in second.text


@pytest.mark.parametrize(
    ("facts", "hears"),
    [
        pytest.param([*ARMED, jam("j", 10)], False, id="the gateway is deaf itself"),
        pytest.param([ignition(True, 0), jam("j", 10)], True, id="not armed"),
        pytest.param(
            [*ARMED, jam("j", 10), jam("r", 80, "restored"), card("d", False, 190)], True, id="restored"
        ),
        pytest.param([*ARMED, sensor("t", 10, cause="tilt")], True, id="no jamming"),
        pytest.param(
            [*ARMED, jam("j", 10), *(card(f"d{s}", False, s) for s in range(60, 900, 60))], True, id="heard"
        ),
    ],
)
def test_silence_that_is_no_theft(facts: list[AnyFact], hears: bool) -> None:
    car = Car(hears=hears).live(facts, until_s=facts[-1].received_at.timestamp() - START.timestamp() + 119)
    assert "comm_loss_after_jamming" not in car.raised


def test_jamming_that_flips_right_before_the_silence_still_counts() -> None:
    car = Car(hears=True).live([*ARMED, jam("j", 10), jam("r", 11, "restored")], until_s=300)
    assert "comm_loss_after_jamming" in car.raised


def test_jamming_that_is_over_and_the_car_spoke_again_explains_no_silence() -> None:
    passed = [*ARMED, jam("j", 10), jam("r", 20, "restored"), card("d", False, 60)]
    assert "comm_loss_after_jamming" not in Car(hears=True).live(passed, until_s=600).raised
    again = [*passed, jam("k", 61)]
    assert "comm_loss_after_jamming" in Car(hears=True).live(again, until_s=600).raised


def test_jamming_counts_in_whatever_order_its_end_and_its_beginning_arrive() -> None:
    began, ended = jam("j", 10), jam("r", 11, "restored")
    for first, second in ((began, ended), (ended, began)):
        facts = [*ARMED, replace(first, received_at=at(100)), replace(second, received_at=at(130))]
        assert "comm_loss_after_jamming" in Car(hears=True).live(facts, until_s=600).raised


def test_a_tamper_held_back_then_silence_of_30_minutes() -> None:
    car = Car(hears=True).live([*ARMED], until_s=1)
    held = {"tamper": Moment(at(0), at(0)), "battery_disconnect": Moment(at(-5), at(-5))}
    car.vehicle = replace(car.vehicle, held_back=held)
    car.take(card("d", False, 5))
    car.wait(at(1804))
    assert car.raised == []
    car.wait(at(1810))
    assert car.raised == ["comm_loss_after_tamper"]
    assert car.alarm("comm_loss_after_tamper").count == 2


def test_gnss_jamming_that_flips_each_second_for_30_seconds_is_one_alarm() -> None:
    """Scenario 18: given GNSS jamming flips 0/2 every second for 30 s, then exactly one alarm."""
    flips = [jam(f"j{s}", s, "restored" if s % 2 else "triggered", "jamming_gnss") for s in range(30)]
    car = Car()
    car.live(flips[:5], until_s=5)
    alarm = car.alarm("jamming_gnss")
    car.take(Acknowledge(received_at=at(5), alarm_id=alarm.alarm_id, by="kim"))
    car.live(flips[5:])
    assert car.raised == ["jamming_gnss"]
    after = car.alarm("jamming_gnss")
    assert (after.state, after.count) == ("acknowledged", 15)
    assert sorted(car.told) == sorted(one.event_id for one in flips if one.state == "triggered")


def test_jamming_that_comes_back_later_reopens_the_alarm() -> None:
    car = Car().live([jam("a", 0)], until_s=2)
    car.take(Acknowledge(received_at=at(2), alarm_id=car.alarm("jamming_gsm").alarm_id, by="kim"))
    car.live([jam("b", 200)], until_s=202)
    assert car.alarm("jamming_gsm").state == "open"


def test_an_underground_garage_is_no_jamming() -> None:
    """Scenario 19: no fix, ignition off: nothing is stated, and nothing is alarmed."""
    assert Car(hears=True).live([*ARMED], until_s=DAY).raised == []


@pytest.mark.parametrize(
    ("facts", "after_s"),
    [
        pytest.param([ignition(True, 0)], 60, id="driving"),
        pytest.param(
            [Charging(event_id="e", connected=True, charging=True, **times(0))], 3600, id="charging"
        ),
        pytest.param([edge(-1), ignition(True, 0)], 1800, id="on EDGE, where a call stops data"),
        pytest.param([edge(-1), ignition(True, 0), online(0, "LTE")], 60, id="on LTE again"),
        pytest.param([ignition(False, 0)], 2 * DAY, id="parked"),
        pytest.param([ignition(False, 0), Connection(online=False, **times(0))], 14 * DAY, id="asleep"),
        pytest.param(
            [ignition(True, 0), Mode(event_id="m", private_mode=True, **times(0))], 2 * DAY, id="private"
        ),
    ],
)
def test_supervision_is_lost_after_twice_the_expected_interval(facts: list[AnyFact], after_s: float) -> None:
    car = Car(hears=True).live(facts)
    assert car.raised == ["supervision_lost"]
    assert car.raised_after_s("supervision_lost") == after_s
    assert "would have cleared this" in car.alarm("supervision_lost").evidence[0].text


def test_a_lost_vehicle_that_is_heard_again_says_so_once_and_closes_nothing() -> None:
    """Lost, heard, lost again, heard again: each once, on the alarm that is open."""
    car = Car(hears=True).live([ignition(True, 0)], until_s=100)
    car.live([moves(600), moves(610), card("c", True, 620)], until_s=650)
    assert [(one.type, one.alarm.note) for one in car.announced] == [
        ("alarm.raised", None),
        ("alarm.updated", "heard_again"),
    ]
    alarm = car.alarm("supervision_lost")
    assert (alarm.state, alarm.count) == ("open", 1)
    assert alarm.evidence[-1].text == (
        "The vehicle is heard again, after 10 minutes of silence. This closes nothing."
    )
    car.wait(at(700))
    assert [one.alarm.count for one in car.announced] == [1, 1, 2]
    car.live([moves(900)], until_s=910)
    assert [one.alarm.note for one in car.announced][-1] == "heard_again"
    assert len(car.announced) == 4


def test_a_vehicle_that_is_heard_after_its_alarm_was_closed_says_nothing() -> None:
    car = Car(hears=True).live([ignition(True, 0)], until_s=100)
    alarm_id = car.alarm("supervision_lost").alarm_id
    car.take(Close(received_at=at(100), alarm_id=alarm_id, by="kim", disposition="radio_fault"))
    said = len(car.announced)
    car.live([moves(600), moves(610)], until_s=620)
    assert len(car.announced) == said


def test_on_a_ferry_gsm_is_lost_for_9_hours() -> None:
    """Scenario 12, the silence: no theft alarm; a supervision note only after the limit."""
    assert Car(hears=True).live([*ARMED], until_s=9 * 3600).raised == []


def test_plain_telemetry_is_heard_too() -> None:
    car = Car().live([ignition(True, 0)], until_s=1)
    car.take(Tick(received_at=at(60), hearing_since=START, heard_at=at(50)))
    assert (car.raised, car.vehicle.wake_at) == ([], at(95))


@pytest.mark.parametrize("hearing_s", [None, 3600.0])
def test_our_own_deafness_is_nobody_s_silence(hearing_s: float | None) -> None:
    """It counts from when we could hear again; while we are deaf the wake is put off."""
    car = Car().live([ignition(True, 0)], until_s=1)
    hearing_since: datetime | None = None if hearing_s is None else at(hearing_s)
    car.take(Tick(received_at=at(3600), hearing_since=hearing_since))
    assert (car.raised, car.vehicle.wake_at) == ([], at(3645 if hearing_s else 4500))


def test_many_silent_vehicles_hold_the_single_note_back_but_no_theft() -> None:
    car = Car().live([*ARMED, jam("j", 10)], until_s=11)
    for seconds in (200_000, 200_060):
        car.take(Tick(received_at=at(seconds), hearing_since=START, mass_loss=True))
    assert car.raised == ["jamming_gsm", "comm_loss_after_jamming"]
    assert car.vehicle.wake_at == at(200_120)
    car.take(Tick(received_at=at(200_120), hearing_since=START))
    assert car.raised[-1] == "supervision_lost"


BYE = Connection(online=False, **times(5))
WILL = Connection(online=False, received_at=at(5))


@pytest.mark.parametrize(
    ("facts", "now_s", "reason"),
    [
        pytest.param([], 10, "never_seen", id="never"),
        pytest.param([ignition(True, 0)], 10, None, id="online"),
        pytest.param([ignition(False, 0), BYE], DAY, "asleep", id="asleep"),
        pytest.param([ignition(True, 0), WILL], 600, "no_coverage", id="a tunnel"),
        pytest.param([edge(0), ignition(True, 0), WILL], 600, "edge_call", id="a call on EDGE"),
        pytest.param([edge(0), ignition(True, 0), WILL], 1900, "no_coverage", id="a long call on EDGE"),
        pytest.param([edge(0), ignition(True, 0), jam("j", 1), WILL], 9, "jammed", id="jammed on EDGE"),
        pytest.param([ignition(True, 0), WILL], 2 * DAY, "unit_dead", id="a tunnel without end"),
        pytest.param([ignition(False, 0), BYE], 15 * DAY, "unit_dead", id="never awake again"),
        pytest.param([jam("j", 0), WILL], 10, "jammed", id="jammed"),
        pytest.param([sensor("b", 0, cause="battery_disconnect"), WILL], 10, "power_cut", id="cut"),
        pytest.param([sensor("b", 0, cause="health_check_failed"), WILL], 10, "unit_dead", id="self-test"),
        pytest.param(
            [Mode(event_id="m", private_mode=True, **times(0)), WILL], 10, "private_mode", id="private"
        ),
        pytest.param(
            [
                sensor("b", 0, cause="battery_disconnect"),
                sensor("r", 1, cause="battery_disconnect", state="restored"),
                ignition(True, 2),
                WILL,
            ],
            10,
            "no_coverage",
            id="restored",
        ),
    ],
)
def test_why_offline(facts: list[AnyFact], now_s: float, reason: str | None) -> None:
    vehicle = Car().live(facts, until_s=6).vehicle
    found = why_offline(vehicle, at(now_s))
    assert (None if found is None else found.reason) == reason
    assert found is None or (found.evidence.endswith(".") and "?" not in found.evidence)


def test_moving_with_a_card_stays_quiet_with_every_rule_on() -> None:
    facts: list[AnyFact] = [registered(-200, "DC-1"), card("c", True, -10), ignition(True, -5)]
    drive = [moves(20.0 * s) for s in range(30)]
    assert Car(hears=True).live([*facts, *drive], until_s=600).raised == []
