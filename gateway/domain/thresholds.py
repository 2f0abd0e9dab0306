"""Numbers of the rules that an operator may configure (``[theft_protection]``, ``[soc.escalation]``)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(ge=1, le=366 * 86_400)]
Metres = Annotated[float, Meta(ge=1, le=1e7)]


class TheftProtection(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[theft_protection]``: durations in seconds, distances in metres."""

    driver_card_grace_s: Seconds = 15
    arming_delay_s: Seconds = 70
    car_alarm_min_s: Seconds = 15
    comm_loss_after_jamming_s: Seconds = 120
    comm_loss_after_tamper_s: Seconds = 1800
    towed_distance_m: Metres = 500


class Escalation(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[soc.escalation]``: how long an alarm may wait for a person."""

    critical_s: Seconds = 30
    """A critical alarm that nobody has acknowledged."""
    other_s: Seconds = 90
    """Any other theft alarm, and a technical one that is major."""
    contact_s: Seconds = 300
    """A critical theft alarm that was acknowledged, and nobody called."""


class Thresholds(TheftProtection, frozen=True):
    """Everything that the fold needs of the configuration."""

    escalation: Escalation = Escalation()
