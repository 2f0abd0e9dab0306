"""The 12 V battery of a parked car runs down slowly: weak, then no radio. Nobody has cut anything."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

FLAT_BATTERY = Scenario(
    name="flat_battery",
    played="A parked car's 12 V battery sinks to 11 V: it says so, falls silent, and is charged again.",
    label=Label(must=(Expected("battery_low", within_s=3, after_s=20),), never=(ANY,)),
    beats=(
        Beat(0, deeds.sink_to(11.9)),
        Beat(10, deeds.sink_to(11.4)),
        Beat(
            20,
            deeds.together(deeds.sink_to(11.0), deeds.trigger("battery_low", detail="11.0 V")),
            "The battery is weak.",
        ),
        Beat(30, deeds.fall_silent, "The unit saves what is left: no radio."),
        Beat(330, deeds.be_heard, "A charger is connected."),
        Beat(331, deeds.together(deeds.sink_to(13.2), deeds.restore("battery_low"))),
    ),
    parked_for_s=deeds.NIGHT_S,
)
