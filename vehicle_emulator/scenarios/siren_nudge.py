"""Somebody leans on the car: the siren gives up before it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator.scenario import Beat, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle


def _siren_starts(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.trigger(at_ms, "car_alarm")


def _siren_ends(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.restore(at_ms, "car_alarm", active_for_s=9)


SIREN_NUDGE = Scenario(
    name="siren_nudge",
    played="A passer-by leans on a parked car; its siren sounds for 9 s, below the 15 s that count.",
    label=Label(never=("any",)),
    # The last beat only keeps the scene open until a wrong timer would have fired.
    beats=(Beat(0, _siren_starts), Beat(9, _siren_ends), Beat(20, lambda _vehicle, _at_ms: None)),
)
