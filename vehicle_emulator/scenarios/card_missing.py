"""The driver is forced out: the car drives on, its Driver Card stays behind."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

CARD_MISSING = Scenario(
    name="card_missing",
    played="A driver is forced out at 30 s: the Driver Card is gone, the car drives on for a minute.",
    label=Label(
        must=(Expected("driver_card_missing", within_s=18, after_s=30),),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card gets in."),
        Beat(12, deeds.take_the_road(6_000, 80), "The car takes the road."),
        Beat(30, deeds.lose_card, "The driver is forced out: the Driver Card is gone, the car drives on."),
        Beat(90, life.stand, "The car stops."),
        Beat(93, life.switch_off),
    ),
)
