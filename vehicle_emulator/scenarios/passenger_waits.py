"""Seventy seconds make a car armed: what somebody does in it before that is no theft."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Label, Scenario

PASSENGER_WAITS = Scenario(
    name="passenger_waits",
    played="A driver walks off with the card; 45 s later the passenger in the car switches the heating on.",
    label=Label(never=(ANY,)),
    beats=(
        Beat(0, deeds.get_in, "A driver with the Driver Card and a passenger get in."),
        Beat(12, deeds.take_the_road(6_000, 40), "They drive into town."),
        Beat(50, deeds.get_out, "The driver gets out; the card leaves, the passenger stays."),
        Beat(105, life.ignite, "The passenger is cold and switches on: the car is not armed yet."),
        Beat(125, life.switch_off, "It is warm."),
        Beat(180, deeds.get_in, "The driver is back before the car is armed."),
        Beat(192, deeds.take_the_road(6_000, 40)),
        Beat(220, deeds.get_out, "They are at home."),
        Beat(310, deeds.nothing),
    ),
)
