"""A wrong time server sets every clock of the fleet back by an hour, for half an hour."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, FleetWide, Label, Scenario

_HOUR_MS = 3_600_000
_WRONG_S = 1_800.0

CLOCK_CHANGE = FleetWide(
    scenario=Scenario(
        name="clock_change",
        played="Every vehicle's clock is set back by an hour, and half an hour later it is right again.",
        label=Label(never=(ANY,)),
        beats=(
            Beat(0, deeds.shift_clock(-_HOUR_MS), "A time server tells the fleet last hour's time."),
            Beat(_WRONG_S, deeds.shift_clock(_HOUR_MS), "The time server is right again."),
            Beat(_WRONG_S + 100, deeds.nothing),
        ),
    ),
    lasts_s=_WRONG_S,
)
