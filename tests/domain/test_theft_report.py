"""A person reports a theft: at once by the main user, with a second person by operators."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.domain.approvals import approval_key
from gateway.domain.effects import Refused
from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.signals import TheftReport
from tests.domain.cars import at
from tests.domain.owners import OwnedCar

PATH = "/api/v1/vehicles/X/theft-report"


def report(seconds: float, by: str, role: str, note: str = "") -> TheftReport:
    key = approval_key(PATH, {"note": note})
    return TheftReport(received_at=at(seconds), by=by, role=role, note=note, approval_key=key)


def test_the_main_users_report_is_an_alarm_at_once() -> None:
    car = OwnedCar()
    car.take(report(1, "Anna", "main_user", "It is gone."))
    assert car.raised == ["manual_report"]
    assert car.alarm("manual_report").evidence[0].text == "Reported by the main user. They add: It is gone."
    assert car.vehicle.case_id is not None


def test_who_is_the_main_user_no_more_reports_no_theft() -> None:
    car = OwnedCar()
    effects = car.take(replace(report(1, "Carl", "main_user"), user="carl"))
    assert isinstance(effects[0], Refused)
    assert effects[0].code == "not_authorised"
    assert car.raised == []
    car.take(replace(report(2, "Anna", "main_user"), user="anna"))
    assert car.raised == ["manual_report"]


def test_an_operators_report_waits_for_another_person_with_the_same_words() -> None:
    car = OwnedCar()
    asked = car.take(report(1, "Kim", "operator"))
    assert isinstance(asked[-1], ApprovalPending)
    assert car.take(report(2, "Kim", "operator"))[-1] == asked[-1]
    assert isinstance(car.take(report(3, "Lou", "operator", "other words"))[-1], ApprovalPending)
    assert car.raised == []
    car.take(report(4, "Lou", "supervisor"))
    assert car.raised == ["manual_report"]
    assert [one.action for one in car.audited] == ["theft.report_asked"] * 3 + ["theft.reported"]


def test_the_key_of_a_call_leaves_out_what_is_each_calls_own() -> None:
    call = {"action": "block_engine_start", "params": {"a": 1, "b": 2}}
    same = {"params": {"b": 2, "a": 1}, "action": "block_engine_start", "request_id": "r", "issued_at": "now"}
    assert approval_key(PATH, call) == approval_key(PATH, same)
    assert approval_key(PATH, call) != approval_key(PATH, {**call, "params": {}})
    assert approval_key(PATH, call) != approval_key(PATH + "/", call)
