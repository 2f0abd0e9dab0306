"""An update is installed at night: the armed car's own sensors trigger while its computers restart."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

UPDATE_WHILE_ARMED = Scenario(
    name="update_while_armed",
    played="A parked, armed car installs an update; its interior sensor triggers, then a jammer is near.",
    label=Label(
        must=(
            Expected("intrusion", within_s=3, after_s=20, held_back=True),
            # An installation explains the siren and its sensors, and nothing else.
            Expected("jamming_gnss", within_s=3, after_s=40),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.install("downloaded"), "An update waits."),
        Beat(5, deeds.install("installing"), "It is being installed."),
        Beat(20, deeds.trigger("intrusion", zone="interior"), "The interior sensor restarts and triggers."),
        Beat(24, deeds.restore("intrusion", zone="interior")),
        Beat(40, deeds.trigger("jamming_gnss"), "A jammer passes by."),
        Beat(50, deeds.restore("jamming_gnss")),
        Beat(90, deeds.install("active"), "The update is active."),
    ),
    parked_for_s=deeds.NIGHT_S,
)
