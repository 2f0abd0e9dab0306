"""The card's cell is weak: it drops out for seconds on the road, and comes back each time."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

CARD_BATTERY_DYING = Scenario(
    name="card_battery_dying",
    played="On the road the Driver Card says that its cell is low and drops out three times, up to 9 s.",
    label=Label(must=(Expected("driver_card_battery_low", within_s=3, after_s=30),), never=(ANY,)),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card gets in."),
        Beat(12, deeds.take_the_road(6_000, 50), "The car takes the road."),
        Beat(
            30,
            deeds.together(deeds.card_says("low", present=True), deeds.trigger("driver_card_battery_low")),
            "The card's cell is low.",
        ),
        Beat(40, deeds.card_says("low", present=False), "The card is not heard for 2 s."),
        Beat(42, deeds.card_says("low", present=True)),
        Beat(50, deeds.card_says("low", present=False), "For 6 s."),
        Beat(56, deeds.card_says("low", present=True)),
        Beat(65, deeds.card_says("low", present=False), "For 9 s."),
        Beat(74, deeds.card_says("low", present=True)),
        Beat(95, deeds.get_out, "The car is parked, the driver takes the card along."),
        Beat(106, deeds.nothing),
    ),
)
