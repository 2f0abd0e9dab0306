"""The audit trail as it is stored: appended to, and read row by row to be verified."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from gateway.adapters.storage.sqlite.many import insert
from gateway.adapters.storage.sqlite.times import text
from gateway.domain.audit_trail import GENESIS, SALT_BYTES, Head, Row, digest, link, parse_head
from gateway.ports import AuditEntry

COLUMNS = "n, at, actor, action, subject, details, salt, digest, hash"

MAX_N = 2**62
"""A row with a number beyond this was put there by somebody else."""

_encoder = msgspec.json.Encoder(order="deterministic")


def append(connection: sqlite3.Connection, entries: Sequence[AuditEntry]) -> None:
    """Append entries. Runs inside the writer's transaction, so the head can't move meanwhile."""
    if not entries:
        return
    last, previous = _end(connection)
    salts = secrets.token_bytes(SALT_BYTES * len(entries))
    rows = []
    for place, entry in enumerate(entries):
        content = (
            text(entry.at),
            entry.actor,
            entry.action,
            entry.subject,
            _encoder.encode(entry.details).decode(),
        )
        salt = salts[place * SALT_BYTES :][:SALT_BYTES]
        basis = digest(salt, content)
        previous = link(previous, basis)
        rows.append((last + 1 + place, *content, salt, basis, previous))
    insert(connection, f"audit ({COLUMNS})", rows)
    noted = str(Head(rows[-1][0], previous))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('audit_head', ?)", (noted,))


def _end(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """
    Number and hash to go on from.

    The hash is that of the head as it was noted, the number is behind every row that is there: what was cut
    off or added meanwhile stays visible for ever, and never stops the gateway from writing.
    """
    query = "SELECT n, hash FROM audit WHERE n < ? ORDER BY n DESC LIMIT 1"
    row = connection.execute(query, (MAX_N,)).fetchone()
    n, stored = (0, GENESIS) if row is None else row
    noted = head(connection)
    if noted is None:
        # Somebody took the head away, perhaps with rows: a number that is left out says so for ever.
        return (0 if row is None else n + 1), stored
    if noted.n is None:
        return n, noted.hash
    return max(n, noted.n), noted.hash


def head(connection: sqlite3.Connection) -> Head | None:
    """The head as it stands beside the trail; None if it does not, or can't be read."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'audit_head'").fetchone()
    if row is None:
        return None
    try:
        # Without its number, as before that was kept.
        return parse_head(row[0]) if ":" in row[0] else Head(None, bytes.fromhex(row[0]))
    except (TypeError, ValueError):
        return None


def rows(connection: sqlite3.Connection, first: int = -(2**63)) -> Iterator[Row]:
    """The trail from a row on, one row at a time."""
    query = f"SELECT {COLUMNS} FROM audit WHERE n >= ? ORDER BY n"
    for n, *content, salt, basis, stored in connection.execute(query, (first,)):
        yield Row(n, tuple(content), salt, basis, stored)


def hash_of(connection: sqlite3.Connection, n: int) -> bytes | None:
    """The hash of one row."""
    row = connection.execute("SELECT hash FROM audit WHERE n = ?", (n,)).fetchone()
    return None if row is None or not isinstance(row[0], bytes) else row[0]
