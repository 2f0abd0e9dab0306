"""The words for why a car is not protected, and how bad each is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.domain.causes import Severity

Code = Literal[
    "jammed",
    "tampered",
    "power_cut",
    "unit_dead",
    "service_expired",
    "driver_card_deactivated",
    "offline",
    "silent",
    "no_service",
    "service_not_started",
    "no_contact",
    "never_heard",
    "special_mode",
    "not_certified",
    "remote_access_off",
]
RANK: dict[Severity, int] = {"critical": 1, "major": 2, "minor": 3}
SEVERITIES: dict[Code, Severity] = {
    "jammed": "critical",
    "tampered": "critical",
    "power_cut": "critical",
    "unit_dead": "critical",
    "service_expired": "major",
    "driver_card_deactivated": "major",
    "offline": "major",
    "silent": "major",
    "no_service": "major",
    "service_not_started": "major",
    "no_contact": "major",
    "never_heard": "major",
    "special_mode": "minor",
    "not_certified": "minor",
    "remote_access_off": "minor",
}


SENTENCES: dict[Code, str] = {
    "jammed": "It fell silent under jamming.",
    "tampered": "It fell silent after tampering.",
    "power_cut": "It fell silent after its battery was cut.",
    "unit_dead": "Its unit is silent for longer than a working one is.",
    "service_expired": "Its car security service has ended.",
    "driver_card_deactivated": "Driving without a Driver Card makes no alarm.",
    "offline": "It is offline, and nothing explains it.",
    "silent": "It has said nothing for longer than expected.",
    "no_service": "It has no car security service.",
    "service_not_started": "Its car security service has not begun.",
    "no_contact": "There is no phone number to call.",
    "never_heard": "Nothing has ever been heard of it.",
    "special_mode": "A special mode holds alarms back.",
    "not_certified": "Its installation is not certified.",
    "remote_access_off": "Remote access is switched off in the car.",
}


class Reason(Struct, frozen=True):
    """One reason; it holds from ``from_at`` (None: already) until ``until_at`` (None: further on)."""

    code: Code
    from_at: datetime | None = None
    until_at: datetime | None = None
    detail: str | None = None
