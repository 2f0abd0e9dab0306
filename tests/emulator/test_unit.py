"""What a vehicle says when it comes back on the air, and in which order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from tests.emulator.lives import START_MS, vehicle
from vehicle_emulator import body, messages
from vehicle_emulator.codec import Version
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import WINDOW, Listener
from vehicle_emulator.report import Tally
from vehicle_emulator.scenario import Scenario
from vehicle_emulator.scenarios.underground_garage import UNDERGROUND_GARAGE
from vehicle_emulator.unit import Depot, Unit


class Ether:
    """A radio that is up when it is told to, and writes down what is said."""

    def __init__(self) -> None:
        self.version, self.counts = Version.V5, Counter[str]()
        self.is_up = self.is_gone = False
        self.said: list[tuple[str, dict[str, Any]]] = []

    def link(self, listener: Listener) -> Ether:
        self.listener = listener
        return self

    @property
    def room(self) -> int:
        return WINDOW if self.is_up else 0

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.is_up:
            self.said.append((topic.split("/", 3)[-1], msgspec.json.decode(payload)))
        return self.is_up

    def publish_surely(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        return self.publish(topic, payload)

    def open(self) -> None:
        if not self.is_up:
            self.is_up = True
            self.listener.link_up()

    def cut(self) -> None:
        self.is_up = False

    close = keep_alive = cut


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_ms = float(START_MS)

    def now_ms(self) -> float:
        return self.at_ms


def receipt(unit: Unit, said: list[tuple[str, dict[str, Any]]]) -> None:
    """The gateway has all that was said."""
    ids = tuple(one["event_id"] for _, one in said if "event_id" in one)
    unit.link_message("v1/vehicles/x/receipt", msgspec.json.encode(messages.Receipt(ids)))


def play(played: Scenario) -> tuple[Unit, Ether, Hand]:
    """Everything until the car is heard again, each event receipted as it comes."""
    ether, clock = Ether(), Hand()
    depot = Depot(ether, clock, Tally(), lambda vin: (vin, None))  # type: ignore[arg-type]  # a clock is a clock
    unit = Unit(vehicle(driving_share=0.0), Dice(1), depot)
    unit.link.open()
    unit.vehicle.power_up(START_MS)
    played.stage(unit.vehicle, START_MS)
    while (next_ms := unit.vehicle.next_at_ms) is not None and next_ms < START_MS + 680_000:
        clock.at_ms = next_ms
        unit.step(next_ms)
        receipt(unit, ether.said)
    return unit, ether, clock


def told(said: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Cards and ignition in the order in which they were said."""
    found = []
    for kind, one in said:
        if kind == messages.DRIVER_CARD:
            found.append("card" if one["present"] else "no card")
        elif kind == messages.TELEMETRY and body.IGNITION in one["signals"]:
            found.append(one["signals"][body.IGNITION])
    return found


def test_what_a_garage_swallowed_is_told_in_the_order_in_which_it_happened() -> None:
    unit, ether, clock = play(UNDERGROUND_GARAGE)
    assert not ether.is_up
    before = len(ether.said)
    clock.at_ms = START_MS + 680_000
    unit.step(START_MS + 680_000)
    assert told(ether.said[before:]) == ["OFF", "no card", "card", "ON"]
    receipt(unit, ether.said)
    assert told(ether.said[before:])[-2:] == ["ON", "ON"]
    assert len(ether.said[-1][1]["signals"]) > len(body.CORE)


def test_telemetry_does_not_wait_for_a_receipt_for_ever() -> None:
    unit, ether, clock = play(UNDERGROUND_GARAGE)
    clock.at_ms = START_MS + 680_000
    unit.step(START_MS + 680_000)
    count = len(ether.said)
    clock.at_ms += 4_000
    unit.vehicle.tell_changes(int(clock.at_ms), with_core=True)
    unit.step(int(clock.at_ms))
    waiting = [kind for kind, _ in ether.said[count:]]
    clock.at_ms += 4_000
    unit.vehicle.tell_changes(int(clock.at_ms), with_core=True)
    unit.step(int(clock.at_ms))
    assert messages.TELEMETRY not in waiting
    assert ether.said[-1][0] == messages.TELEMETRY


@pytest.mark.parametrize("events", [0, 3])
def test_a_car_that_was_never_away_states_all_as_soon_as_what_waits_is_receipted(events: int) -> None:
    ether, clock = Ether(), Hand()
    depot = Depot(ether, clock, Tally(), lambda vin: (vin, None))  # type: ignore[arg-type]  # a clock is a clock
    unit = Unit(vehicle(driving_share=0.0), Dice(1), depot)
    for _ in range(events):
        unit.vehicle.trigger(START_MS, "tilt")
    for message, at_ms in unit.vehicle.take_told():
        unit.hand_over(message, at_ms)
    unit.link.open()
    assert (messages.TELEMETRY in [kind for kind, _ in ether.said]) == (events == 0)
    receipt(unit, ether.said)
    assert ether.said[-1][0] == messages.TELEMETRY
