"""Cases and their timelines, as they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.adapters.storage.sqlite import feeds
from gateway.adapters.storage.sqlite.listing import conditions
from gateway.adapters.storage.sqlite.outbox import DELIVERY, delivery
from gateway.domain.cases import Case
from gateway.ports import (
    CaseChanges,
    CaseEntryRow,
    CaseFile,
    CaseFilter,
    DeliveryRow,
    SinkPlan,
    StoredCase,
    StoredEntry,
    Waiting,
)

MAX_ALARMS = 100
"""Alarms that one case shows: the newest."""

CASE = "n, vin, soc, body, state, claimed_by, closed_at"
_LIVE = ({"vin"}, {"claimed_by"}, {"state"}, {"soc"})
_CLOSED = ({"vin"}, {"claimed_by"}, {"soc"}, {"state"})
_case = msgspec.json.Decoder(Case)


def cases(connection: sqlite3.Connection, where: CaseFilter, after: int, limit: int) -> list[StoredCase]:
    """A page of cases."""
    columns = {"state": where.state, "soc": where.soc, "vin": where.vin, "claimed_by": where.claimed_by}
    wanted = {name: value for name, value in columns.items() if value is not None}
    level = where.escalated
    leading = _CLOSED if where.state in {None, "closed"} else _LIVE
    query = f"SELECT {CASE} FROM cases WHERE n > :after AND {conditions(wanted, leading)}"
    if level is not None:
        # The index holds only those that are escalated: SQLite must see so in the text.
        query += " AND escalated = 0" if level == 0 else " AND escalated > 0 AND escalated >= :level"
    values = {**wanted, "level": level, "after": after, "limit": limit}
    return [stored_case(row) for row in connection.execute(f"{query} ORDER BY n LIMIT :limit", values)]


def case(
    connection: sqlite3.Connection,
    case_id: str,
    after: int,
    limit: int,
    sinks: Sequence[SinkPlan],
    *,
    max_alarms: int = MAX_ALARMS,
) -> CaseFile | None:
    """One case with its newest alarms and a page of its timeline."""
    row = connection.execute(f"SELECT {CASE} FROM cases WHERE case_id = ?", (case_id,)).fetchone()
    if row is None:
        return None
    alarms = (feeds.alarm(connection, alarm_id) for alarm_id in _alarms(connection, case_id, max_alarms))
    stored = stored_case(row)
    entries = tuple(
        replace(one, deliveries=_deliveries(connection, stored.soc, one, sinks))
        for one in _entries(connection, case_id, after, limit)
    )
    return CaseFile(stored, tuple(one for one in alarms if one is not None), entries)


def newest(connection: sqlite3.Connection) -> int:
    """Number of the newest entry in any timeline."""
    # Not the largest that is there: that one may be deleted.
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'case_entries'").fetchone()
    return 0 if row is None else int(row[0])


def changes(connection: sqlite3.Connection, soc: str, after: int, limit: int) -> CaseChanges:
    """Cases of one SOC that the next entries are about."""
    query = "SELECT n, case_id FROM case_entries WHERE n > ? ORDER BY n LIMIT ?"
    entries = connection.execute(query, (after, limit)).fetchall()
    newest_of = {case_id: n for n, case_id in entries}
    found = []
    for case_id, n in sorted(newest_of.items(), key=lambda pair: pair[1]):
        query = f"SELECT {CASE} FROM cases WHERE case_id = ? AND soc = ?"
        row = connection.execute(query, (case_id, soc)).fetchone()
        if row is not None:
            found.append((n, stored_case(row)))
    return CaseChanges(entries[-1][0] if entries else after, len(entries) < limit, tuple(found))


def waiting(connection: sqlite3.Connection, soc: str, limit: int) -> list[Waiting]:
    """What waits for a second person."""
    query = (
        "SELECT approval_id, vin, case_id, what, asked_by, asked_at, until FROM approvals"
        " WHERE soc = ? ORDER BY asked_at LIMIT ?"
    )
    return [
        Waiting(*said, *map(datetime.fromisoformat, (asked_at, until)))
        for *said, asked_at, until in connection.execute(query, (soc, limit))
    ]


def _alarms(connection: sqlite3.Connection, case_id: str, limit: int) -> list[str]:
    query = (
        "SELECT alarm_id FROM case_entries WHERE case_id = ? AND alarm_id IS NOT NULL"
        " GROUP BY alarm_id ORDER BY MIN(n) DESC LIMIT ?"
    )
    return [alarm_id for (alarm_id,) in connection.execute(query, (case_id, limit))][::-1]


def _entries(connection: sqlite3.Connection, case_id: str, after: int, limit: int) -> list[StoredEntry]:
    query = (
        "SELECT n, at, actor, what, body, alarm_id FROM case_entries WHERE case_id = ? AND n > ?"
        " ORDER BY n LIMIT ?"
    )
    return [
        StoredEntry(
            n,
            CaseEntryRow(
                case_id, datetime.fromisoformat(at), actor, what, msgspec.json.decode(body), alarm_id
            ),
        )
        for n, at, actor, what, body, alarm_id in connection.execute(query, (case_id, after, limit))
    ]


def _deliveries(
    connection: sqlite3.Connection, soc: str, entry: StoredEntry, sinks: Sequence[SinkPlan]
) -> tuple[DeliveryRow, ...]:
    """Ways of a message to the sinks that are configured: one look-up by key each."""
    sequence = entry.entry.details.get("sequence")
    if entry.entry.alarm_id is None or sequence is None:
        return ()
    query = f"SELECT {DELIVERY} FROM deliveries d WHERE d.sink = ? AND d.soc = ? AND d.sequence = ?"
    rows = (connection.execute(query, (sink.name, soc, sequence)).fetchone() for sink in sinks)
    return tuple(delivery(row) for row in rows if row is not None)


def stored_case(row: Sequence[Any]) -> StoredCase:
    """The columns say how it stands: a case that was given up was changed there only."""
    n, vin, soc, body, state, claimed_by, closed_at = row
    over = None if closed_at is None else datetime.fromisoformat(closed_at)
    kept = replace(_case.decode(body), state=state, claimed_by=claimed_by, closed_at=over)
    return StoredCase(n, vin, soc, kept)
