"""A car in a workshop: what a mechanic does to it looks like a theft, and is recorded instead of alarmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import body, deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, ModeWish, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle


def _open_bonnet(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.HOOD_OPEN, value=True)
    vehicle.trigger(at_ms, "intrusion", zone="hood")
    vehicle.tell_changes(at_ms)


def _shut_bonnet(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.HOOD_OPEN, value=False)
    vehicle.restore(at_ms, "intrusion", zone="hood")
    vehicle.tell_changes(at_ms)


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
        Beat(
            6,
            deeds.trigger("battery_disconnect", detail="on the tracker's own cell"),
            "The battery is taken off.",
        ),
        Beat(8, deeds.fall_silent),
        Beat(24, deeds.wake, "A new battery is in: the car boots again."),
        Beat(28, _shut_bonnet, "The bonnet is shut."),
        Beat(32, life.ignite, "The ignition goes on; the Driver Card lies in the office."),
        # From the gate to the lift.
        Beat(36, deeds.take_the_road(50, 8), "The car rolls over the yard at a walking pace."),
        Beat(70, deeds.nothing, "It stands on the lift, switched off."),
    ),
    parked_for_s=deeds.NIGHT_S,
    mode=ModeWish("workshop", "Service and a new battery"),
)
