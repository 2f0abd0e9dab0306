"""What a case's evidence is made of, as the store gives it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from gateway.ports.case_files import CaseFile
from gateway.ports.decision import TrackRow

KEEP_TRACK = timedelta(days=30)
"""A track is erased so long after its case has ended."""


class StatedFact(Struct, frozen=True):
    """A fact that an alarm rests on, as it was journalled: ``body`` without positions."""

    alarm_id: str
    n: int
    kind: str
    event_id: str | None
    received_at: datetime
    decided_at: datetime
    verdict: str | None
    body: dict[str, Any]


class CaseEvidence(Struct, frozen=True):
    """Everything that is kept of a case but the audit trail."""

    file: CaseFile
    facts: tuple[StatedFact, ...]
    track: tuple[TrackRow, ...]
    left_at: datetime | None
    """When the case ended; None again once its track is erased."""
