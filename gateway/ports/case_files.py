"""Cases as the store gives them back."""

from __future__ import annotations

from msgspec import Struct

from gateway.domain.cases import Case, CaseState
from gateway.ports.cases import CaseEntryRow
from gateway.ports.outbox import DeliveryRow
from gateway.ports.stored import StoredAlarm


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
    deliveries: tuple[DeliveryRow, ...] = ()
    """Where it is a message: its way to each configured sink."""


class CaseChanges(Struct, frozen=True):
    """
    Cases with something new in their timelines, each once and as it stands now, by its newest entry.

    ``after``: the newest entry that was looked at, of whatever SOC; ``whole``: there was no more.
    """

    after: int
    whole: bool
    cases: tuple[tuple[int, StoredCase], ...] = ()


class CaseFile(Struct, frozen=True):
    """A case with its newest alarms and one page of its timeline."""

    stored: StoredCase
    alarms: tuple[StoredAlarm, ...]
    entries: tuple[StoredEntry, ...]
