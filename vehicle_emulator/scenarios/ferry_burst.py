"""A ferry line at Friday noon: hundreds of cars begin to be carried within ten minutes."""

from __future__ import annotations

from msgspec.structs import replace

from vehicle_emulator.scenario import FleetWide
from vehicle_emulator.scenarios.ferry_crossing import FERRY_CROSSING

FERRY_BURST = FleetWide(
    scenario=replace(FERRY_CROSSING, name="ferry_burst"),
    share=0.3,
    within_s=600.0,
    parked=True,
)
