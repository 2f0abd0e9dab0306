"""What a decision changes in cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.cases import Case


class CaseRow(Struct, frozen=True):
    """A case as it is now. Any other open case of its vehicle is over: there is one at most."""

    vin: str
    soc: str
    case: Case


class CaseEntryRow(Struct, frozen=True):
    """One line of a case's timeline; ``details`` never hold a position."""

    case_id: str
    at: datetime
    actor: str
    what: str
    details: dict[str, Any]
    alarm_id: str | None = None


class EscalationRow(Struct, frozen=True):
    """An alarm that the standby sinks of its SOC get at once, whatever the primaries do."""

    soc: str
    alarm_id: str


class Waiting(Struct, frozen=True):
    """An act that waits for a second person until ``until``."""

    approval_id: str
    vin: str
    case_id: str | None
    """The open case of its vehicle."""
    what: str
    asked_by: str
    asked_at: datetime
    until: datetime


class WaitingRow(Struct, frozen=True):
    """Everything of one vehicle that waits for a second person now."""

    vin: str
    soc: str
    waiting: tuple[Waiting, ...]
