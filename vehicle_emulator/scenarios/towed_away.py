"""A car parked for the night is winched onto a truck and carried away: no wheel turns, no key is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import body, journey, life
from vehicle_emulator.journey import Journey, Leg
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

_ROAD_M = 20_000.0
_TRUCK_MPS = 80 / journey.KMH_PER_MPS
_NIGHT_S = 6 * 3_600.0
# The tilt sensor has woken the tracker: it tells its position as often as a drive would.
_FIX_EVERY_MS = 5_000


def _lift(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "tilt", detail="nose up by 9 degrees")


def _set_off(vehicle: Vehicle, at_ms: int) -> None:
    heading_deg = float(vehicle.dice.below(360))
    vehicle.journey = Journey((Leg(heading_deg, _ROAD_M, _TRUCK_MPS),), vehicle.dice)
    vehicle.set_out_at = (vehicle.body.number(body.LATITUDE), vehicle.body.number(body.LONGITUDE))
    vehicle.moved_ms = at_ms
    vehicle.plan(at_ms + _FIX_EVERY_MS, _carry)


def _carry(vehicle: Vehicle, at_ms: int) -> None:
    """Only the receiver notices: the wheels stand, so speed and movement read as parked."""
    truck = vehicle.journey
    if truck is None:
        return
    truck.advance((at_ms - vehicle.moved_ms) / 1_000)
    vehicle.moved_ms = at_ms
    life.read_position(vehicle, truck)
    vehicle.tell_changes(at_ms, with_core=True)
    vehicle.plan(at_ms + _FIX_EVERY_MS, _carry)


TOWED_AWAY = Scenario(
    name="towed_away",
    played="A car parked and armed for six hours is winched onto a truck and carried off, ignition off.",
    label=Label(
        must=(Expected("tilt", within_s=3), Expected("towed", within_s=70, after_s=5)),
        never=(ANY,),
    ),
    beats=(
        Beat(0, _lift, "A winch lifts the nose of a car that has been parked for six hours."),
        Beat(5, _set_off, "The truck drives off with the car on it; ignition off, wheels still."),
        Beat(80, life.stand, "The truck stops."),
    ),
    parked_for_s=_NIGHT_S,
)
