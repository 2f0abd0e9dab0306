"""Not every car that is moved with its ignition off is towed: that takes more than 500 m."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Label, Scenario

PARKING_ROBOT = Scenario(
    name="parking_robot",
    played="A car park's robot carries an armed car 350 m to another bay; ignition off, wheels still.",
    label=Label(never=(ANY,)),
    beats=(
        Beat(0, deeds.carried(350, 12), "A robot slides under the car and carries it away."),
        Beat(125, life.stand, "It sets the car down in another bay."),
        Beat(200, deeds.nothing),
    ),
    parked_for_s=deeds.NIGHT_S,
)
