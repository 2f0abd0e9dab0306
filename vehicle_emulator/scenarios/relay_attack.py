"""The key's radio is relayed from the house: the car opens and starts, its Driver Card lies indoors."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

RELAY_ATTACK = Scenario(
    name="relay_attack",
    played="A driver comes home and walks away; two minutes later a relay opens and starts the car.",
    label=Label(
        must=(
            Expected("ignition_on_armed", within_s=8, after_s=182),
            Expected("driver_card_missing", within_s=8, after_s=186),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card drives home."),
        Beat(12, deeds.take_the_road(6_000, 40)),
        Beat(40, deeds.get_out, "The driver parks and walks in with key and card."),
        Beat(180, life.unlock, "A relay at the door opens the car."),
        Beat(182, life.ignite, "It starts; the Driver Card is in the house."),
        Beat(186, deeds.take_the_road(6_000, 60), "The car is driven away."),
        Beat(240, life.stand, "The car stops."),
        Beat(243, life.switch_off),
    ),
)
