"""What is kept of a person: found, shown to that person, and erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.adapters.storage.sqlite.chain import append
from gateway.adapters.storage.sqlite.times import text
from gateway.domain.security_code import TRIES, Tries, counted
from gateway.ports import AuditEntry, Mention, Revocation, User

KEEP_TRIES = timedelta(days=2)
TRIES_COUNT_FOR = timedelta(days=1)
"""Without another; a lock-out lasts as long at the most."""
MAX_EXPORTED = 10_000
"""Rows of one kind in an export."""
_tries = msgspec.json.Decoder(Tries)


def revoke_access(connection: sqlite3.Connection, gone: Revocation) -> None:
    """End tokens for one vehicle and what waits for these people about it."""
    users = [(user, gone.vin) for user in gone.users]
    at = text(gone.at)
    revoke = "UPDATE tokens SET revoked_at = COALESCE(revoked_at, ?) WHERE"
    connection.executemany(f"{revoke} user = ? AND vin = ?", [(at, *row) for row in users])
    if gone.unnamed:
        owners = "role IN ('main_user', 'secondary_user')"
        connection.execute(f"{revoke} vin = ? AND user IS NULL AND {owners}", (at, gone.vin))
    connection.executemany("DELETE FROM notifications WHERE user = ? AND vin = ?", users)


def add_user(connection: sqlite3.Connection, user: User, entry: AuditEntry) -> bool:
    """False if there is such a user already; the person and the audit trail know it either way."""
    values = (user.user, user.person, text(user.added_at))
    fresh = connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", values).rowcount == 1
    append(connection, [entry])
    return fresh


def vehicles_of(connection: sqlite3.Connection, user: str) -> list[tuple[str, str]]:
    """VIN and role of each vehicle that the registry gives this person."""
    query = "SELECT vin, role FROM registry_users WHERE user = ? ORDER BY vin"
    return [(vin, role) for vin, role in connection.execute(query, (user,))]


def begin_try(connection: sqlite3.Connection, user: str, now: datetime) -> datetime | None:
    """
    Count a try before it is judged: whoever tries many at once gains nothing, nor does a crash help.

    Returns the end of the person's lock-out; nothing is counted then.
    """
    known = _known_tries(connection, user, now)
    if known.locked_until is not None and now < known.locked_until:
        _keep_tries(connection, known, known.locked_at or now)
        return known.locked_until
    _keep_tries(connection, counted(known, now), now)
    return None


def forgive_try(connection: sqlite3.Connection, user: str, now: datetime) -> None:
    """
    The code was right: this try does not count. Those before do, until a day has passed without any.

    Otherwise an own vehicle with codes of one's own would end the count of guesses at another's.
    """
    known = _known_tries(connection, user, now)
    if known.wrong > 0:
        known = replace(known, wrong=known.wrong - 1)
    elif known.locks > 0:
        known = replace(known, wrong=TRIES - 1, locks=known.locks - 1, locked_at=None, locked_until=None)
    _keep_tries(connection, known, now)


def _known_tries(connection: sqlite3.Connection, user: str, now: datetime) -> Tries:
    row = connection.execute("SELECT body, at FROM user_tries WHERE user = ?", (user,)).fetchone()
    if row is None:
        return Tries(user)
    known, at = _tries.decode(row[0]), datetime.fromisoformat(row[1])
    if known.locked_at is not None and known.locked_until is not None and now < known.locked_at:
        # Our clock was set back: that makes no lock-out longer.
        return replace(known, locked_at=now, locked_until=now + (known.locked_until - known.locked_at))
    over = known.locked_until is None or known.locked_until <= now
    return Tries(user) if over and at + TRIES_COUNT_FOR <= now else known


def _keep_tries(connection: sqlite3.Connection, tries: Tries, at: datetime) -> None:
    values = (tries.user, msgspec.json.encode(tries), text(at))
    connection.execute("INSERT OR REPLACE INTO user_tries VALUES (?, ?, ?)", values)


def forget_tries(connection: sqlite3.Connection, now: datetime, limit: int) -> sqlite3.Cursor:
    """Let go what no lock-out needs any more."""
    few = "SELECT user FROM user_tries WHERE at < ? LIMIT ?"
    return connection.execute(
        f"DELETE FROM user_tries WHERE user IN ({few})", (text(now - KEEP_TRIES), limit)
    )


def involved(connection: sqlite3.Connection, user: str) -> list[str]:
    """VINs of vehicles whose state names this person: by invitation, hand-over, mode or wrong answer."""
    query = (
        "SELECT vin FROM vehicles WHERE instr(body, CAST(:user AS BLOB)) > 0"
        " UNION SELECT vin FROM vehicle_parts WHERE instr(body, CAST(:user AS BLOB)) > 0"
    )
    return [vin for (vin,) in connection.execute(query, {"user": _quoted(user)})]


def mentions(connection: sqlite3.Connection, user: str) -> list[Mention]:
    """Journal entries that name this person. Vehicles' own events name nobody."""
    query = (
        "SELECT n, vin, kind, body FROM facts WHERE event_id IS NULL AND instr(body, CAST(? AS BLOB)) > 0"
        " ORDER BY n"
    )
    return [Mention(*row) for row in connection.execute(query, (_quoted(user),))]


def erase(connection: sqlite3.Connection, user: str, journal: Sequence[int], entry: AuditEntry) -> None:
    """Erase what belongs to a person; alarms, messages and the audit chain have retentions of their own."""
    for table in ("tokens", "notifications", "user_tries", "users", "commands"):
        connection.execute(f"DELETE FROM {table} WHERE user = ?", (user,))
    connection.executemany("DELETE FROM facts WHERE n = ? AND is_trigger = 0", [(n,) for n in journal])
    append(connection, [entry])


def held_of(connection: sqlite3.Connection, user: str) -> dict[str, Any]:
    """Rows about a person, table by table, without secrets."""
    tokens = _rows(
        connection,
        "SELECT id, role, person, vin, created_at, expires_at, revoked_at FROM tokens WHERE user = ? LIMIT ?",
        user,
    )
    persons = sorted({row["person"] for row in tokens})
    return {
        "account": next(
            iter(_rows(connection, "SELECT person, added_at FROM users WHERE user = ? LIMIT ?", user)), None
        ),
        "tokens": tokens,
        "notifications": [
            msgspec.json.decode(row["body"])
            for row in _rows(connection, "SELECT body FROM notifications WHERE user = ? LIMIT ?", user)
        ],
        "commands": _rows(
            connection,
            "SELECT vin, request_id, action, status, reason, issued_at, changed_at FROM commands"
            " WHERE user = ? LIMIT ?",
            user,
        ),
        "wrong_codes": _rows(connection, "SELECT at FROM user_tries WHERE user = ? LIMIT ?", user),
        "audit": _audited(connection, user, persons),
    }


def _audited(connection: sqlite3.Connection, user: str, persons: list[str]) -> list[dict[str, Any]]:
    marks = ", ".join("?" for _ in persons)
    rows = connection.execute(
        "SELECT at, actor, action, subject, details FROM audit"
        f" WHERE actor IN ({marks}) OR subject = ? OR instr(details, ?) > 0 ORDER BY n DESC LIMIT ?",
        (*persons, user, _quoted(user), MAX_EXPORTED),
    )
    return [
        {
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "details": msgspec.json.decode(details),
        }
        for at, actor, action, subject, details in rows
    ]


def _rows(connection: sqlite3.Connection, query: str, user: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query, (user, MAX_EXPORTED))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _quoted(user: str) -> str:
    """A user as it stands in JSON: its characters need no escape there."""
    return f'"{user}"'
