"""Bodies of requests and answers about cases, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.api.alarm_bodies import AlarmView, Disposition
from gateway.domain.cases import MAX_NOTE, CallOutcome, CaseState, Handling
from gateway.ports import DeliveryState, StoredCase, Waiting

NoteText = Annotated[str, Meta(max_length=MAX_NOTE, description="Free text, kept in the case's timeline.")]
Reference = Annotated[str, Meta(min_length=1, max_length=100)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Place = Annotated[int, Meta(ge=1, le=100, description="In the order of the contacts, from 1.")]


class SaidBody(Struct, frozen=True):
    """An act, and what is to be said of it."""

    note: NoteText | None = None


class NoteBody(Struct, frozen=True):
    """A note."""

    note: Annotated[str, Meta(min_length=1, max_length=MAX_NOTE)]


class ContactBody(Struct, frozen=True):
    """One attempt to reach somebody: by place or name, else whoever is next in the order of contacts."""

    outcome: CallOutcome
    contact: Place | Name | None = None
    call_reference: Reference | None = None
    note: NoteText | None = None


class PoliceBody(Struct, frozen=True):
    """The police know of it, under this reference."""

    reference: Reference
    note: NoteText | None = None


class DecidedBody(Struct, frozen=True):
    """What it was; at closing, what was said before counts if nothing is said now."""

    disposition: Disposition | None = None
    note: NoteText | None = None


class CaseLine(Struct, frozen=True, kw_only=True):
    """A case in a list."""

    case_id: str
    vin: str
    soc: str
    state: CaseState
    stolen: bool
    """Whether this case makes its vehicle stolen."""
    causes: list[str]
    critical: bool
    handling: Handling
    opened_at: datetime
    closed_at: datetime | None
    claimed_by: str | None
    lease_until: datetime | None
    contacts: int
    reached: bool
    police_reference: str | None
    escalated: int
    disposition: str | None


class CasePage(Struct, frozen=True):
    """Cases in the order in which they were opened."""

    items: list[CaseLine]
    next_after: int | None


class CallView(Struct, frozen=True):
    """One contact of the vehicle, and how often it was tried in this case."""

    place: int
    name: str
    phone: str | None
    attempts: int


class SentView(Struct, frozen=True):
    """A message of a timeline on its way to one sink."""

    id: int
    sink: str
    state: DeliveryState
    link: str


class EntryView(Struct, frozen=True):
    """One line of a case's timeline."""

    n: int
    at: datetime
    actor: str
    what: str
    details: dict[str, Any]
    alarm: str | None
    """Where the alarm is read that it is about."""
    deliveries: list[SentView]


class CaseView(CaseLine, frozen=True, kw_only=True):
    """
    A case with everything that an operator needs for the next step.

    ``entries`` is one page of its timeline; ``next_after`` reads the next.
    """

    instructions: list[str]
    calls: list[CallView]
    next_contact: int | None
    """Place of the contact to call next; null: none, or the police first."""
    alarms: list[AlarmView]
    entries: list[EntryView]
    next_after: int | None


class CaseChangeView(CaseLine, frozen=True, kw_only=True):
    """A case as it stands now. ``change`` is the number of the newest entry in its timeline."""

    change: int


class WaitingView(Struct, frozen=True):
    """Everything that waits for a second person in a SOC now, the oldest first."""

    items: list[Waiting]


def line(stored: StoredCase) -> dict[str, Any]:
    """The fields of a case in a list."""
    case = stored.case
    return {
        "case_id": case.case_id,
        "vin": stored.vin,
        "soc": stored.soc,
        "state": case.state,
        "stolen": case.state == "confirmed",
        "causes": list(case.causes),
        "critical": case.is_critical,
        "handling": case.handling,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "claimed_by": case.claimed_by,
        "lease_until": case.lease_until,
        "contacts": case.contacts,
        "reached": case.reached,
        "police_reference": case.police_reference,
        "escalated": case.escalated,
        "disposition": case.disposition,
    }
