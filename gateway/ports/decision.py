"""What one batch of facts changes in the store: rows, and the decision that holds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.signals import Registration
from gateway.ports.cases import CaseEntryRow, CaseRow, EscalationRow, WaitingRow
from gateway.ports.protection import UnprotectedRow


class FactRow(Struct, frozen=True):
    """One journal entry: a fact as it was decided, with its verdict where it is a theft-sensor trigger."""

    vin: str
    kind: str
    """Topic kind, or the fact's own name where it came by no topic."""
    event_id: str | None
    digest: bytes | None
    received_at: datetime
    decided_at: datetime
    body: bytes
    trigger: bool = False
    verdict: str | None = None
    alarm_id: str | None = None


class LaterVerdict(Struct, frozen=True):
    """The verdict on a trigger that was journalled before as ``pending``."""

    vin: str
    event_id: str
    verdict: str
    alarm_id: str | None


class VehicleRow(Struct, frozen=True):
    """
    Vehicle state of one version; the commit fails unless the stored version is ``version - steps``.

    Its parts are kept by name beside the body: those that changed, None for one that is gone.
    """

    vin: str
    version: int
    steps: int
    body: bytes
    wake_at: datetime | None
    parts: dict[str, bytes | None] = {}
    whole: bool = False
    """Whatever parts are stored beside these are gone, too."""


class AlarmRow(Struct, frozen=True):
    """The newest content of an alarm. ``body`` is ``data`` of its newest message."""

    alarm_id: str
    vin: str | None
    subject: str
    """The fold it belongs to: the VIN, or ``gateway:<instance>``."""
    soc: str
    cause: str
    cause_class: str
    state: str
    sequence: int
    body: bytes


class Message(Struct, frozen=True):
    """One message of a SOC's feed, exactly as every way out sends it."""

    soc: str
    sequence: int
    type: str
    alarm_id: str
    subject: str
    critical: bool
    body: bytes
    created_at: datetime


class QuarantineRow(Struct, frozen=True):
    """One undecodable payload; the same one again only counts."""

    topic: str
    sha256: str
    reason: str
    payload: bytes
    """First 4 KiB."""
    received_at: datetime
    vin: str | None = None


class AuditEntry(Struct, frozen=True):
    """Who did what to what, and why. The store chains entries by hash."""

    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = {}


class TrackRow(Struct, frozen=True):
    """One position of a vehicle under an open theft alarm."""

    vin: str
    case_id: str
    at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None


class LeftCase(Struct, frozen=True):
    """A case has ended: its track is erased a set time later."""

    case_id: str
    at: datetime


class RegistryRow(Struct, frozen=True):
    """A registry entry of one vehicle; the commit fails unless the stored one still is ``replaces``."""

    registration: Registration
    replaces: Registration | None


class Revocation(Struct, frozen=True):
    """Tokens for a vehicle, and notifications about it, of people who are none of its users any more."""

    vin: str
    users: tuple[str, ...]
    unnamed: bool
    """Owners' tokens that name the vehicle and no user as well."""
    at: datetime


class Notification(Struct, frozen=True):
    """Something that the main user is told, kept until the broker has it."""

    id: str
    user: str
    vin: str
    body: bytes
    created_at: datetime


class CommandRow(Struct, frozen=True):
    """A command to a vehicle as its user was last told of it."""

    command_id: str
    vin: str
    user: str
    request_id: str
    action: str
    status: str
    reason: str | None
    issued_at: datetime
    expires_at: datetime
    changed_at: datetime


class Decision(Struct, frozen=True):
    """Everything that one batch of facts changes: one transaction."""

    facts: tuple[FactRow, ...] = ()
    verdicts: tuple[LaterVerdict, ...] = ()
    vehicles: tuple[VehicleRow, ...] = ()
    alarms: tuple[AlarmRow, ...] = ()
    messages: tuple[Message, ...] = ()
    notifications: tuple[Notification, ...] = ()
    quarantine: tuple[QuarantineRow, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    track: tuple[TrackRow, ...] = ()
    left_cases: tuple[LeftCase, ...] = ()
    registrations: tuple[RegistryRow, ...] = ()
    cases: tuple[CaseRow, ...] = ()
    case_entries: tuple[CaseEntryRow, ...] = ()
    waiting: tuple[WaitingRow, ...] = ()
    escalations: tuple[EscalationRow, ...] = ()
    commands: tuple[CommandRow, ...] = ()
    unprotected: tuple[UnprotectedRow, ...] = ()
    revocations: tuple[Revocation, ...] = ()
