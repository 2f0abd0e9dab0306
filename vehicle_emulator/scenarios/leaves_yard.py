"""A car in workshop mode is taken out of the yard: the mode covers the yard and nothing beyond."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, ModeWish, Scenario

LEAVES_YARD = Scenario(
    name="leaves_yard",
    played="Workshop mode: a thief takes the key from the board and drives the car out of the yard.",
    label=Label(
        must=(
            Expected("ignition_on_armed", within_s=12, held_back=True),
            Expected("driver_card_missing", within_s=8, after_s=4, held_back=True),
            # 300 m of yard take 20 s at the least, then two positions outside; the mode's end tells the rest.
            Expected("left_workshop", within_s=45, after_s=20),
            Expected("ignition_on_armed", within_s=45, after_s=20),
            Expected("driver_card_missing", within_s=45, after_s=20),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.take_key, "Somebody takes the key from the workshop's board; no Driver Card."),
        Beat(4, deeds.take_the_road(6_000, 50), "The car drives off towards the gate."),
        Beat(24, deeds.nothing, "It passes the gate and does not stop."),
        Beat(70, life.stand, "It is parked two streets away."),
        Beat(73, life.switch_off),
    ),
    parked_for_s=deeds.NIGHT_S,
    mode=ModeWish("workshop", "Brakes"),
)
