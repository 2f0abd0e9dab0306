"""What deciding on cases asks for, beside alarms and audit."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from gateway.domain.alarms import Alarm
from gateway.domain.cases import Case


class CaseChanged(Struct, frozen=True):
    """Keep the case as it is now."""

    case: Case


class CaseNoted(Struct, frozen=True):
    """
    Write an entry into the case's timeline, and who did what into the audit trail.

    Free text, names and references stand in ``private`` only: it is no part of the audit trail.
    """

    case_id: str
    actor: str
    what: str
    details: dict[str, Any] = {}
    private: dict[str, Any] = {}
    in_timeline: bool = True


class Escalated(Struct, frozen=True):
    """
    Nobody has acted on the alarm in time: give it to the standby sinks.

    ``tell``: say so in the feed as well, if that does not flood it.
    """

    alarm: Alarm
    level: int
    why: str
    tell: bool
