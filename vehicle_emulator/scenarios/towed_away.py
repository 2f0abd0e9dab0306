"""A car parked for the night is winched onto a truck and carried away: no wheel turns, no key is used."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

TOWED_AWAY = Scenario(
    name="towed_away",
    played="A car parked and armed for six hours is winched onto a truck and carried off, ignition off.",
    label=Label(
        must=(Expected("tilt", within_s=3), Expected("towed", within_s=70, after_s=5)),
        never=(ANY,),
    ),
    beats=(
        Beat(
            0,
            deeds.trigger("tilt", detail="nose up by 9 degrees"),
            "A winch lifts the nose of a car that has been parked for six hours.",
        ),
        Beat(
            5,
            deeds.carried(20_000, 80),
            "The truck drives off with the car on it; ignition off, wheels still.",
        ),
        Beat(80, life.stand, "The truck stops."),
    ),
    parked_for_s=deeds.NIGHT_S,
)
