"""People who log in to the console, and their sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from gateway.ports.decision import AuditEntry
from gateway.ports.stored import Role


class Person(Struct, frozen=True):
    """One who may log in. ``name`` is also whom the audit trail names."""

    name: str
    role: Role
    password_hash: str
    created_at: datetime
    removed_at: datetime | None = None
    one_time_until: datetime | None = None
    """The password is good until then, and only to set another; None: it is the person's own."""


class Session(Struct, frozen=True):
    """One login that goes on; its random id itself is never kept."""

    id_hash: str
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime


class ConsoleStore(Protocol):
    """The part of the store that the console's logins need. StoreError as for all of it."""

    async def put_person(self, person: Person, entry: AuditEntry) -> None:
        """Add a person or replace one of the same name; every session of that name ends."""
        ...

    async def set_password(self, name: str, replaces: str, password_hash: str, entry: AuditEntry) -> bool:
        """Replace a person's password by their own; False if it is not ``replaces`` any more."""
        ...

    async def person(self, name: str) -> Person | None:
        """Who has this name and was not removed."""
        ...

    async def persons(self) -> list[Person]:
        """Everyone, removed ones too, by name."""
        ...

    async def remove_person(self, name: str, entry: AuditEntry) -> bool:
        """End a person's sessions and further logins; False if there is none of this name."""
        ...

    async def begin_login(self, name: str, now: datetime) -> datetime | None:
        """Count a password before it is judged; the end of the lock-out instead, if there is one."""
        ...

    async def open_session(self, session: Session, entry: AuditEntry) -> None:
        """Keep a new session; the wrong passwords before it are forgotten."""
        ...

    async def session(self, id_hash: str) -> Session | None:
        """The session with this hash, of a person who was not removed."""
        ...

    async def touch_session(self, id_hash: str, seen_at: datetime) -> None:
        """Its person has just done something."""
        ...

    async def end_session(self, id_hash: str, entry: AuditEntry) -> None:
        """End one session."""
        ...
