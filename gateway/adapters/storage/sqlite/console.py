"""Logins of the console, as they are read and kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.adapters.storage.sqlite.chain import append
from gateway.adapters.storage.sqlite.threads import Reader, Writer
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import AuditEntry, Person, Session

TRIES = 5
LOCKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""After each five wrong passwords. Short: whoever guesses must not keep the night shift from its desk."""
KEEP_TRIES = timedelta(days=1)
KEEP_SESSIONS = timedelta(hours=12)
_PERSON = "name, role, password_hash, created_at, removed_at, one_time_until"


def put_person(connection: sqlite3.Connection, person: Person, entry: AuditEntry) -> None:
    """Add or replace; who has a new password or role logs in anew."""
    until = None if person.one_time_until is None else text(person.one_time_until)
    values = (person.name, person.role, person.password_hash, text(person.created_at), until)
    query = f"INSERT OR REPLACE INTO console_persons ({_PERSON}) VALUES (?, ?, ?, ?, NULL, ?)"
    connection.execute(query, values)
    _log_out(connection, person.name)
    append(connection, [entry])


def set_password(
    connection: sqlite3.Connection, name: str, replaces: str, password_hash: str, entry: AuditEntry
) -> bool:
    """Whether it was still the password that was judged: of two who use one at once, one succeeds."""
    query = (
        "UPDATE console_persons SET password_hash = ?, one_time_until = NULL"
        " WHERE name = ? AND password_hash = ? AND removed_at IS NULL"
    )
    if connection.execute(query, (password_hash, name, replaces)).rowcount == 0:
        return False
    _log_out(connection, name)
    append(connection, [entry])
    return True


def _log_out(connection: sqlite3.Connection, name: str) -> None:
    for table in ("console_sessions", "console_tries"):
        connection.execute(f"DELETE FROM {table} WHERE name = ?", (name,))


def person(connection: sqlite3.Connection, name: str) -> Person | None:
    """Who may log in under this name."""
    query = f"SELECT {_PERSON} FROM console_persons WHERE name = ? AND removed_at IS NULL"
    row = connection.execute(query, (name,)).fetchone()
    return None if row is None else _person(row)


def persons(connection: sqlite3.Connection) -> list[Person]:
    """Everyone, removed ones too."""
    return [
        _person(row) for row in connection.execute(f"SELECT {_PERSON} FROM console_persons ORDER BY name")
    ]


def remove_person(connection: sqlite3.Connection, name: str, entry: AuditEntry) -> bool:
    """Whether there was one; the row stays, so that the name is not given to somebody else unseen."""
    query = "UPDATE console_persons SET removed_at = ? WHERE name = ? AND removed_at IS NULL"
    if connection.execute(query, (text(entry.at), name)).rowcount == 0:
        return False
    connection.execute("DELETE FROM console_sessions WHERE name = ?", (name,))
    append(connection, [entry])
    return True


def begin_login(connection: sqlite3.Connection, name: str, now: datetime) -> datetime | None:
    """Count first: whoever tries many at once gains nothing, nor does a crash help."""
    query = "SELECT wrong, locked_until FROM console_tries WHERE name = ?"
    wrong, locked = connection.execute(query, (name,)).fetchone() or (0, None)
    if locked is not None and now < datetime.fromisoformat(locked):
        return datetime.fromisoformat(locked)
    wrong += 1
    rung = wrong // TRIES - 1
    until = None if wrong % TRIES else text(now + LOCKS[min(rung, len(LOCKS) - 1)])
    connection.execute(
        "INSERT OR REPLACE INTO console_tries VALUES (?, ?, ?, ?)", (name, wrong, until, text(now))
    )
    connection.execute("DELETE FROM console_tries WHERE at < ?", (text(now - KEEP_TRIES),))
    return None


def open_session(connection: sqlite3.Connection, session: Session, entry: AuditEntry) -> None:
    """Keep a session and let go of those that are over."""
    over = text(session.created_at - KEEP_SESSIONS)
    connection.execute("DELETE FROM console_sessions WHERE created_at < ?", (over,))
    connection.execute("DELETE FROM console_tries WHERE name = ?", (session.name,))
    values = (session.id_hash, session.name, text(session.created_at), text(session.seen_at))
    connection.execute("INSERT INTO console_sessions VALUES (?, ?, ?, ?)", values)
    append(connection, [entry])


def session(connection: sqlite3.Connection, id_hash: str) -> Session | None:
    """A session with its person's role as it is now."""
    query = (
        "SELECT id_hash, name, role, console_sessions.created_at, seen_at FROM console_sessions"
        " JOIN console_persons USING (name) WHERE id_hash = ? AND removed_at IS NULL"
    )
    row = connection.execute(query, (id_hash,)).fetchone()
    return None if row is None else Session(*row[:3], *map(datetime.fromisoformat, row[3:]))


def touch_session(connection: sqlite3.Connection, id_hash: str, seen_at: datetime) -> None:
    """Note that its person is there; never backwards."""
    query = "UPDATE console_sessions SET seen_at = MAX(seen_at, ?) WHERE id_hash = ?"
    connection.execute(query, (text(seen_at), id_hash))


def end_session(connection: sqlite3.Connection, id_hash: str, entry: AuditEntry) -> None:
    """Let it go."""
    connection.execute("DELETE FROM console_sessions WHERE id_hash = ?", (id_hash,))
    append(connection, [entry])


def _person(row: Sequence[Any]) -> Person:
    times = [None if at is None else datetime.fromisoformat(at) for at in row[3:]]
    return Person(*row[:3], *times)


class ConsoleMethods:
    """The port's part for the console, each method one function of this file on the right thread."""

    _writer: Writer
    _serving: Reader

    async def put_person(self, person: Person, entry: AuditEntry) -> None:
        await self._writer.run(lambda on: put_person(on, person, entry))

    async def set_password(self, name: str, replaces: str, password_hash: str, entry: AuditEntry) -> bool:
        return await self._writer.run(lambda on: set_password(on, name, replaces, password_hash, entry))

    async def person(self, name: str) -> Person | None:
        return await self._serving.run(lambda on: person(on, name))

    async def persons(self) -> list[Person]:
        return await self._serving.run(persons)

    async def remove_person(self, name: str, entry: AuditEntry) -> bool:
        return await self._writer.run(lambda on: remove_person(on, name, entry))

    async def begin_login(self, name: str, now: datetime) -> datetime | None:
        return await self._writer.run(lambda on: begin_login(on, name, now))

    async def open_session(self, session: Session, entry: AuditEntry) -> None:
        await self._writer.run(lambda on: open_session(on, session, entry))

    async def session(self, id_hash: str) -> Session | None:
        return await self._serving.run(lambda on: session(on, id_hash))

    async def touch_session(self, id_hash: str, seen_at: datetime) -> None:
        await self._writer.run(lambda on: touch_session(on, id_hash, seen_at))

    async def end_session(self, id_hash: str, entry: AuditEntry) -> None:
        await self._writer.run(lambda on: end_session(on, id_hash, entry))
