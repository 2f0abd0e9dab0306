"""A fleet's day on virtual time."""

from __future__ import annotations

import itertools
from collections import defaultdict

import msgspec
import pytest

from tests.emulator.lives import HOUR_MS, START_MS
from vehicle_emulator import messages
from vehicle_emulator.day import Day, Sent, cars, sent
from vehicle_emulator.scenarios.battery_cut import BATTERY_CUT
from vehicle_emulator.vehicle import Vehicle


def by_vin(said: list[Sent]) -> dict[str, list[Sent]]:
    found = defaultdict(list)
    for one in said:
        found[one.vin].append(one)
    return found


def online(said: list[Sent]) -> list[bool]:
    return [msgspec.json.decode(one.payload)["online"] for one in said if one.is_retained]


def test_messages_come_in_order_and_the_first_of_each_car_is_its_birth() -> None:
    said = list(sent(1, 10, START_MS, 0.25))
    assert all(earlier.at_ms <= later.at_ms for earlier, later in itertools.pairwise(said))
    assert len(by_vin(said)) == 10
    for ones in by_vin(said).values():
        assert online(ones)[0] is True
        assert ones[0].topic == f"v1/vehicles/{ones[0].vin}/connection"


def test_the_numbers_of_a_car_s_telemetry_only_grow() -> None:
    for ones in by_vin(list(sent(1, 30, START_MS))).values():
        told = [msgspec.json.decode(one.payload) for one in ones if one.message.kind == messages.TELEMETRY]
        numbers = [one["seq"] for one in told]
        assert all(earlier < later for earlier, later in itertools.pairwise(numbers))


def test_a_day_in_pieces_says_the_same() -> None:
    pieces = Day(cars(2, 5), start_ms=START_MS)
    said = [one for hour in range(1, 7) for one in pieces.until(START_MS + hour * HOUR_MS)]
    assert said == list(sent(2, 5, START_MS, 0.25))


@pytest.mark.parametrize("planned_later", [False, True])
def test_a_car_off_the_air_keeps_its_events_and_its_will_speaks(*, planned_later: bool) -> None:
    (car,) = cars(1, 1, driving_share=0.0)
    day = Day([car], start_ms=START_MS)
    said = list(day.until(START_MS + 1_000)) if planned_later else []
    BATTERY_CUT.stage(car, START_MS + 5_000)
    day.wake(car.vin)
    car.plan(START_MS + 20_000, Vehicle.state_card)
    car.plan(START_MS + 20_000, Vehicle.tell_changes)
    said += day.until(START_MS + 120_000)
    assert online(said) == [True, False, True]
    (will,) = (index for index, one in enumerate(said) if one.payload == messages.WILL)
    back, kept, everything = said[will + 1 : will + 4]
    assert (back.at_ms, kept.message.kind) == (everything.at_ms, messages.DRIVER_CARD)
    assert b"T11:07:00" in kept.payload
    assert day.telemetry_lost == 1
