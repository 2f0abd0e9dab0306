"""The card lies at home: to the car it is a theft by key, and the SOC's call clears it."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

FORGOTTEN_CARD = Scenario(
    name="forgotten_card",
    played="An owner drives off with the key, the Driver Card still at home; turns round and fetches it.",
    label=Label(
        must=(
            Expected("ignition_on_armed", within_s=12),
            Expected("driver_card_missing", within_s=8, after_s=4),
        ),
        # With the card in the car nothing is raised again.
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.take_key, "The owner unlocks with the key and switches on."),
        Beat(4, deeds.take_the_road(6_000, 40), "The owner drives off; the card is at home."),
        Beat(64, life.stand, "The SOC has called: the owner is back at the door."),
        Beat(67, life.switch_off),
        Beat(100, deeds.get_in, "The owner gets in with the card."),
        Beat(112, deeds.take_the_road(6_000, 40), "The car takes the road again."),
        Beat(160, deeds.get_out, "The car is parked at work."),
        Beat(260, deeds.nothing),
    ),
    parked_for_s=deeds.NIGHT_S,
)
