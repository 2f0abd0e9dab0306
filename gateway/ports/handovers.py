"""What one shift leaves to the next."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from gateway.domain.cases import CaseState
from gateway.ports.decision import AuditEntry


class CaseThen(Struct, frozen=True):
    """An open case as it stood when the note was written."""

    case_id: str
    vin: str
    state: CaseState
    causes: tuple[str, ...]
    critical: bool
    claimed_by: str | None
    escalated: int


class Standing(Struct, frozen=True):
    """How the desk stood when the note was written; of a long list its beginning, and that there is more."""

    cases: tuple[CaseThen, ...] = ()
    more_cases: bool = False
    parked: dict[str, int] = {}
    """Deliveries that were parked, by sink; 1,000 of them are counted at most."""
    unprotected: tuple[str, ...] = ()
    """Cars that a critical reason left unprotected."""
    more_unprotected: bool = False


class Handover(Struct, frozen=True):
    """A note. ``cases`` are those that it is about."""

    soc: str
    at: datetime
    author: str
    text: str
    cases: tuple[str, ...]
    standing: Standing


class Reading(Struct, frozen=True):
    """Who has acknowledged a note, and when."""

    person: str
    at: datetime


class StoredHandover(Struct, frozen=True):
    """A note with its place in the list and everybody who has acknowledged it."""

    n: int
    handover: Handover
    reads: tuple[Reading, ...]


class HandoverFilter(Struct, frozen=True):
    """Filters of ``GET /handovers``; None: any."""

    soc: str
    since: datetime | None = None
    unread_by: str | None = None
    read_is_enough_before: datetime | None = None
    """Unread: a note that is older than this and that anybody has read waits for nobody else."""


class HandoverStore(Protocol):
    """The part of the store that holds notes. StoreError as for all of it."""

    async def add_handover(self, handover: Handover, entry: AuditEntry) -> int:
        """Keep a note; returns its number, which becomes the subject of the entry."""
        ...

    async def handover(self, n: int) -> StoredHandover | None:
        """One note."""
        ...

    async def handovers(self, where: HandoverFilter, after: int, limit: int) -> list[StoredHandover]:
        """Notes in the order in which they were written."""
        ...

    async def read_handover(self, n: int, entry: AuditEntry) -> None:
        """The actor of the entry has read a note; the first time counts, and is audited."""
        ...
