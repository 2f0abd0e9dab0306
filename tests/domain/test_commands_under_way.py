"""A command from its acceptance to its end: it waits, is sent once, and has its result."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.domain.remote_access.state import (
    KEEP_DONE,
    MAX_REMEMBERED,
    remember,
)
from gateway.domain.signals import Movement, Registered, Tick
from tests.domain.cars import at, ignition, sensor, times
from tests.domain.owners import (
    ENTRY,
    PARKED,
    OwnedCar,
    answers,
    offline,
    online,
    request,
    result,
)


def test_a_command_to_a_car_that_is_there_is_sent_at_once_and_ends_with_its_result() -> None:
    car = OwnedCar()
    car.take(request(1))
    (command,) = car.commands
    assert command.expires_at == at(61)
    car.take(result(2, command.command_id))
    assert car.statuses == ["accepted", "sent", "performed"]
    assert car.rests


def test_a_command_under_way_completes_when_the_contract_ends() -> None:
    car = OwnedCar(replace(ENTRY, services={"remote_access": {"until": at(10).isoformat()}}))
    car.take(request(9, "lock", "r-1"))
    assert car.ask(request(10, "lock", "r-2")) == [("refused", "service_not_active")]
    car.take(result(20, car.commands[0].command_id))
    assert answers(car.effects)[-1] == ("performed", None)


@pytest.mark.parametrize(
    ("status", "became", "reason"),
    [
        ("performed", "performed", None),
        ("failed", "failed", None),
        ("refused", "failed", "refused"),
        ("expired", "expired", None),
    ],
)
def test_a_late_result_is_still_taken(status: str, became: str, reason: str | None) -> None:
    car = OwnedCar()
    car.take(request(1))
    car.wait(at(70))
    assert car.statuses == ["accepted", "sent", "unknown"]
    car.take(result(100, car.commands[0].command_id, status))
    assert answers(car.effects)[-1] == (became, reason)
    car.take(result(101, car.commands[0].command_id, "failed", "e-2"))
    assert len(car.statuses) == 4


def test_a_command_waits_for_a_car_that_is_away_and_is_sent_in_time_or_never() -> None:
    car = OwnedCar(is_online=False)
    car.take(request(1, "climate_start", "r-1"))
    car.take(request(1, "lock", "r-2"))
    assert car.statuses == ["accepted", "accepted"]
    car.wait(at(100))
    assert car.statuses[2:] == ["expired"]
    car.take(online(101))
    assert [one.action for one in car.commands] == ["climate_start"]


def test_what_waits_is_looked_at_again_before_it_is_sent() -> None:
    car = OwnedCar(is_online=False)
    challenge = car.asked(1)
    assert car.ask(request(2, "unlock", answered=True, challenge=challenge)) == [("accepted", None)]
    car.take(sensor("t-1", 3))  # the car comes back with an intrusion
    assert answers(car.effects)[-1] == ("failed", "call_soc")
    assert car.commands == []


def test_a_person_who_lost_the_car_unlocks_nothing_that_waits() -> None:
    car = OwnedCar(is_online=False)
    car.take(request(2, "climate_start"))
    car.take(Registered(received_at=at(3), registration=replace(ENTRY, main_user="carl")))
    car.take(online(4))
    assert answers(car.effects)[-1] == ("failed", "unknown_vehicle")


def test_the_gateway_without_its_broker_sends_nothing_until_the_car_is_heard() -> None:
    car = OwnedCar()
    car.take(request(1, stated=replace(PARKED, reachable=False)))
    assert car.statuses == ["accepted"]
    car.take(Movement(moving=False, **times(5)))
    assert car.statuses == ["accepted", "sent"]


def test_what_waits_for_the_gateways_own_broker_is_sent_when_that_is_back() -> None:
    car = OwnedCar()
    car.take(request(1, stated=replace(PARKED, reachable=False)))
    for seconds in (2, 3, 4):
        assert car.vehicle.wake_at == at(seconds)
        car.take(Tick(received_at=at(seconds)))
        assert car.statuses == ["accepted"]
    car.take(Tick(received_at=at(5), reachable=True))
    assert car.statuses == ["accepted", "sent"]
    assert car.vehicle.remote.look_at is None


def test_looking_for_the_broker_ends_with_the_command() -> None:
    car = OwnedCar()
    car.take(request(1, stated=replace(PARKED, reachable=False)))
    car.take(offline(2))
    car.take(Tick(received_at=at(3)))
    assert car.vehicle.wake_at == at(61)
    car.wait(at(100))
    assert car.statuses == ["accepted", "expired"]
    assert car.rests


def test_the_last_will_counts_until_anything_is_heard_again() -> None:
    car = OwnedCar()
    car.take(offline(1))
    car.take(request(2, "lock", "r-1", stated=replace(PARKED, heard_at=at(0.5))))
    assert car.statuses == ["accepted"]
    car.take(request(3, "lock", "r-2", stated=replace(PARKED, heard_at=at(2.5))))
    assert car.statuses[1:] == ["accepted", "sent"]


def test_counters_grow_even_if_the_clock_is_set_back() -> None:
    car = OwnedCar()
    car.take(request(1, "lock", "r-1"))
    first = car.commands[0].counter
    assert first is not None
    car.vehicle = replace(car.vehicle, remote=replace(car.vehicle.remote, counter=first + 10_000))
    car.take(request(2, "lock", "r-2"))
    assert car.commands[1].counter == first + 10_001


def test_the_same_request_is_one_command_and_one_answer() -> None:
    car = OwnedCar()
    first = car.take(request(1))
    assert answers(car.take(request(2))) == [("accepted", None), ("sent", None)]
    car.wait(at(70))
    assert answers(car.take(request(80, issued_s=1))) == [("accepted", None), ("unknown", None)]
    assert len(car.commands) == 1
    assert answers(first)[0] == ("accepted", None)
    assert car.ask(request(81, "lock", by="bert", user="bert"))[0] == ("accepted", None)


def test_what_became_of_a_request_is_known_long_after_its_command_has_gone() -> None:
    car = OwnedCar()
    car.take(ignition(on=True, occurred_s=1))
    on = replace(PARKED, ignition_on=True, ignition_at=at(1))
    for number in range(KEEP_DONE + 4):
        car.take(request(100 * number + 2, "climate_start", f"r-{number}", stated=on))
        car.take(result(100 * number + 3, car.commands[-1].command_id, event_id=f"e-{number}"))
    sent = len(car.commands)
    late_s = 100 * (KEEP_DONE + 4) + 700
    car.take(request(late_s, "climate_start", "r-new", stated=on))
    car.take(result(late_s + 1, car.commands[-1].command_id, event_id="e-new"))
    assert car.vehicle.remote.command(car.commands[0].command_id) is None
    assert car.ask(request(late_s + 2, "climate_start", "r-0", issued_s=None)) == [
        ("accepted", None),
        ("performed", None),
    ]
    assert len(car.commands) == sent + 1


def test_what_is_remembered_of_requests_has_a_bound_and_a_day() -> None:
    car = OwnedCar()
    car.take(request(1))
    (command,) = car.vehicle.remote.open
    remote = remember(car.vehicle.remote, command, at(2), *((f"u-{n}", "r") for n in range(MAX_REMEMBERED)))
    assert len(remote.remembered) == MAX_REMEMBERED
    other = replace(command, command_id="another")
    remote = remember(remote, other, at(86_500), ("kim", "r"))
    assert [one.command_id for one in remote.remembered] == ["another"]
