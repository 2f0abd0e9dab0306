"""Numbers of the theft rules that an operator may configure (section ``[theft_protection]``)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(ge=1, le=366 * 86_400)]
Metres = Annotated[float, Meta(ge=1, le=1e7)]


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """Durations in seconds, distances in metres."""

    driver_card_grace_s: Seconds = 15
    arming_delay_s: Seconds = 70
    car_alarm_min_s: Seconds = 15
    comm_loss_after_jamming_s: Seconds = 120
    comm_loss_after_tamper_s: Seconds = 1800
    towed_distance_m: Metres = 500
