"""Bodies of requests and answers about alarms, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gateway.domain.alarms import AlarmState
from gateway.domain.causes import CauseClass, Severity
from gateway.domain.services.entitlements import CarSecurity

Disposition = Literal[
    "theft_confirmed",
    "attempt",
    "user_error_card",
    "user_error_mode",
    "workshop",
    "transport",
    "battery",
    "radio_fault",
    "test",
    "recovered",
    "duplicate",
    "unknown",
]
NoteText = Annotated[str, Meta(max_length=2000, description="Free text, kept with the alarm.")]


class AcknowledgeBody(Struct, frozen=True):
    """An operator has seen the alarm."""

    note: NoteText | None = None


class CloseBody(Struct, frozen=True):
    """An operator is done with the alarm, and says what it was."""

    disposition: Disposition
    note: NoteText | None = None


class SaidView(Struct, frozen=True):
    """A sentence as a code and its values, for readers of other languages."""

    code: str
    values: dict[str, str] = {}


class EvidenceView(Struct, frozen=True):
    """Why, as one or a few sentences; ``said`` is the same in parts, empty in what was stored before."""

    text: str
    event_id: str | None = None
    at: datetime | None = None
    said: list[SaidView] = []


class PositionView(Struct, frozen=True):
    """Last known position: degrees, metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None
    at: datetime


class StoredView(Struct, frozen=True, kw_only=True):
    """An alarm as its newest message says it: ``data`` of the feed."""

    sequence: int | None
    recorded: bool = True
    soc: str
    alarm_id: str
    case_id: str | None = None
    vin: str | None
    registered: bool = False
    service: CarSecurity = "none"
    cause: str
    cause_class: CauseClass = field(name="class")
    severity: Severity
    state: AlarmState
    silent: bool
    occurred_at: datetime
    received_at: datetime
    raised_at: datetime
    late: bool = False
    clock_suspect: bool = False
    count: int
    position: PositionView | None = None
    suppressed_by: str | None = None
    note: str | None = None
    acknowledged_by: str | None = None
    disposition: str | None = None
    evidence: list[EvidenceView] = []


class AlarmView(StoredView, frozen=True, kw_only=True):
    """An alarm with all its triggers and where it stands in its feed."""

    event_ids: list[str]
    first_sequence: int
    last_sequence: int


class AlarmPage(Struct, frozen=True):
    """Alarms in the order of their first sequence."""

    items: list[AlarmView]
    next_after: int | None
