"""The mobile radio is jammed, and then nothing is heard: the car is being loaded."""

from __future__ import annotations

from vehicle_emulator import deeds
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Scenario

JAMMED_SILENT = Scenario(
    name="jammed_silent",
    played="An armed car states that its radio is jammed; 2 s later it falls silent for five minutes.",
    label=Label(
        must=(
            Expected("jamming_gsm", within_s=3),
            # 120 s of silence; the last word may be the broker's, that the car has gone.
            Expected("comm_loss_after_jamming", within_s=126, after_s=2),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.trigger("jamming_gsm"), "Somebody switches a jammer on."),
        Beat(2, deeds.fall_silent, "The car falls silent."),
        Beat(302, deeds.be_heard, "The jammer is off: the car is heard again."),
        Beat(303, deeds.restore("jamming_gsm")),
    ),
    parked_for_s=deeds.NIGHT_S,
)
