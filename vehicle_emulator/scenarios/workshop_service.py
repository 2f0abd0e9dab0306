"""A car in a workshop: what a mechanic does to it looks like a theft, and is recorded instead of alarmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import body, journey, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, ModeWish, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

# From the gate to the lift, at a walking pace.
_YARD_M = 50.0
_YARD_MPS = 8 / journey.KMH_PER_MPS
_NIGHT_S = 6 * 3_600.0


def _open_bonnet(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.HOOD_OPEN, value=True)
    vehicle.trigger(at_ms, "intrusion", zone="hood")
    vehicle.tell_changes(at_ms)


def _shut_bonnet(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.HOOD_OPEN, value=False)
    vehicle.restore(at_ms, "intrusion", zone="hood")
    vehicle.tell_changes(at_ms)


def _cut_battery(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "battery_disconnect", detail="on the tracker's own cell")


def _fall_silent(vehicle: Vehicle, _at_ms: int) -> None:
    vehicle.is_on_air = False


def _wake(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.power_up(at_ms)
    vehicle.restore(at_ms, "battery_disconnect")


def _cross_the_yard(vehicle: Vehicle, at_ms: int) -> None:
    heading_deg = float(vehicle.dice.below(360))
    life.take_way(vehicle, at_ms, (journey.Leg(heading_deg, _YARD_M, _YARD_MPS),))


WORKSHOP_SERVICE = Scenario(
    name="workshop_service",
    played="Workshop mode: bonnet open, battery cut, a slow move over the yard without a Driver Card.",
    label=Label(
        must=(
            Expected("intrusion", within_s=3, held_back=True),
            Expected("battery_disconnect", within_s=3, after_s=6, held_back=True),
            # Armed by its own clock only, so the next fact proves it: that it moves.
            Expected("ignition_on_armed", within_s=12, after_s=32, held_back=True),
            Expected("driver_card_missing", within_s=8, after_s=36, held_back=True),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, _open_bonnet, "A mechanic opens the bonnet."),
        Beat(6, _cut_battery, "The battery is taken off."),
        Beat(8, _fall_silent),
        Beat(24, _wake, "A new battery is in: the car boots again."),
        Beat(28, _shut_bonnet, "The bonnet is shut."),
        Beat(32, life.ignite, "The ignition goes on; the Driver Card lies in the office."),
        Beat(36, _cross_the_yard, "The car rolls over the yard at a walking pace."),
        Beat(70, lambda _vehicle, _at_ms: None, "It stands on the lift, switched off."),
    ),
    parked_for_s=_NIGHT_S,
    mode=ModeWish("workshop", "Service and a new battery"),
)
