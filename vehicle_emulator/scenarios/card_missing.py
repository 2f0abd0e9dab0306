"""The driver is forced out: the car drives on, its Driver Card stays behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import journey, life
from vehicle_emulator.scenario import Beat, Expected, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

# One straight road, long enough to stay in motion throughout: no turn, no traffic light, no arrival.
_ROAD_M = 6_000.0
_ROAD_MPS = 80 / journey.KMH_PER_MPS


def _get_in(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.put_card(at_ms, present=True)
    vehicle.plan(at_ms + 1_000, life.unlock)
    vehicle.plan(at_ms + 8_000, life.ignite)


def _take_the_road(vehicle: Vehicle, at_ms: int) -> None:
    heading_deg = float(vehicle.dice.below(360))
    life.take_way(vehicle, at_ms, (journey.Leg(heading_deg, _ROAD_M, _ROAD_MPS),))


def _lose_card(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.put_card(at_ms, present=False)


CARD_MISSING = Scenario(
    name="card_missing",
    played="A driver is forced out at 30 s: the Driver Card is gone, the car drives on for a minute.",
    label=Label(
        must=(Expected("driver_card_missing", within_s=18, after_s=30),),
        never=("ignition_on_armed", "unauthorised_movement", "towed", "tamper"),
    ),
    beats=(
        Beat(0, _get_in, "A driver with the Driver Card gets in."),
        Beat(12, _take_the_road, "The car takes the road."),
        Beat(30, _lose_card, "The driver is forced out: the Driver Card is gone, the car drives on."),
        Beat(90, life.stand, "The car stops."),
        Beat(93, life.switch_off),
    ),
)
