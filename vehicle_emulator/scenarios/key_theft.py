"""A thief has the key, not the card: nothing is broken, the armed car is driven away."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

KEY_THEFT = Scenario(
    name="key_theft",
    played="A car parked for the night is unlocked with its stolen key and driven away; no Driver Card.",
    label=Label(
        must=(
            Expected("ignition_on_armed", within_s=12),
            Expected("driver_card_missing", within_s=8, after_s=4),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.take_key, "Somebody unlocks the car with its key and switches on."),
        Beat(4, deeds.take_the_road(6_000, 60), "The car is driven away."),
        Beat(64, life.stand, "It is left at the side of a road."),
        Beat(67, life.switch_off),
    ),
    parked_for_s=deeds.NIGHT_S,
)
