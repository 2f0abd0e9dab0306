"""The battery is cut, the car falls silent, and wakes with a counter that starts again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator.scenario import Beat, Expected, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle


def _cut(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "battery_disconnect", detail="on the tracker's own cell")


def _fall_silent(vehicle: Vehicle, _at_ms: int) -> None:
    vehicle.is_on_air = False


def _wake(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.power_up(at_ms)
    vehicle.restore(at_ms, "battery_disconnect")


def _lift(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "tilt")


BATTERY_CUT = Scenario(
    name="battery_cut",
    played="The battery is cut; 40 s of silence; the car wakes with a new boot id, then it is lifted.",
    label=Label(
        must=(Expected("battery_disconnect", within_s=3), Expected("tilt", within_s=3, after_s=50)),
        # The counter starts again, the boot id does not: nothing of this is a forged repeat.
        never=("tamper", "comm_loss_after_tamper", "unauthorised_movement"),
    ),
    beats=(
        Beat(0, _cut, "The battery is cut."),
        Beat(3, _fall_silent, "The car falls silent."),
        Beat(43, _wake, "The car wakes with a new boot id."),
        Beat(50, _lift, "The car is lifted."),
    ),
)
