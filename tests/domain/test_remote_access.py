"""Who may ask for what (contract 4.1): the first reason that applies, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from gateway.domain import security_code
from gateway.domain.remote_access.authorise import CHECKS, Denial, Reason, authorise
from gateway.domain.remote_access.effects import ChallengeGiven
from gateway.domain.remote_access.facts import ChallengeRequested, CommandRequested, Stated
from gateway.domain.remote_access.state import (
    MAX_REFUSED_EACH,
    WAKE_BUDGET,
)
from gateway.domain.security_code import wrong
from gateway.domain.signals import Mode
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import Car, at, ignition, sensor, times
from tests.domain.owners import (
    ENTRY,
    PARKED,
    OwnedCar,
    answers,
    online,
    request,
)

REASONS = get_args(Reason)

# Each breaks one more thing of a good request, in the contract's order: with all from a row on broken, its
# reason is the answer.
Broken = tuple[Vehicle, CommandRequested]
BREAKS: dict[str, Callable[[Vehicle, CommandRequested], Broken]] = {
    "malformed": lambda v, r: (v, replace(r, malformed="no action")),
    "expired": lambda v, r: (v, replace(r, issued_at=at(-1000))),
    "clock": lambda v, r: (v, replace(r, issued_at=at(60))),
    "unknown_vehicle": lambda v, r: (replace(v, registration=replace(ENTRY, main_user="carl")), r),
    "not_authorised": lambda v, r: (v, replace(r, action="block_engine_start")),
    "service_not_active": lambda v, r: (replace(v, registration=replace(ENTRY, services={})), r),
    "remote_access_disabled": lambda v, r: (_mode(v, remote_access_enabled=False), r),
    "private_mode": lambda v, r: (_mode(v, private_mode=True), r),
    "call_soc": lambda v, r: (replace(v, alarms=_alarmed().alarms), r),
    "security_code_locked": lambda v, r: (_locked(v), r),
    "security_code_required": lambda v, r: (v, replace(r, answered=False)),
    "security_code_wrong": lambda v, r: (v, replace(r, challenge=None)),
    "not_supported": lambda v, r: (v, replace(r, action="sing")),
    "vehicle_moving": lambda v, r: (v, _stating(r, moving=True, moving_at=at(0))),
    "door_open": lambda v, r: (v, _stating(replace(r, action="lock"), door_open=True)),
    "state_unknown": lambda v, r: (v, _stating(r, ignition_on=True, ignition_at=at(1), moving_at=at(-100))),
    "wake_budget": lambda v, r: (replace(v, remote=replace(v.remote, wakes=(at(0.5),) * WAKE_BUDGET)), r),
}
OF_ONE_FIELD = (
    {"expired", "clock"},
    {"unknown_vehicle", "service_not_active"},
    {"not_authorised", "not_supported", "door_open"},
    {"vehicle_moving", "state_unknown"},
)
OF_UNLOCK = {
    "security_code_locked",
    "security_code_required",
    "security_code_wrong",
    "vehicle_moving",
    "state_unknown",
}
"""Reasons that only an action with a code and an interlock has."""


def _can_meet(first: str, second: str) -> bool:
    """Whether both breaks can hold at once: not if they change one field, or the action away from unlock."""
    pair = {first, second}
    if any(len(pair & field) > 1 for field in OF_ONE_FIELD):
        return False
    return not (pair & {"not_authorised", "not_supported", "door_open"} and pair & OF_UNLOCK)


PAIRS = [
    (first, second)
    for first in REASONS
    for second in REASONS
    if REASONS.index(first) < REASONS.index(second) and _can_meet(first, second)
]


def _mode(vehicle: Vehicle, **fields: Any) -> Vehicle:
    known = vehicle.stated["mode"]
    return replace(vehicle, stated={**vehicle.stated, "mode": replace(known, **fields)})


def _alarmed() -> Vehicle:
    car = Car()
    car.take(sensor("t-1", 0))
    return car.vehicle


def _locked(vehicle: Vehicle) -> Vehicle:
    guard = vehicle.code_guard
    for _ in range(3):
        guard, _alarm = wrong(guard, "anna", "special_mode", at(0))
    return replace(vehicle, code_guard=guard)


def _stating(request: CommandRequested, **fields: Any) -> CommandRequested:
    return replace(request, stated=replace(request.stated or PARKED, **fields))


def _good() -> Broken:
    car = OwnedCar()
    # Without this the car's own state, newer than what a test states, would say where it stands.
    past = replace(car.vehicle.past, now=replace(car.vehicle.past.now, stopped=None))
    car.vehicle = replace(car.vehicle, past=past)
    challenge = car.asked(0)
    return car.vehicle, request(1, "unlock", answered=True, challenge=challenge)


def test_every_reason_of_the_contract_is_a_check_in_its_order() -> None:
    assert [check.__name__.strip("_") for check in CHECKS] == list(REASONS) == list(BREAKS)


def test_a_good_request_is_granted() -> None:
    vehicle, asked = _good()
    assert not isinstance(authorise(vehicle, asked, at(1)), Denial)


@pytest.mark.parametrize("reason", REASONS)
def test_one_thing_that_is_wrong_is_the_reason(reason: str) -> None:
    denial = authorise(*BREAKS[reason](*_good()), at(1))
    assert isinstance(denial, Denial)
    assert denial.reason == reason


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_things_that_are_wrong_the_first_is_the_reason(first: str, second: str) -> None:
    denial = authorise(*BREAKS[first](*BREAKS[second](*_good())), at(1))
    assert isinstance(denial, Denial)
    assert denial.reason == first


def test_an_owner_who_is_told_to_call_shows_in_the_open_alarm_and_in_the_audit_trail() -> None:
    car = OwnedCar()
    car.take(sensor("t-1", 1))
    assert car.ask(request(3, "unlock")) == [("refused", "call_soc")]
    assert car.audited[-1].details["cause"] == "open alarm: intrusion"
    assert "asked for 'unlock'" in car.alarm("intrusion").evidence[-1].text
    assert car.messages[-1] == ("alarm.updated", "intrusion", ())


def test_a_stolen_car_ignores_private_mode_and_tells_only_to_call() -> None:
    vehicle, asked = _good()
    vehicle = replace(_mode(vehicle, private_mode=True), stolen=True)
    assert authorise(vehicle, asked, at(1)) == Denial("call_soc", "stolen")


@pytest.mark.parametrize(
    ("stated", "answer"),
    [
        (None, "accepted"),  # the fold's own memory: parked
        (Stated(moving=True, moving_at=at(5)), "vehicle_moving"),
        (Stated(moving=True, moving_at=at(-100)), "accepted"),  # older than what the fold knows
        (Stated(moving=False, moving_at=at(5), ignition_on=True, ignition_at=at(5)), "accepted"),
        (Stated(ignition_on=True, ignition_at=at(5)), "accepted"),
    ],
)
def test_the_newer_of_telemetry_and_memory_says_whether_the_car_moves(
    stated: Stated | None, answer: str
) -> None:
    car = OwnedCar()
    asked = request(10, "unlock", answered=True, challenge=car.asked(9), stated=stated)
    status, reason = car.ask(asked)[0]
    assert answer in {status, reason}


@pytest.mark.parametrize(
    ("on", "later_s", "reason"),
    [(False, 5 * 86_400, None), (True, 61, "state_unknown"), (True, 60, None), (None, 61, "state_unknown")],
)
def test_a_parked_car_stays_parked_and_any_other_statement_holds_for_a_minute(
    on: bool | None, later_s: float, reason: str | None
) -> None:
    car = OwnedCar()
    past = replace(car.vehicle.past.now, ignition_on=None, ignition_stated_at=None)
    car.vehicle = replace(car.vehicle, past=replace(car.vehicle.past, now=past))
    stated = Stated(moving=False, moving_at=at(0), ignition_on=on, ignition_at=at(0))
    asked = request(later_s, "unlock", answered=True, challenge=car.asked(later_s), stated=stated)
    assert car.ask(asked)[0][1] == reason


def test_movement_that_nobody_stated_stops_only_what_needs_a_standing_car() -> None:
    car = OwnedCar()
    past = replace(car.vehicle.past, now=replace(car.vehicle.past.now, stopped=None))
    car.vehicle = replace(car.vehicle, past=past)
    assert car.ask(request(1, "charge_start", "r-1", stated=None)) == [("refused", "state_unknown")]
    assert car.ask(request(1, "climate_start", "r-2", stated=None))[0] == ("accepted", None)


def test_the_sixteenth_command_since_the_ignition_was_on_is_refused() -> None:
    car = OwnedCar()
    for number in range(WAKE_BUDGET):
        assert car.ask(request(number + 1, "locate", f"r-{number}"))[0] == ("accepted", None)
    assert car.ask(request(20, "locate", "r-20")) == [("refused", "wake_budget")]
    car.take(ignition(on=True, occurred_s=30))
    on = replace(PARKED, ignition_on=True, ignition_at=at(30))
    assert car.ask(request(31, "locate", "r-31", stated=on))[0] == ("accepted", None)
    car.take(ignition(on=False, occurred_s=40))
    off = replace(PARKED, ignition_at=at(40))
    assert car.ask(request(41, "locate", "r-41", stated=off))[0] == ("accepted", None)


def test_three_wrong_answers_lock_the_person_and_five_on_the_car_alarm() -> None:
    car = OwnedCar()
    for number in range(3):
        car.asked(number, f"c-{number}")
        asked = request(number, "unlock", f"r-{number}", answered=True)
        assert car.ask(asked) == [("refused", "security_code_wrong")]
    assert car.ask(request(4, "unlock", "r-4", answered=True)) == [("refused", "security_code_locked")]
    bert = {"by": "bert", "user": "bert", "answered": True}
    for number in (5, 6):
        assert car.ask(request(number, "unlock", f"b-{number}", **bert)) == [
            ("refused", "security_code_wrong")
        ]
    assert car.raised == ["wrong_security_code"]
    assert car.ask(request(7, "lock", "r-7")) == [("refused", "call_soc")]


def test_a_wrong_answer_that_comes_twice_counts_once() -> None:
    car = OwnedCar()
    for _ in range(5):
        assert car.ask(request(1, "unlock", answered=True)) == [("refused", "security_code_wrong")]
    assert car.vehicle.code_guard.people[0].wrong == 1


def test_a_right_answer_serves_once_even_if_the_car_moves() -> None:
    car = OwnedCar()
    challenge = car.asked(1)
    moving = replace(PARKED, moving=True, moving_at=at(1))
    asked = request(1, "unlock", answered=True, challenge=challenge, stated=moving)
    assert car.ask(asked) == [("refused", "vehicle_moving")]
    again = request(2, "unlock", "r-2", answered=True, challenge=challenge)
    assert car.ask(again) == [("refused", "security_code_wrong")]
    assert car.vehicle.code_guard.people == ()


def test_after_a_change_of_the_code_the_car_itself_must_grant_remote_access_anew() -> None:
    car = OwnedCar(is_online=False)
    car.take(request(1, "climate_start", "r-1"))
    car.vehicle = replace(car.vehicle, people=replace(car.vehicle.people, code_changed_at=at(2)))
    car.take(online(3))
    assert answers(car.effects)[-1] == ("failed", "remote_access_disabled")
    assert car.ask(request(4, "lock", "r-2")) == [("refused", "remote_access_disabled")]
    car.take(Mode(event_id="m-5", remote_access_enabled=True, **times(5)))
    assert car.ask(request(6, "lock", "r-3"))[0] == ("accepted", None)


def test_a_car_without_a_security_code_is_never_unlocked() -> None:
    car = OwnedCar(replace(ENTRY, security_code_key=None))
    assert car.ask(request(1, "unlock", answered=True)) == [("refused", "security_code_required")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"by": "bert", "user": "bert"}, None),
        ({"by": "bert", "user": "bert", "role": "secondary_user"}, None),
        ({"by": "eve", "user": "eve"}, "unknown_vehicle"),
        ({"role": "secondary_user"}, "unknown_vehicle"),
        ({"stranger": True}, "unknown_vehicle"),
        ({"by": "Kim", "user": "soc:Kim", "role": "operator"}, "not_authorised"),
        ({"by": "Anna", "user": "Anna", "role": "main_user", "vin_bound": True, "nameless": True}, None),
        ({"by": "Anna", "user": "Anna", "role": "main_user", "nameless": True}, "unknown_vehicle"),
    ],
)
def test_the_role_is_what_the_registry_says_and_no_more_than_the_token(
    more: dict[str, Any], reason: str | None
) -> None:
    assert OwnedCar().ask(request(1, "lock", **more))[0][1] == reason


def test_a_stranger_leaves_nothing_in_the_cars_state() -> None:
    car = OwnedCar()
    before = car.vehicle.remote
    for number in range(100):
        car.take(request(1, "lock", f"r-{number}", by="eve", user="eve"))
    assert car.vehicle.remote == before


def test_one_persons_refusals_push_out_nobody_elses() -> None:
    car = OwnedCar()
    car.take(request(1, "unlock", "b-1", by="bert", user="bert", answered=True))
    for number in range(100):
        car.take(request(1, "unlock", f"r-{number}"))
    assert len(car.vehicle.remote.refused) == MAX_REFUSED_EACH + 1
    assert car.ask(request(2, "unlock", "b-1", by="bert", user="bert")) == [
        ("refused", "security_code_wrong")
    ]


# -- challenges by MQTT ----------------------------------------------------------------------------------


def challenge(
    seconds: float, text: str, user: str = "anna", purpose: str = "unlock", **more: Any
) -> ChallengeRequested:
    given: dict[str, Any] = {"request_id": "q-1", "issued_at": at(seconds), **more}
    return ChallengeRequested(
        received_at=at(seconds), by=user, user=user, purpose=purpose, challenge=text, **given
    )


def test_a_challenge_is_given_once_for_each_request() -> None:
    car = OwnedCar()
    (first,) = car.take(challenge(1, "c-1"))
    assert isinstance(first, ChallengeGiven)
    assert (first.challenge, first.salt, first.rounds, first.expires_at) == ("c-1", "5a17", 10, at(61))
    assert car.take(challenge(2, "c-2")) == (first,)
    (new,) = car.take(challenge(3, "c-3", request_id="q-2"))
    assert isinstance(new, ChallengeGiven)
    assert new.challenge == "c-3"
    assert car.ask(request(4, "unlock", answered=True, challenge="c-3"))[0] == ("accepted", None)


def test_a_second_wish_leaves_the_first_ones_challenge_and_those_of_others() -> None:
    car = OwnedCar()
    car.take(challenge(1, "b-1", "bert"))
    for number in range(security_code.EACH + 1):
        car.take(challenge(2, f"c-{number}", request_id=f"q-{number}"))
    for number in range(1, security_code.EACH + 1):
        asked = request(3, "unlock", f"r-{number}", answered=True, challenge=f"c-{number}")
        assert car.ask(asked)[0] == ("accepted", None)
    assert car.ask(request(3, "unlock", "r-0", answered=True, challenge="c-0"))[0][1] == "security_code_wrong"
    bert = request(4, "unlock", "r-b", by="bert", user="bert", answered=True, challenge="b-1")
    assert car.ask(bert)[0] == ("accepted", None)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"malformed": "no purpose"}, "malformed"),
        ({"issued_at": at(-100)}, "expired"),
        ({"issued_at": at(100)}, "clock"),
        ({"user": "eve"}, "unknown_vehicle"),
        ({"user": "bert", "purpose": "transfer"}, "not_authorised"),
        ({"user": "bert"}, None),
    ],
)
def test_who_may_ask_for_a_challenge(more: dict[str, Any], reason: str | None) -> None:
    told = OwnedCar().ask(challenge(1, "c-1", **more))  # type: ignore[arg-type]  # answered alike
    assert told == ([] if reason is None else [("refused", reason)])
