"""Cases and their timelines: written with the decision that changes them, read by pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.adapters.storage.sqlite import feeds
from gateway.adapters.storage.sqlite.times import text
from gateway.domain.cases import Case
from gateway.ports import CaseEntryRow, CaseFile, CaseFilter, CaseRow, Decision, StoredCase, StoredEntry

MAX_ALARMS = 100
"""Alarms that one case shows: the newest."""

FORGET_AT_ONCE = 100

_CASE = "n, vin, soc, body, state, claimed_by, closed_at"
_case = msgspec.json.Decoder(Case)
_encode = msgspec.json.Encoder().encode


def write(connection: sqlite3.Connection, decision: Decision) -> None:
    """Write what a decision changes. Runs inside the writer's transaction."""
    # A vehicle whose state could not be read has begun a second case: the first one would stay open for ever.
    connection.executemany(
        "UPDATE cases SET state = 'closed', claimed_by = NULL, closed_at = ?"
        " WHERE vin = ? AND case_id <> ? AND state <> 'closed'",
        [(text(row.case.opened_at), row.vin, row.case.case_id) for row in decision.cases],
    )
    connection.executemany(
        "INSERT INTO cases (case_id, vin, soc, state, claimed_by, escalated, closed_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id) DO UPDATE SET state = excluded.state,"
        " soc = excluded.soc, claimed_by = excluded.claimed_by, escalated = excluded.escalated,"
        " closed_at = excluded.closed_at, body = excluded.body",
        [_row(row) for row in decision.cases],
    )
    connection.executemany(
        "INSERT INTO case_entries (case_id, at, actor, what, alarm_id, body) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (row.case_id, text(row.at), row.actor, row.what, row.alarm_id, _encode(row.details))
            for row in decision.case_entries
        ],
    )


def forget(connection: sqlite3.Connection, closed_before: datetime) -> None:
    """A case that was closed long ago goes with everything that was written into it."""
    query = "SELECT case_id FROM cases WHERE closed_at < ? ORDER BY closed_at LIMIT ?"
    over = connection.execute(query, (text(closed_before), FORGET_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM case_entries WHERE case_id = ?", over)
    connection.executemany("DELETE FROM cases WHERE case_id = ?", over)


def _row(row: CaseRow) -> tuple[Any, ...]:
    case = row.case
    closed_at = None if case.closed_at is None else text(case.closed_at)
    key = (case.case_id, row.vin, row.soc)
    return (*key, case.state, case.claimed_by, case.escalated, closed_at, _encode(case))


def cases(connection: sqlite3.Connection, where: CaseFilter, after: int, limit: int) -> list[StoredCase]:
    """A page of cases."""
    columns = {"state": where.state, "soc": where.soc, "vin": where.vin, "claimed_by": where.claimed_by}
    wanted = {name: value for name, value in columns.items() if value is not None}
    conditions = ["n > ?", *(f"{name} = ?" for name in wanted)]
    if where.escalated is not None:
        conditions.append("escalated = 0" if where.escalated == 0 else "escalated > 0")
        conditions.append(f"escalated >= {int(where.escalated)}")
    query = f"SELECT {_CASE} FROM cases WHERE {' AND '.join(conditions)} ORDER BY n LIMIT ?"
    return [_stored(row) for row in connection.execute(query, (after, *wanted.values(), limit))]


def case(connection: sqlite3.Connection, case_id: str, after: int, limit: int) -> CaseFile | None:
    """One case with its alarms and a page of its timeline."""
    row = connection.execute(f"SELECT {_CASE} FROM cases WHERE case_id = ?", (case_id,)).fetchone()
    if row is None:
        return None
    alarms = (feeds.alarm(connection, alarm_id) for alarm_id in _alarms(connection, case_id))
    entries = tuple(_entries(connection, case_id, after, limit))
    return CaseFile(_stored(row), tuple(one for one in alarms if one is not None), entries)


def _alarms(connection: sqlite3.Connection, case_id: str) -> list[str]:
    query = (
        "SELECT alarm_id FROM case_entries WHERE case_id = ? AND alarm_id IS NOT NULL"
        " GROUP BY alarm_id ORDER BY MIN(n) DESC LIMIT ?"
    )
    return [alarm_id for (alarm_id,) in connection.execute(query, (case_id, MAX_ALARMS))][::-1]


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


def _stored(row: Sequence[Any]) -> StoredCase:
    """The columns say how it stands: a case that was given up was changed there only."""
    n, vin, soc, body, state, claimed_by, closed_at = row
    over = None if closed_at is None else datetime.fromisoformat(closed_at)
    kept = replace(_case.decode(body), state=state, claimed_by=claimed_by, closed_at=over)
    return StoredCase(n, vin, soc, kept)
