"""
What each alarm cause is called in the alphabets of alarm receivers. One row a cause.

SIA codes are those of DC-03, Contact ID codes those of DC-05. A theft alarm is a burglary to a receiver (or a
tamper, a radio interference, a hold-up); the zone tells the causes apart where two share a code.
The reference page ``docs/reference/sia-dc09.md`` is generated from these tables.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

NEW: Final = 1
RESTORE: Final = 3
STILL_PRESENT: Final = 6


class Code(Struct, frozen=True):
    """How a cause is told."""

    cause: str
    event: str
    """SIA code of the alarm."""
    restore: str
    """SIA code of its end."""
    contact_id: int
    """Event code of Contact ID, the same for both."""
    zone: int
    """Number of the point that triggered, the same for every vehicle."""


CODES = (
    Code("driver_card_missing", "BA", "BR", 146, 1),
    Code("unauthorised_movement", "BA", "BR", 133, 2),
    Code("towed", "BA", "BR", 133, 3),
    Code("tilt", "BA", "BR", 131, 4),
    Code("car_alarm", "BA", "BR", 130, 5),
    Code("intrusion", "BA", "BR", 132, 6),
    Code("ignition_on_armed", "BA", "BR", 134, 7),
    Code("tamper", "TA", "TR", 137, 8),
    Code("battery_disconnect", "AT", "AR", 301, 9),
    Code("jamming_gsm", "XQ", "XH", 344, 10),
    Code("jamming_gnss", "XQ", "XH", 344, 11),
    # Silence after jamming or tampering is a theft in progress, so no receiver may file it as a line fault.
    Code("comm_loss_after_jamming", "BA", "BR", 147, 12),
    Code("comm_loss_after_tamper", "BA", "BR", 147, 13),
    Code("hold_up", "HA", "HR", 122, 14),
    Code("manual_report", "PA", "PR", 120, 15),
    Code("left_workshop", "BA", "BR", 133, 16),
    Code("wrong_security_code", "JA", "OC", 461, 17),
    Code("unreadable_event", "UA", "UR", 140, 18),
    Code("unknown", "UA", "UR", 140, 19),
    Code("battery_low", "YT", "YR", 302, 20),
    Code("backup_battery_low", "YT", "YR", 338, 21),
    Code("driver_card_battery_low", "XT", "XR", 384, 22),
    Code("health_check_failed", "YX", "YZ", 307, 23),
    Code("supervision_lost", "YC", "YK", 381, 24),
    Code("mode_overdue", "CI", "OC", 454, 25),
    Code("gateway_blind", "YS", "YK", 350, 26),
)

BY_CAUSE = {code.cause: code for code in CODES}
UNKNOWN = BY_CAUSE["unknown"]

HELD_BACK: Final = ("BB", "BU", 570)
"""A special mode holds a trigger back, and its end: bypass and unbypass."""
TEST: Final = ("RX", 601)
"""A test alarm, asked for by a person."""
STATUS: Final = "YY"
"""The alarm is still there and somebody has acknowledged it; Contact ID says this by its qualifier."""


class Spoken(Struct, frozen=True):
    """What a message is in both alphabets."""

    sia: str
    qualifier: int
    contact_id: int
    zone: int


def spoken(
    kind: str, cause: str, *, state: str = "open", note: str | None = None, test: bool = False
) -> Spoken:
    """
    Say a feed message (its ``type``, and ``data.cause``, ``.state``, ``.note``) in codes.

    A cause that has no row is told as ``unknown``: its name stands in the text.
    """
    code = BY_CAUSE.get(cause, UNKNOWN)
    if test:
        return Spoken(TEST[0], NEW, TEST[1], 0)
    if state == "suppressed":
        ended = note == "mode_ended" or kind == "alarm.closed"
        held, freed, contact_id = HELD_BACK
        return Spoken(freed if ended else held, RESTORE if ended else NEW, contact_id, code.zone)
    if kind == "alarm.closed":
        return Spoken(code.restore, RESTORE, code.contact_id, code.zone)
    if kind == "alarm.acknowledged":
        return Spoken(STATUS, STILL_PRESENT, code.contact_id, code.zone)
    return Spoken(code.event, NEW, code.contact_id, code.zone)
