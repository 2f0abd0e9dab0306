"""How grave an alarm is: class and severity of each cause, written by hand from contract 5.1. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

AlarmClass = Literal["theft", "technical", "system"]
Severity = Literal["critical", "major", "minor"]


class Grade(NamedTuple):
    """What an alarm's message must say of its cause."""

    alarm_class: AlarmClass
    severity: Severity


_CRITICAL: Final = Grade("theft", "critical")
_MAJOR: Final = Grade("theft", "major")
_NOTE: Final = Grade("technical", "minor")
_ODD: Final = Grade("technical", "major")
GRADES: Final[dict[str, Grade]] = {
    "driver_card_missing": _CRITICAL,
    "unauthorised_movement": _CRITICAL,
    "towed": _CRITICAL,
    "tilt": _MAJOR,
    "car_alarm": _MAJOR,
    "intrusion": _MAJOR,
    "ignition_on_armed": _MAJOR,
    "tamper": _CRITICAL,
    "battery_disconnect": _MAJOR,
    "jamming_gsm": _CRITICAL,
    "jamming_gnss": _CRITICAL,
    "comm_loss_after_jamming": _CRITICAL,
    "comm_loss_after_tamper": _CRITICAL,
    "hold_up": _CRITICAL,
    "manual_report": _CRITICAL,
    "left_workshop": _CRITICAL,
    "wrong_security_code": _MAJOR,
    "unreadable_event": _ODD,
    "unknown": _ODD,
    "battery_low": _NOTE,
    "backup_battery_low": _NOTE,
    "driver_card_battery_low": _NOTE,
    "health_check_failed": _NOTE,
    "supervision_lost": _NOTE,
    "mode_overdue": _NOTE,
    "gateway_blind": Grade("system", "critical"),
}
THEFTS: Final = tuple(cause for cause, grade in GRADES.items() if grade.alarm_class == "theft")
"""For labels that allow technical notes."""
