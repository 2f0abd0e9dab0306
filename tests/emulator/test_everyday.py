"""Everyday life: what every car of a fleet keeps to, on any day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from math import cos, hypot, radians
from typing import Any, NamedTuple

import msgspec
import pytest

from gateway import wire
from gateway.wire import telemetry
from gateway.wire.event import Unwanted
from tests.emulator.lives import HOUR_MS
from vehicle_emulator import body, messages, models
from vehicle_emulator.day import DAY_MS, Day, Sent, cars
from vehicle_emulator.vehicle import Vehicle

# A Friday at midnight in the middle of Europe: a working day, then a weekend.
FRIDAY_MS = 1_795_129_200_000
CARS = 16
DAYS = 3


class Known(NamedTuple):
    """What a receiver knows of a car after a message, by the car's own clock."""

    sent_ms: int
    stated_ms: float
    signals: dict[str, Any]


class Car(NamedTuple):
    """A car, all that it said, and its telemetry in the order in which it was written."""

    vehicle: Vehicle
    said: list[Sent]
    told: list[Known]

    def bodies(self, kind: str) -> list[tuple[int, dict[str, Any]]]:
        return [
            (one.at_ms, msgspec.json.decode(one.payload)) for one in self.said if one.message.kind == kind
        ]


def listen(vehicle: Vehicle, said: list[Sent]) -> Car:
    own = [one for one in said if one.vin == vehicle.vin]
    car = Car(vehicle, own, [])
    signals: dict[str, Any] = {}
    for sent_ms, told in sorted(car.bodies(messages.TELEMETRY), key=lambda told: told[1]["seq"]):
        signals = signals | told["signals"]
        stated_ms = datetime.fromisoformat(told["occurred_at"]).timestamp() * 1_000
        car.told.append(Known(sent_ms, stated_ms, signals))
    return car


@pytest.fixture(scope="module")
def fleet() -> list[Car]:
    vehicles = cars(11, CARS)
    day = Day(vehicles, start_ms=FRIDAY_MS)
    said = list(day.until(FRIDAY_MS + DAYS * DAY_MS))
    return [listen(one, said) for one in vehicles]


def moves(fleet: list[Car]) -> Iterator[Known]:
    yield from (known for car in fleet for known in car.told if known.signals.get(body.SPEED))


def test_all_kinds_of_cars_live_all_kinds_of_days(fleet: list[Car]) -> None:
    assert {car.vehicle.model.name for car in fleet} == {one.name for one in models.built_in()}
    driven_m = [car.told[-1].signals[body.ODOMETER] - car.told[0].signals[body.ODOMETER] for car in fleet]
    assert sum(each > 1_000 for each in driven_m) > CARS * 0.8


def test_a_car_moves_switched_on_in_gear_with_everything_shut_and_no_cable(fleet: list[Car]) -> None:
    assert sum(1 for _ in moves(fleet)) > 10_000
    for known in moves(fleet):
        signals = known.signals
        assert (signals[body.IGNITION], signals[body.GEAR], signals[body.BRAKE]) == ("ON", 127, False)
        assert not any(signals.get(door) for door in (*body.DOORS_OPEN, body.TRUNK_OPEN, body.HOOD_OPEN))
        assert not signals.get(body.IS_PLUGGED)
        assert signals[body.IS_MOVING] is True


def test_a_door_opens_only_unlocked_and_standing(fleet: list[Car]) -> None:
    opened = 0
    for car in fleet:
        for before, after in pairwise(car.told):
            for door, lock in zip(body.DOORS_OPEN, body.LOCKS, strict=True):
                if after.signals.get(door) and not before.signals.get(door):
                    opened += 1
                    assert after.signals[lock] is False
                    assert after.signals[body.SPEED] == 0.0
    assert opened > 100


def test_the_odometer_is_the_integral_of_the_speed(fleet: list[Car]) -> None:
    for car in fleet:
        told = car.told
        felt_m = sum(
            (before.signals[body.SPEED] + after.signals[body.SPEED])
            / 7.2
            * min(after.stated_ms - before.stated_ms, 30_000)
            / 1_000
            for before, after in pairwise(told)
            if before.signals[body.SPEED] or after.signals[body.SPEED]
        )
        driven_m = told[-1].signals[body.ODOMETER] - told[0].signals[body.ODOMETER]
        assert felt_m == pytest.approx(driven_m, rel=0.08, abs=500)
        assert all(a.signals[body.ODOMETER] <= b.signals[body.ODOMETER] for a, b in pairwise(told))


def test_no_car_is_ever_somewhere_else_at_once(fleet: list[Car]) -> None:
    for car in fleet:
        for before, after in pairwise(car.told):
            north_m = (after.signals[body.LATITUDE] - before.signals[body.LATITUDE]) * 111_320
            widening = cos(radians(after.signals[body.LATITUDE]))
            east_m = (after.signals[body.LONGITUDE] - before.signals[body.LONGITUDE]) * 111_320 * widening
            driven_m = after.signals[body.ODOMETER] - before.signals[body.ODOMETER]
            assert hypot(north_m, east_m) <= driven_m * 1.05 + 180


def test_a_cars_own_clock_never_runs_backwards(fleet: list[Car]) -> None:
    for car in fleet:
        told = car.told
        assert all(before.stated_ms <= after.stated_ms for before, after in pairwise(told))
        assert all(each.stated_ms - each.sent_ms < 20_000 for each in told)
        events = [body for kind in messages.EVENT_KINDS for _, body in car.bodies(kind)]
        events.sort(key=lambda event: event["seq"])
        assert all(before["occurred_at"] <= after["occurred_at"] for before, after in pairwise(events))
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_what_drives_it_runs_down_and_is_filled_up_only_standing(fleet: list[Car]) -> None:
    rises: Counter[str] = Counter()
    for car in fleet:
        for before, after in pairwise(car.told):
            assert 11.5 <= after.signals[body.VOLTAGE] <= 14.6
            assert 0 <= after.signals[body.RANGE] <= 1_500_000
            for name in (body.FUEL, body.CHARGE) if car.vehicle.model.name != "hybrid" else (body.FUEL,):
                level, was = after.signals.get(name), before.signals.get(name)
                if level is None or was is None:
                    continue
                assert 0 < level <= 100
                if level > was:
                    rises[name] += 1
                    assert after.signals[body.SPEED] == 0.0
    assert rises[body.FUEL] >= 1
    assert rises[body.CHARGE] > 20


def test_a_charging_car_is_plugged_in_and_says_when_it_stops(fleet: list[Car]) -> None:
    changes = [event for car in fleet for _, event in car.bodies(messages.CHARGING)]
    assert any(event["charging"] for event in changes)
    assert all(event["connected"] or not event["charging"] for event in changes)
    for car in fleet:
        for known in car.told:
            assert known.signals.get(body.IS_PLUGGED) or not known.signals.get(body.IS_CHARGING)


def test_a_sleeping_car_publishes_at_the_sleep_interval_and_a_driving_one_at_its_own(
    fleet: list[Car],
) -> None:
    asleep: Counter[int] = Counter()
    driving: Counter[int] = Counter()
    for car in fleet:
        off_ms = float("inf")
        for before, after in pairwise(car.told):
            is_off = before.signals[body.IGNITION] == "OFF"
            off_ms = min(off_ms, before.stated_ms) if is_off else float("inf")
            gap_s = round((after.stated_ms - before.stated_ms) / 1_000)
            if before.signals[body.SPEED] and after.signals[body.SPEED]:
                driving[gap_s] += 1
            elif before.stated_ms - off_ms > HOUR_MS and not before.signals.get(body.IS_CHARGING):
                asleep[gap_s] += after.signals[body.IGNITION] == "OFF"
    assert set(driving) <= {0, 5}  # 0: a burst behind a hole
    assert driving[5] > 0.99 * driving.total()
    assert asleep[600] > 0.9 * asleep.total() > 1_000
    assert max(asleep) == 600


def test_a_card_that_drops_out_on_the_road_is_back_before_it_counts_as_missing(fleet: list[Car]) -> None:
    flaps = 0
    for car in fleet:
        switched = sorted(
            [(at_ms, "card", told["present"]) for at_ms, told in car.bodies(messages.DRIVER_CARD)]
            + [(known.sent_ms, "moving", known.signals[body.IS_MOVING]) for known in car.told]
        )
        gone_ms, is_present = 0, False
        for at_ms, what, value in switched:
            if what == "card":
                flaps += is_present and not value
                gone_ms = gone_ms if is_present == value else at_ms
                is_present = value
            elif value and not is_present:
                assert at_ms - gone_ms < 12_000
    assert flaps > CARS


def test_holes_on_the_road_are_bridged_and_what_was_said_in_them_comes_late(fleet: list[Car]) -> None:
    late = [each for car in fleet for each in car.told if each.sent_ms - each.stated_ms > 25_000]
    assert len(late) > 5
    assert any(each.signals[body.SPEED] for each in late)


def test_what_is_said_in_a_garage_comes_later_in_its_order_behind_a_birth() -> None:
    vehicles = cars(11, 6)
    for car in vehicles:
        car.places.garages = (car.places.home, car.places.work)
    said = list(Day(vehicles, start_ms=FRIDAY_MS).until(FRIDAY_MS + DAY_MS))
    bursts = 0
    for heard in (listen(one, said) for one in vehicles):
        late = Counter(each.sent_ms for each in heard.told if each.sent_ms - each.stated_ms > 25_000)
        bursts += sum(count > 20 for count in late.values())
        has_card, is_on = False, False
        for one in heard.said:
            told = msgspec.json.decode(one.payload)
            if one.message.kind == messages.DRIVER_CARD:
                has_card = told["present"]
            elif one.message.kind == messages.TELEMETRY:
                is_on = told["signals"].get(body.IGNITION, "ON" if is_on else "OFF") == "ON"
            assert has_card or not is_on
    assert bursts >= 2
    assert sum(one.payload == messages.WILL for one in said) >= bursts


def test_bearers_change_under_way(fleet: list[Car]) -> None:
    said = [told for car in fleet for _, told in car.bodies(messages.CONNECTION) if told["online"]]
    assert {told["bearer"] for told in said} == {"LTE", "3G", "E"}
    births = {car.said[0].message.kind for car in fleet}
    assert births == {messages.CONNECTION}


def test_the_bundle_is_used_up_by_driving(fleet: list[Car]) -> None:
    for car in fleet:
        stated = [told for _, told in car.bodies(messages.DATA_BUNDLE)]
        for before, after in pairwise(stated):
            same = before["bundle_id"] == after["bundle_id"]
            assert not same or before["used_mb"] <= after["used_mb"] <= after["total_mb"]
    assert any(told["used_mb"] > 300 for car in fleet for _, told in car.bodies(messages.DATA_BUNDLE))


def test_the_gateway_reads_it_all(fleet: list[Car]) -> None:
    for car in fleet:
        for one in car.said:
            received_at = datetime.fromisoformat("2026-12-24T00:00:00Z")
            if one.message.kind == messages.TELEMETRY:
                telemetry.decode(one.payload, received_at)
            else:
                assert not isinstance(wire.decode(one.message.kind, one.payload, received_at), Unwanted)


def test_a_fleet_that_begins_at_noon_is_not_all_at_home() -> None:
    vehicles = cars(11, CARS)
    list(Day(vehicles, start_ms=FRIDAY_MS + 12 * HOUR_MS).until(FRIDAY_MS + 12 * HOUR_MS + 1))
    assert 2 < sum(car.at != car.home for car in vehicles) < CARS - 2
