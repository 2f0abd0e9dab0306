"""Wheels are taken: the car is jacked up, slowly, and set down on bricks."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

WHEEL_THEFT = Scenario(
    name="wheel_theft",
    played="A parked car is jacked up corner by corner, its wheels are taken; the sensor triggers twice.",
    label=Label(must=(Expected("tilt", within_s=3),), never=(ANY,)),
    beats=(
        Beat(0, deeds.trigger("tilt", detail="left side up by 3 degrees"), "A jack lifts the left side."),
        Beat(40, deeds.trigger("tilt", detail="right side up by 3 degrees"), "Then the right side."),
        Beat(75, deeds.restore("tilt"), "The car stands on bricks."),
    ),
    parked_for_s=deeds.NIGHT_S,
)
