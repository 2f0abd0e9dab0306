"""Somebody leans on the car: the siren gives up before it counts."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Label, Scenario

SIREN_NUDGE = Scenario(
    name="siren_nudge",
    played="A passer-by leans on a parked car; its siren sounds for 9 s, below the 15 s that count.",
    label=Label(never=(ANY,)),
    beats=(
        Beat(0, deeds.trigger("car_alarm"), "A passer-by leans on the car; its siren sounds."),
        Beat(9, deeds.restore("car_alarm", active_for_s=9), "The siren ends."),
        # Until a wrong timer would have fired.
        Beat(20, deeds.nothing),
    ),
)
