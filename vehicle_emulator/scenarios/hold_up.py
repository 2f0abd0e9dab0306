"""A driver is robbed at a crossing and presses the button; the card is in the car all the time."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

HOLD_UP = Scenario(
    name="hold_up",
    played="On the road with the Driver Card a driver presses the hold-up button, and drives on.",
    label=Label(must=(Expected("hold_up", within_s=3, after_s=30),), never=(ANY,)),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card gets in."),
        Beat(12, deeds.take_the_road(6_000, 50), "The car takes the road."),
        Beat(30, deeds.trigger("hold_up"), "Somebody opens the door; the driver presses the button."),
        Beat(70, deeds.get_out, "The driver has got away, parks and walks off with the card."),
        Beat(81, deeds.nothing),
    ),
)
