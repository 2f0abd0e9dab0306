"""The network fails for everybody, and everybody comes back within a minute, with all that waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicle_emulator import deeds
from vehicle_emulator.causes import THEFTS
from vehicle_emulator.scenario import Beat, FleetWide, Label, Scenario

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

_DOWN_S = 600.0
_BACK_WITHIN_MS = 60_000


def _come_back(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.plan(at_ms + vehicle.radio_dice.below(_BACK_WITHIN_MS), deeds.be_heard)


NETWORK_OUTAGE = FleetWide(
    scenario=Scenario(
        name="network_outage",
        played="The mobile network is down for ten minutes; the whole fleet reconnects within 60 s.",
        # That a car which was driven is not heard may be noted; no silence of a network is a theft.
        label=Label(never=THEFTS),
        beats=(
            Beat(0, deeds.fall_silent, "The mobile network is down."),
            Beat(_DOWN_S, _come_back, "The mobile network is back."),
            Beat(_DOWN_S + 120, deeds.nothing),
        ),
    ),
    lasts_s=_DOWN_S,
)
