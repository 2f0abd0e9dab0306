"""The mobile-data bundle runs low, then out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator.scenario import ANY, Beat, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Act, Vehicle


def _used(percent: int) -> Act:
    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.bundle.used_mb = vehicle.bundle.total_mb * percent / 100
        vehicle.state_bundle(at_ms)

    return act


BUNDLE_RUNS_OUT = Scenario(
    name="bundle_runs_out",
    played="A data bundle passes 80 % (the main user is told: low), then 100 % (exhausted). No alarm.",
    label=Label(never=(ANY,)),
    beats=(Beat(0, _used(70)), Beat(5, _used(82)), Beat(10, _used(100)), Beat(15, _used(103))),
)
