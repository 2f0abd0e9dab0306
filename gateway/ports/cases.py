"""Cases as the store keeps them and gives them back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.cases import Case, CaseState
from gateway.ports.stored import StoredAlarm


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


class CaseFilter(Struct, frozen=True):
    """Filters of ``GET /cases``; None: any."""

    state: CaseState | None = None
    soc: str | None = None
    vin: str | None = None
    claimed_by: str | None = None
    escalated: int | None = None
    """At least this level; 0: not escalated."""


class StoredCase(Struct, frozen=True):
    """A case with its place in the list."""

    n: int
    vin: str
    soc: str
    case: Case


class StoredEntry(Struct, frozen=True):
    """A line of a timeline with its place in it."""

    n: int
    entry: CaseEntryRow


class CaseFile(Struct, frozen=True):
    """A case with its newest alarms and one page of its timeline."""

    stored: StoredCase
    alarms: tuple[StoredAlarm, ...]
    entries: tuple[StoredEntry, ...]
