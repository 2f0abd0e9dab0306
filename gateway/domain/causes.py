"""
Alarm causes: class, severity and who can state them. One row a cause.

The reference page ``docs/reference/alarms.md`` is generated from this table.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

CauseClass = Literal["theft", "technical", "system"]
Severity = Literal["critical", "major", "minor"]


class Cause(Struct, frozen=True):
    """One thing that can be alarmed."""

    name: str
    cause_class: CauseClass
    severity: Severity
    stated_by_vehicle: bool
    """A ``theft-sensor`` message may name it; any other text becomes ``unknown``."""
    meaning: str
    """One sentence that an operator can read out."""

    @property
    def silent(self) -> bool:
        """A silent alarm tells nothing to the car or the owner."""
        return self.cause_class == "theft"


CAUSES = (
    Cause("driver_card_missing", "theft", "critical", False, "The car moves and no Driver Card is in it."),
    Cause(
        "unauthorised_movement", "theft", "critical", True, "The armed car is moved with its ignition off."
    ),
    Cause("towed", "theft", "critical", False, "The car was carried away from where it was parked."),
    Cause("tilt", "theft", "major", True, "The parked car is lifted or tilted."),
    Cause("car_alarm", "theft", "major", True, "The car's own siren has been active for 15 seconds or more."),
    Cause(
        "intrusion", "theft", "major", True, "A door, bonnet, boot, window or the interior sensor triggered."
    ),
    Cause(
        "ignition_on_armed", "theft", "major", True, "The ignition was switched on while the car was armed."
    ),
    Cause("tamper", "theft", "critical", True, "The security unit or its messages are being manipulated."),
    Cause("battery_disconnect", "theft", "major", True, "The car's battery was cut off."),
    Cause("jamming_gsm", "theft", "critical", True, "The car's mobile radio is being jammed."),
    Cause("jamming_gnss", "theft", "critical", True, "The car's positioning is being jammed."),
    Cause(
        "comm_loss_after_jamming",
        "theft",
        "critical",
        False,
        "The armed car was jammed and then fell silent.",
    ),
    Cause(
        "comm_loss_after_tamper",
        "theft",
        "critical",
        False,
        "The car fell silent after a tamper or a battery cut that a special mode held back.",
    ),
    Cause("manual_report", "theft", "critical", False, "The owner or the SOC reports the car as stolen."),
    Cause(
        "left_workshop",
        "theft",
        "critical",
        False,
        "The car left the place that its workshop mode was set for.",
    ),
    Cause(
        "wrong_security_code",
        "theft",
        "major",
        False,
        "The security code was answered wrongly five times within a day.",
    ),
    Cause("hold_up", "theft", "critical", True, "Someone in the car pressed the hold-up button."),
    Cause(
        "unreadable_event", "technical", "major", False, "A theft-sensor message arrived that can't be read."
    ),
    Cause("unknown", "technical", "major", False, "The car states a cause that this gateway does not know."),
    Cause("battery_low", "technical", "minor", True, "The car's battery is weak."),
    Cause("backup_battery_low", "technical", "minor", True, "The security unit's own battery is weak."),
    Cause("driver_card_battery_low", "technical", "minor", True, "The battery of a Driver Card is weak."),
    Cause("health_check_failed", "technical", "minor", True, "The security unit's self-test failed."),
    Cause(
        "supervision_lost", "technical", "minor", False, "The car has been silent for longer than expected."
    ),
    Cause(
        "mode_overdue",
        "technical",
        "minor",
        False,
        "A special mode of an operator runs longer than the main user's longest.",
    ),
    Cause("gateway_blind", "system", "critical", False, "The gateway itself can't hear, store or deliver."),
)

BY_NAME = {cause.name: cause for cause in CAUSES}
if len(BY_NAME) != len(CAUSES):
    msg = "a cause is listed twice"
    raise ValueError(msg)

STATED_BY_VEHICLE = frozenset(cause.name for cause in CAUSES if cause.stated_by_vehicle)
