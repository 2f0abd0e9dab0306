"""The battery is cut, the car falls silent, and wakes with a counter that starts again."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

BATTERY_CUT = Scenario(
    name="battery_cut",
    played="The battery is cut; 40 s of silence; the car wakes with a new boot id, then it is lifted.",
    label=Label(
        must=(Expected("battery_disconnect", within_s=3), Expected("tilt", within_s=3, after_s=50)),
        # The counter starts again, the boot id does not: nothing of this is a forged repeat.
        never=(ANY,),
    ),
    beats=(
        Beat(
            0, deeds.trigger("battery_disconnect", detail="on the tracker's own cell"), "The battery is cut."
        ),
        Beat(3, deeds.fall_silent, "The car falls silent."),
        Beat(43, deeds.wake, "The car wakes with a new boot id."),
        Beat(50, deeds.trigger("tilt"), "The car is lifted."),
    ),
)
