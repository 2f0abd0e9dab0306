"""The sea tilts a car and a ferry carries it: transport mode covers both, and ends at the ramp."""

from __future__ import annotations

from vehicle_emulator import deeds, life
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, ModeWish, Scenario

FERRY_CROSSING = Scenario(
    name="ferry_crossing",
    played="Transport mode: swell, a crossing at 35 km/h with the ignition off; then the owner drives off.",
    label=Label(
        must=(
            Expected("tilt", within_s=3, held_back=True),
            # More than 500 m by the smoothed distance.
            Expected("towed", within_s=130, after_s=5, held_back=True),
        ),
        never=(ANY,),
    ),
    beats=(
        Beat(0, deeds.trigger("tilt", detail="swell"), "The ferry rolls at the quay."),
        Beat(5, deeds.carried(20_000, 35), "It casts off."),
        Beat(190, life.stand, "It has moored at the other side."),
        Beat(195, deeds.restore("tilt")),
        Beat(220, deeds.get_in, "The owner comes back with the Driver Card and switches on."),
        Beat(232, deeds.take_the_road(6_000, 30), "The car rolls down the ramp: transport mode ends."),
        Beat(290, deeds.get_out, "It is parked in the port; the card leaves with the owner."),
        Beat(301, deeds.nothing),
    ),
    parked_for_s=600.0,
    mode=ModeWish("transport", "Ferry"),
)
