"""A car is sold: old and next owner agree, the car itself confirms; that night its window is broken."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Sale, Scenario

RESALE = Scenario(
    name="resale",
    played="A car is handed over in the middle of its day; its alarms go on: a window is broken afterwards.",
    label=Label(must=(Expected("intrusion", within_s=3, after_s=240),), never=(ANY,)),
    beats=(
        Beat(30, deeds.get_in, "The next owner sits down in the car with its Driver Card."),
        Beat(40, deeds.grant_remote_access, "The car confirms the hand-over."),
        Beat(60, deeds.take_the_road(6_000, 50), "The next owner drives home."),
        Beat(100, deeds.get_out, "And parks there."),
        Beat(240, deeds.trigger("intrusion", zone="glass"), "A window is broken."),
        Beat(250, deeds.restore("intrusion", zone="glass")),
    ),
    sale=Sale(),
)
