"""The broker restarts: every connection is gone at once, and dials again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, FleetWide, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

_BACK_WITHIN_MS = 8_000


def _dial_again(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.plan(at_ms + vehicle.radio_dice.below(_BACK_WITHIN_MS), deeds.be_heard)


BROKER_RESTART = FleetWide(
    scenario=Scenario(
        name="broker_restart",
        played="The broker restarts: all connections are gone for 2 s, and are dialled again within 10 s.",
        label=Label(never=(ANY,)),
        beats=(
            Beat(0, deeds.fall_silent, "The broker restarts."),
            Beat(2, _dial_again, "It is back: the fleet dials again."),
            Beat(90, deeds.nothing),
        ),
    ),
    strikes="broker",
)
