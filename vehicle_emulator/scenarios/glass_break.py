"""A window is broken; the siren sounds for 20 s."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

GLASS_BREAK = Scenario(
    name="glass_break",
    played="A window of a parked car is broken; the siren sounds for 20 s.",
    label=Label(
        must=(Expected("intrusion", within_s=3), Expected("car_alarm", within_s=18)),
        never=(ANY,),
    ),
    beats=(
        Beat(
            0,
            deeds.together(deeds.trigger("intrusion", zone="glass"), deeds.trigger("car_alarm")),
            "A window of a parked car is broken; the siren sounds.",
        ),
        Beat(20, deeds.restore("car_alarm", active_for_s=20), "The siren ends."),
        Beat(22, deeds.restore("intrusion", zone="glass")),
    ),
)
