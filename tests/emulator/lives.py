"""Vehicles whose whole day passes in a moment."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from vehicle_emulator import life
from vehicle_emulator.fleet import vins
from vehicle_emulator.messages import Message
from vehicle_emulator.places import home_of
from vehicle_emulator.scenario import Scenario
from vehicle_emulator.vehicle import Vehicle

START_MS = 1_795_000_000_000
HOUR_MS = 3_600_000


class Said(NamedTuple):
    """A message with its moment, and its JSON."""

    at_ms: int
    kind: str
    body: dict[str, Any]
    payload: bytes


def vehicle(seed: int = 1, index: int = 0, driving_share: float = 0.5) -> Vehicle:
    vin = vins(seed, index + 1)[index]
    return Vehicle(vin, seed, home_of(seed, vin), driving_share=driving_share)


def live(alive: Vehicle, until_ms: int) -> list[Said]:
    """Everything said, step by step as a fleet does it."""
    said: list[Said] = []
    while (next_ms := alive.next_at_ms) is not None and next_ms <= until_ms:
        said.extend(read(message, at_ms) for message, at_ms in alive.step(next_ms))
    return said


def day(seed: int = 1, index: int = 0, hours: float = 3.0, driving_share: float = 0.5) -> list[Said]:
    alive = vehicle(seed, index, driving_share)
    alive.plan(START_MS, life.begin)
    return live(alive, START_MS + int(hours * HOUR_MS))


def play(scenario: Scenario, after_s: float = 0.0) -> tuple[Vehicle, list[Said]]:
    """A scenario on a parked vehicle, from boot until ``after_s`` past its end."""
    alive = vehicle(driving_share=0.0)
    alive.plan(START_MS, life.begin)
    scenario.stage(alive, START_MS + 5_000)
    return alive, live(alive, START_MS + 5_000 + int((scenario.length_s + after_s) * 1_000))


def read(message: Message, at_ms: int) -> Said:
    return Said(at_ms, message.kind, msgspec.json.decode(message.payload), message.payload)
