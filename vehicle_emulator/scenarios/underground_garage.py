"""A car drives into an underground garage, is parked there without coverage, and comes out again."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.causes import THEFTS
from vehicle_emulator.scenario import Beat, Label, Scenario

UNDERGROUND_GARAGE = Scenario(
    name="underground_garage",
    played="A car loses coverage on a ramp, stands below for ten minutes and is driven out by its owner.",
    # The gateway may note that it hears nothing of a car that was driven: that is no theft.
    label=Label(never=THEFTS),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card gets in."),
        Beat(12, deeds.take_the_road(6_000, 30), "The car takes the road."),
        Beat(40, deeds.fall_silent, "It goes down a ramp: no coverage."),
        Beat(55, deeds.get_out, "It is parked; the card leaves with the driver."),
        Beat(655, deeds.get_in, "The driver comes back."),
        Beat(668, deeds.take_the_road(6_000, 30)),
        Beat(680, deeds.be_heard, "Out of the garage: what was not heard comes late."),
        Beat(720, deeds.get_out, "It is parked in a street."),
        Beat(810, deeds.nothing),
    ),
)
