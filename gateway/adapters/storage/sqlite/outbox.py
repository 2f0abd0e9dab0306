"""Deliveries and notifications: what is still on its way."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, get_args

from gateway.adapters.storage.sqlite.deciding import sinks_of
from gateway.adapters.storage.sqlite.feeds import message
from gateway.adapters.storage.sqlite.listing import distinct
from gateway.adapters.storage.sqlite.many import rows_of, shares
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import Backlog, DeliveryMark, DeliveryRow, DeliveryState, Message, Notification, SinkPlan

DELIVERY = (
    "d.id, d.sink, d.soc, d.sequence, d.subject, d.critical, d.state, d.attempts, d.last_error, d.created_at"
)

_IN_STATE = {None: "", **{state: f" AND d.state = '{state}'" for state in get_args(DeliveryState)}}
"""As a part of the text, so that SQLite finds the index that holds only such rows."""


def delivery(row: Sequence[object]) -> DeliveryRow:
    """A row of ``deliveries`` as the delivery it is."""
    values = list(row)
    values[5] = bool(values[5])
    values[9] = datetime.fromisoformat(str(values[9]))
    return DeliveryRow(*values)  # type: ignore[arg-type]  # columns in the order of the fields


def backlog(connection: sqlite3.Connection, sink: str, limit: int, after_subject: str) -> list[Backlog]:
    """Vehicles with pending deliveries at a sink."""
    query = (
        "SELECT subject, MIN(id), MAX(critical), COUNT(*) FROM deliveries"
        " WHERE state = 'pending' AND sink = ? AND subject > ? GROUP BY subject ORDER BY subject LIMIT ?"
    )
    rows = connection.execute(query, (sink, after_subject, limit))
    return [Backlog(subject, first, bool(critical), count) for subject, first, critical, count in rows]


def pending(
    connection: sqlite3.Connection, sink: str, subject: str, limit: int
) -> list[tuple[DeliveryRow, Message]]:
    """Pending deliveries of one vehicle at one sink, in sequence order."""
    query = (
        f"SELECT {DELIVERY},"
        " m.soc, m.sequence, m.type, m.alarm_id, m.subject, m.critical, m.body, m.created_at"
        " FROM deliveries d JOIN messages m ON m.soc = d.soc AND m.sequence = d.sequence"
        " WHERE d.state = 'pending' AND d.sink = ? AND d.subject = ? ORDER BY d.soc, d.sequence LIMIT ?"
    )
    return [
        (delivery(row[:10]), message(row[10:])) for row in connection.execute(query, (sink, subject, limit))
    ]


def mark(connection: sqlite3.Connection, marks: Sequence[DeliveryMark]) -> None:
    """Note what became of deliveries."""
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for one in marks:
        alike[one.state, one.attempts, one.last_error, one.sink, one.soc].append(one.sequence)
    for key, sequences in alike.items():
        for part in shares(sequences):
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, last_error = ?"
                f" WHERE sink = ? AND soc = ? AND sequence IN {rows_of(len(part), 1)}",
                (*key, *part),
            )


def stand_by(
    connection: sqlite3.Connection, sinks: Sequence[SinkPlan], before: datetime, limit: int
) -> list[str]:
    """Give standby sinks what a primary has parked, or not confirmed since ``before``."""
    waiting = connection.execute(
        "SELECT id, soc, sequence, subject, critical, created_at FROM deliveries"
        " WHERE is_primary = 1 AND stood_by = 0 AND state <> 'done' AND (created_at < ? OR state = 'parked')"
        " ORDER BY created_at LIMIT ?",
        (text(before), limit),
    ).fetchall()
    given = set()
    for _id, soc, sequence, subject, critical, created_at in waiting:
        for sink in sinks_of(soc, "standby", sinks):
            inserted = connection.execute(
                "INSERT OR IGNORE INTO deliveries"
                " (sink, soc, sequence, subject, critical, created_at, is_primary)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (sink.name, soc, sequence, subject, critical, created_at),
            ).rowcount
            if inserted:
                given.add(sink.name)
    connection.executemany("UPDATE deliveries SET stood_by = 1 WHERE id = ?", [(row[0],) for row in waiting])
    return sorted(given)


def adopt_orphans(connection: sqlite3.Connection, sinks: Sequence[SinkPlan]) -> int:
    """Give what waits for a sink that is gone to the primaries of its SOC; returns how many."""
    names = [sink.name for sink in sinks]
    marks = ", ".join("?" * len(names))
    orphans = connection.execute(
        "SELECT id, soc, sequence, subject, critical, created_at FROM deliveries"
        f" WHERE state = 'pending' AND sink NOT IN ({marks})",
        names,
    ).fetchall()
    for _id, soc, sequence, subject, critical, created_at in orphans:
        for sink in sinks_of(soc, "primary", sinks):
            connection.execute(
                "INSERT OR IGNORE INTO deliveries"
                " (sink, soc, sequence, subject, critical, created_at, is_primary)"
                " VALUES (?, ?, ?, ?, ?, ?, 1)",
                (sink.name, soc, sequence, subject, critical, created_at),
            )
    if any(sink.role == "primary" for sink in sinks):
        connection.executemany(
            "UPDATE deliveries SET state = 'done', last_error = 'the sink is gone' WHERE id = ?",
            [(row[0],) for row in orphans],
        )
    return len(orphans)


def deliveries(
    connection: sqlite3.Connection, state: DeliveryState | None, sink: str | None, after: int, limit: int
) -> list[DeliveryRow]:
    """Deliveries by id."""
    if sink is None and state in {"pending", "parked"}:
        # Few of very many: each sink has an index of its own ones, and their pages are merged.
        pages = [
            deliveries(connection, state, one, after, limit)
            for one in distinct(connection, "deliveries", "sink")
        ]
        return list(islice(merge(*pages, key=lambda row: row.id), limit))
    named = "" if sink is None else " AND d.sink = :sink"
    where = f"d.id > :after{_IN_STATE[state]}{named}"
    query = f"SELECT {DELIVERY} FROM deliveries d WHERE {where} ORDER BY d.id LIMIT :limit"
    values = {"sink": sink, "after": after, "limit": limit}
    return [delivery(row) for row in connection.execute(query, values)]


def resend(connection: sqlite3.Connection, delivery_id: int) -> DeliveryRow | None:
    """Make a delivery pending again."""
    connection.execute("UPDATE deliveries SET state = 'pending', attempts = 0 WHERE id = ?", (delivery_id,))
    query = f"SELECT {DELIVERY} FROM deliveries d WHERE d.id = ?"
    row = connection.execute(query, (delivery_id,)).fetchone()
    return None if row is None else delivery(row)


def oldest_undelivered(connection: sqlite3.Connection, sinks: Sequence[SinkPlan]) -> datetime | None:
    """When the oldest pending message of a configured primary sink was made."""
    oldest = [
        connection.execute(
            "SELECT created_at FROM deliveries INDEXED BY deliveries_oldest"
            " WHERE state = 'pending' AND sink = ? ORDER BY id LIMIT 1",
            (sink.name,),
        ).fetchone()
        for sink in sinks
        if sink.role == "primary"
    ]
    return min((datetime.fromisoformat(row[0]) for row in oldest if row is not None), default=None)


def notifications(connection: sqlite3.Connection, limit: int) -> list[Notification]:
    """Notifications that the broker has not taken yet."""
    query = "SELECT id, user, vin, body, created_at FROM notifications ORDER BY created_at LIMIT ?"
    rows = connection.execute(query, (limit,))
    return [
        Notification(one, user, vin, body, datetime.fromisoformat(at)) for one, user, vin, body, at in rows
    ]


def notified(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """The broker has these."""
    connection.executemany("DELETE FROM notifications WHERE id = ?", [(one,) for one in ids])
