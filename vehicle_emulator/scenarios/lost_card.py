"""The card is lost: deactivation covers driving without it, and nothing else."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, ModeWish, Scenario

LOST_CARD = Scenario(
    name="lost_card",
    played="Deactivation mode: the owner, whose card is lost, drives home with the key, a minute long.",
    label=Label(
        must=(
            Expected("driver_card_missing", within_s=8, after_s=4, held_back=True),
            # No card disarms the car, and the mode holds back the card's own cause only.
            Expected("ignition_on_armed", within_s=12),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.take_key, "The owner unlocks with the key and switches on."),
        Beat(4, deeds.take_the_road(6_000, 50), "The owner drives home without a card."),
        Beat(64, deeds.get_out, "The car is parked at home."),
        Beat(75, deeds.nothing),
    ),
    parked_for_s=deeds.NIGHT_S,
    mode=ModeWish("deactivation", "Card lost"),
)
