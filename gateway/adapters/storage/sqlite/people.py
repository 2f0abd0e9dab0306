"""Tokens, registry, audit and quarantine, as they are read and kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.adapters.storage.sqlite.times import text
from gateway.domain.signals import Registration
from gateway.ports import Token, TrackRow

_TOKEN = "id, secret_hash, role, person, created_at, expires_at, user, vin, revoked_at"  # noqa: S105  # columns
_registration = msgspec.json.Decoder(Registration)


def add_token(connection: sqlite3.Connection, token: Token) -> None:
    """Keep a new token."""
    values = [_text(getattr(token, name)) for name in _TOKEN.split(", ")]
    connection.execute(f"INSERT INTO tokens ({_TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def token(connection: sqlite3.Connection, secret_hash: str) -> Token | None:
    """The token with this hash."""
    row = connection.execute(f"SELECT {_TOKEN} FROM tokens WHERE secret_hash = ?", (secret_hash,)).fetchone()
    return None if row is None else _token(row)


def tokens(connection: sqlite3.Connection) -> list[Token]:
    """All tokens."""
    return [_token(row) for row in connection.execute(f"SELECT {_TOKEN} FROM tokens ORDER BY created_at, id")]


def revoke_token(connection: sqlite3.Connection, token_id: str, at: datetime) -> bool:
    """Whether there is such a token."""
    query = "UPDATE tokens SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?"
    return connection.execute(query, (text(at), token_id)).rowcount == 1


def _token(row: Sequence[Any]) -> Token:
    values = dict(zip(_TOKEN.split(", "), row, strict=True))
    for name in ("created_at", "expires_at", "revoked_at"):
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    return Token(**values)


def _text(value: object) -> object:
    return text(value) if isinstance(value, datetime) else value


def register(connection: sqlite3.Connection, registrations: Sequence[Registration]) -> None:
    """Insert or replace registry entries under a new registry version."""
    version = registry_version(connection) + 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('registry_version', ?)", (str(version),))
    connection.executemany(
        "INSERT OR REPLACE INTO registry VALUES (?, ?, ?)",
        [(one.vin, version, msgspec.json.encode(one)) for one in registrations],
    )
    connection.executemany("DELETE FROM registry_users WHERE vin = ?", [(one.vin,) for one in registrations])
    connection.executemany(
        "INSERT OR IGNORE INTO registry_users VALUES (?, ?, ?)",
        [
            row
            for one in registrations
            for row in (
                *([(one.main_user, one.vin, "main_user")] if one.main_user is not None else ()),
                *((user, one.vin, "secondary_user") for user in one.secondary_users),
            )
        ],
    )


def registry_version(connection: sqlite3.Connection) -> int:
    """Grows with each change."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'registry_version'").fetchone()
    return 0 if row is None else int(row[0])


def registered_since(connection: sqlite3.Connection, version: int, limit: int) -> list[str]:
    """VINs whose entries are newer than a version."""
    query = "SELECT vin FROM registry WHERE version > ? LIMIT ?"
    return [vin for (vin,) in connection.execute(query, (version, limit))]


def registration(connection: sqlite3.Connection, vin: str) -> Registration | None:
    """One registry entry."""
    row = connection.execute("SELECT body FROM registry WHERE vin = ?", (vin,)).fetchone()
    return None if row is None else _registration.decode(row[0])


def vehicles(connection: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """VINs in order; of each table no more is read than fits."""
    query = (
        "SELECT vin FROM (SELECT vin FROM registry WHERE vin > :after ORDER BY vin LIMIT :limit)"
        " UNION SELECT vin FROM (SELECT vin FROM vehicles WHERE vin > :after AND vin NOT LIKE 'gateway:%'"
        " ORDER BY vin LIMIT :limit) ORDER BY vin LIMIT :limit"
    )
    return [vin for (vin,) in connection.execute(query, {"after": after, "limit": limit})]


def track(connection: sqlite3.Connection, vin: str, after: int, limit: int) -> list[tuple[int, TrackRow]]:
    """Kept positions of one vehicle."""
    query = (
        "SELECT n, vin, case_id, at, latitude, longitude, accuracy_m FROM tracks"
        " WHERE vin = ? AND n > ? ORDER BY n LIMIT ?"
    )
    return [
        (n, TrackRow(vin, case_id, datetime.fromisoformat(at), *rest))
        for n, vin, case_id, at, *rest in connection.execute(query, (vin, after, limit))
    ]


def quarantine_page(connection: sqlite3.Connection, after: int, limit: int) -> list[dict[str, Any]]:
    """Quarantined payloads as JSON objects; the payload is shown as text."""
    names = ("n", "topic", "sha256", "reason", "vin", "first_at", "last_at", "count")
    query = f"SELECT {', '.join(names)}, payload FROM quarantine WHERE n > ? ORDER BY n LIMIT ?"
    return [
        dict(zip(names, row[:8], strict=True)) | {"payload": row[8].decode(errors="backslashreplace")}
        for row in connection.execute(query, (after, limit))
    ]
