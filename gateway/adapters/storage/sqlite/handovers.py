"""Notes from shift to shift, as they are read and kept."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec
from msgspec.structs import replace

from gateway.adapters.storage.sqlite.chain import append
from gateway.adapters.storage.sqlite.threads import Reader, Writer
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import AuditEntry, Handover, HandoverFilter, Reading, StoredHandover

_handover = msgspec.json.Decoder(Handover)
FORGET_AT_ONCE = 100


def add(connection: sqlite3.Connection, note: Handover, entry: AuditEntry) -> int:
    """Keep a note; returns its number."""
    values = (note.soc, text(note.at), note.author, msgspec.json.encode(note))
    query = "INSERT INTO handovers (soc, at, author, body) VALUES (?, ?, ?, ?) RETURNING n"
    (n,) = connection.execute(query, values).fetchone()
    append(connection, [replace(entry, subject=str(n))])
    return int(n)


def page(
    connection: sqlite3.Connection, where: HandoverFilter, after: int, limit: int
) -> list[StoredHandover]:
    """Notes in the order in which they were written."""
    conditions, values = ["soc = ?", "n > ?"], [where.soc, after]
    if where.since is not None:
        conditions.append("at >= ?")
        values.append(text(where.since))
    if where.unread_by is not None:
        read = "SELECT 1 FROM handover_reads r WHERE r.n = handovers.n"
        conditions.append(f"author <> ? AND NOT EXISTS ({read} AND r.person = ?)")
        conditions.append(f"(at >= ? OR NOT EXISTS ({read}))")
        enough = where.read_is_enough_before
        values += [where.unread_by, where.unread_by, "" if enough is None else text(enough)]
    query = f"SELECT n, body FROM handovers WHERE {' AND '.join(conditions)} ORDER BY n LIMIT ?"
    return [_stored(connection, *row) for row in connection.execute(query, (*values, limit)).fetchall()]


def one(connection: sqlite3.Connection, n: int) -> StoredHandover | None:
    """One note."""
    row = connection.execute("SELECT n, body FROM handovers WHERE n = ?", (n,)).fetchone()
    return None if row is None else _stored(connection, *row)


def read(connection: sqlite3.Connection, n: int, entry: AuditEntry) -> None:
    """Somebody has read a note."""
    query = "INSERT OR IGNORE INTO handover_reads VALUES (?, ?, ?)"
    if connection.execute(query, (n, entry.actor, text(entry.at))).rowcount == 1:
        append(connection, [entry])


def forget(connection: sqlite3.Connection, before: datetime) -> int:
    """Let old notes go, whether they were read or not; returns how many."""
    query = "SELECT n FROM handovers WHERE at < ? ORDER BY at LIMIT ?"
    over = connection.execute(query, (text(before), FORGET_AT_ONCE)).fetchall()
    for table in ("handover_reads", "handovers"):
        connection.executemany(f"DELETE FROM {table} WHERE n = ?", over)
    return len(over)


def _stored(connection: sqlite3.Connection, n: int, body: bytes) -> StoredHandover:
    query = "SELECT person, at FROM handover_reads WHERE n = ? ORDER BY at, person"
    reads = [Reading(person, datetime.fromisoformat(at)) for person, at in connection.execute(query, (n,))]
    return StoredHandover(n, _handover.decode(body), tuple(reads))


class HandoverMethods:
    """The port's part for notes, each method one function of this file on the right thread."""

    _writer: Writer
    _serving: Reader

    async def add_handover(self, handover: Handover, entry: AuditEntry) -> int:
        return await self._writer.run(lambda on: add(on, handover, entry))

    async def handover(self, n: int) -> StoredHandover | None:
        return await self._serving.run(lambda on: one(on, n))

    async def handovers(self, where: HandoverFilter, after: int, limit: int) -> list[StoredHandover]:
        return await self._serving.run(lambda on: page(on, where, after, limit))

    async def read_handover(self, n: int, entry: AuditEntry) -> None:
        await self._writer.run(lambda on: read(on, n, entry))
