"""Special modes: who sets them, for how long, and with which proof."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.effects import Audited, Refused
from gateway.domain.security_code import key_of, response
from gateway.domain.signals import (
    Challenged,
    Place,
    SetMode,
)
from tests.domain.cars import (
    VIN,
    at,
    sensor,
)
from tests.domain.modes import CODE, YARD, H, codes, owned, put, stop, told


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


def test_under_a_stolen_vehicle_no_mode_is_set_by_its_user() -> None:
    car = owned()
    car.vehicle = replace(car.vehicle, stolen=True)
    car.live([put("workshop", 1, 1, "main_user")], 5)
    assert (codes(car), car.vehicle.modes.running) == (["call_soc"], ())


def test_who_is_the_main_user_no_more_sets_no_mode() -> None:
    car = owned()
    refused = car.take(put("transport", 1, 1, "main_user", user="carl"))[0]
    assert isinstance(refused, Refused)
    assert refused.code == "not_authorised"
    assert car.vehicle.modes.of("transport") is None
    car.take(put("transport", 2, 1, "main_user"))
    assert [one.mode for one in car.vehicle.modes.running] == ["transport"]
