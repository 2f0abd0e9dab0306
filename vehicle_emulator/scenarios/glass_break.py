"""A window is broken; the siren sounds for 20 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator.scenario import Beat, Expected, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle


def _break_in(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "intrusion", zone="glass")
    vehicle.trigger(at_ms, "car_alarm")


def _siren_ends(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.restore(at_ms, "car_alarm", active_for_s=20)


def _sensor_rests(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.restore(at_ms, "intrusion", zone="glass")


GLASS_BREAK = Scenario(
    name="glass_break",
    played="A window of a parked car is broken; the siren sounds for 20 s.",
    label=Label(
        must=(Expected("intrusion", within_s=3), Expected("car_alarm", within_s=18)),
        never=("driver_card_missing", "unauthorised_movement", "tamper"),
    ),
    beats=(
        Beat(0, _break_in, "A window of a parked car is broken; the siren sounds."),
        Beat(20, _siren_ends, "The siren ends."),
        Beat(22, _sensor_rests),
    ),
)
