"""The audit chain: each row's hash covers the row before it, so that no row can be changed or taken out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256

import msgspec

from gateway.ports import AuditEntry

GENESIS = bytes(32)

_encoder = msgspec.json.Encoder(order="deterministic")


def link(previous: bytes, row: Sequence[str]) -> bytes:
    """Hash of a row (at, actor, action, subject, details) behind ``previous``."""
    return sha256(previous + _encoder.encode(list(row))).digest()


def append(connection: sqlite3.Connection, entries: Sequence[AuditEntry]) -> None:
    """Append entries. Runs inside the writer's transaction, so the head can't move meanwhile."""
    if not entries:
        return
    previous = connection.execute("SELECT hash FROM audit ORDER BY n DESC LIMIT 1").fetchone()
    head = GENESIS if previous is None else previous[0]
    rows = []
    for entry in entries:
        at = entry.at.isoformat(timespec="microseconds")
        row = (at, entry.actor, entry.action, entry.subject, _encoder.encode(entry.details).decode())
        head = link(head, row)
        rows.append((*row, head))
    connection.executemany(
        "INSERT INTO audit (at, actor, action, subject, details, hash) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    # The head stands apart as well, so that the newest rows can't be cut off unseen.
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('audit_head', ?)", (head.hex(),))


def broken_links(connection: sqlite3.Connection) -> Iterator[int]:
    """Numbers of rows that do not follow from the row before, or are missing (also behind the last)."""
    head, expected = GENESIS, 1
    for n, *row, stored in connection.execute(
        "SELECT n, at, actor, action, subject, details, hash FROM audit ORDER BY n"
    ):
        head = link(head, row)
        if n != expected or head != stored:
            yield n
        head, expected = stored, n + 1
    kept = connection.execute("SELECT value FROM meta WHERE key = 'audit_head'").fetchone()
    if kept is not None and kept[0] != head.hex():
        yield expected
