"""What the store gives back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from gateway.domain.signals import Registration

Role = Literal["main_user", "secondary_user", "workshop", "operator", "supervisor", "auditor", "admin"]


class StoredVehicle(Struct, frozen=True):
    """Committed state of one vehicle, as it was encoded by whatever version of this program."""

    version: int
    body: bytes
    parts: dict[str, bytes] = {}


class Known(Struct, frozen=True):
    """What the store says before deciding."""

    digests: dict[tuple[str, str], frozenset[bytes]]
    """Of each (VIN, event_id) asked for that is there: digests of the contents seen."""
    vehicles: dict[str, StoredVehicle]
    registrations: dict[str, Registration]
    quarantined: frozenset[tuple[str, str]]
    """Of the (topic, sha256) asked for: those already in quarantine."""


class Token(Struct, frozen=True):
    """A bearer token's record; the secret itself is never kept."""

    id: str
    secret_hash: str
    role: Role
    person: str
    created_at: datetime
    expires_at: datetime | None
    user: str | None = None
    vin: str | None = None
    revoked_at: datetime | None = None


class User(Struct, frozen=True):
    """A person's account, as ``user add`` made it."""

    user: str
    person: str
    added_at: datetime


class Mention(Struct, frozen=True):
    """A journal entry that names a person."""

    n: int
    vin: str
    kind: str
    body: bytes


class AlarmFilter(Struct, frozen=True):
    """Filters of ``GET /alarms``; None: any."""

    state: str | None = None
    vin: str | None = None
    cause: str | None = None
    cause_class: str | None = None
    soc: str | None = None


class AuditFilter(Struct, frozen=True):
    """Filters of ``GET /audit``; None: any. ``since`` counts, ``until`` no longer does."""

    actor: str | None = None
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = False


WHOLE_TRAIL = AuditFilter()


class AuditPage(Struct, frozen=True):
    """
    Entries of the audit trail as JSON objects.

    ``next_after``: where to go on; None: there is no more. A page may be short and yet not the last.
    """

    items: list[dict[str, Any]]
    next_after: int | None


class StoredAlarm(Struct, frozen=True):
    """An alarm with where it stands in its feed; ``body`` as in AlarmRow."""

    alarm_id: str
    subject: str
    first_sequence: int
    last_sequence: int
    body: bytes
    event_ids: tuple[str, ...]
