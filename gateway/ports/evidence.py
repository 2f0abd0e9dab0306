"""What a case's evidence is made of, as the store gives it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from gateway.ports.case_files import CaseFile
from gateway.ports.decision import TrackRow

KEEP_TRACK = timedelta(days=30)
"""A track is erased so long after its case has ended."""


class StatedFact(Struct, frozen=True):
    """A fact that an alarm rests on, as it was journalled."""

    alarm_id: str
    n: int
    kind: str
    event_id: str | None
    received_at: datetime
    decided_at: datetime
    verdict: str | None
    body: dict[str, Any]


class LeftOut(Struct, frozen=True):
    """How many of a thing a file holds, and how many there are. ``alarm_id``: facts of that alarm."""

    what: Literal["entries", "alarms", "facts", "modes", "audit", "positions"]
    kept: int
    of: int | None
    """None: more than are kept, nobody knows how many."""
    alarm_id: str | None = None


class AuditScope(Struct, frozen=True):
    """Audit rows of a case: about these subjects, and about its vehicle meanwhile, up to row ``until``."""

    subjects: tuple[str, ...]
    vin: str
    closed_at: datetime | None
    until: int


class CaseEvidence(Struct, frozen=True):
    """Everything that is kept of a case but the audit trail."""

    file: CaseFile
    facts: tuple[StatedFact, ...]
    track: tuple[TrackRow, ...]
    left_at: datetime | None
    """When the case ended; None again once its track is erased."""
    left_out: tuple[LeftOut, ...] = ()
    """What there is more than stands here."""
