"""What the SOC does to a vehicle: a block takes two persons, a release one."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.signals import Mode
from tests.domain.cars import at, ignition, times
from tests.domain.owners import (
    ENTRY,
    PARKED,
    OwnedCar,
    answers,
    request,
    result,
    soc_request,
)


def test_a_block_needs_a_second_person_and_stops_for_nothing_that_a_thief_could_set() -> None:
    car = OwnedCar(replace(ENTRY, services={}), enabled=False)
    car.take(Mode(event_id="m-1", private_mode=True, **times(1)))
    first = car.take(soc_request(2, "Kim"))
    pending = [one for one in first if isinstance(one, ApprovalPending)]
    assert len(pending) == 1
    assert car.take(soc_request(3, "Kim", request_id="r-again"))[-1] == pending[0]
    assert car.commands == []
    assert answers(car.take(soc_request(4, "Lou"))) == [("accepted", None), ("sent", None)]
    assert [one.details.get("asked_by") for one in car.audited if one.action == "command.sent"] == ["Kim"]
    assert isinstance(car.take(soc_request(5, "Max"))[-1], ApprovalPending)  # it serves once


def test_who_asked_first_hears_what_became_of_it_when_the_network_repeats_the_call() -> None:
    car = OwnedCar()
    car.take(soc_request(1, "Kim", request_id="r-1"))
    car.take(soc_request(2, "Kim", request_id="r-2"))
    car.take(soc_request(3, "Lou"))
    for request_id in ("r-1", "r-2"):
        again = car.take(soc_request(4, "Kim", request_id=request_id))
        assert answers(again) == [("accepted", None), ("sent", None)]
    car.take(result(5, car.commands[0].command_id))
    assert car.ask(soc_request(6, "Kim", request_id="r-1"))[-1] == ("performed", None)
    assert car.vehicle.approvals.waiting == ()
    assert len(car.commands) == 1


def test_an_approval_is_for_the_same_call_and_ten_minutes() -> None:
    car = OwnedCar()
    car.take(soc_request(1, "Kim"))
    assert isinstance(car.take(soc_request(2, "Lou", approval_key="another"))[-1], ApprovalPending)
    car.wait(at(700))
    late = car.take(soc_request(602, "Lou", request_id="r-9"))
    assert isinstance(late[-1], ApprovalPending)
    assert [one.action for one in car.audited].count("approval.expired") == 2
    assert car.commands == []


def test_a_release_needs_no_second_person_and_no_owner_may_do_either() -> None:
    car = OwnedCar()
    assert car.ask(soc_request(1, "Kim", "release_engine_start"))[0] == ("accepted", None)
    assert car.ask(request(2, "block_engine_start")) == [("refused", "not_authorised")]
    assert car.ask(request(2, "release_engine_start", "r-2")) == [("refused", "not_authorised")]


def test_no_number_of_the_owners_commands_keeps_the_soc_from_blocking() -> None:
    car = OwnedCar()
    car.take(ignition(on=True, occurred_s=1))
    on = replace(PARKED, ignition_on=True, ignition_at=at(1))
    told = [car.ask(request(2, "climate_start", f"r-{number}", stated=on))[0] for number in range(100)]
    assert told.count(("accepted", None)) == 64
    assert told[-1] == ("refused", "wake_budget")
    car.take(soc_request(3, "Kim"))
    assert car.ask(soc_request(3, "Lou")) == [("accepted", None), ("sent", None)]
