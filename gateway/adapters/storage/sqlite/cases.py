"""Cases and their timelines, as a decision changes them."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import msgspec

from gateway.adapters.storage.sqlite.many import insert
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import CaseRow, Decision

FORGET_AT_ONCE = 20

_encode = msgspec.json.Encoder().encode


def write(connection: sqlite3.Connection, decision: Decision) -> None:
    """Write what a decision changes. Runs inside the writer's transaction."""
    # A vehicle whose state could not be read has begun a second case: the first one would stay open for ever.
    connection.executemany(
        "UPDATE cases SET state = 'closed', claimed_by = NULL, closed_at = ?"
        " WHERE vin = ? AND case_id <> ? AND state <> 'closed'",
        [(text(row.case.opened_at), row.vin, row.case.case_id) for row in decision.cases],
    )
    insert(
        connection,
        "cases (case_id, vin, soc, state, claimed_by, escalated, closed_at, body)",
        [_row(row) for row in decision.cases],
        "ON CONFLICT (case_id) DO UPDATE SET state = excluded.state,"
        " soc = excluded.soc, claimed_by = excluded.claimed_by, escalated = excluded.escalated,"
        " closed_at = excluded.closed_at, body = excluded.body",
    )
    insert(
        connection,
        "case_entries (case_id, at, actor, what, alarm_id, body)",
        [
            (row.case_id, text(row.at), row.actor, row.what, row.alarm_id, _encode(row.details))
            for row in decision.case_entries
        ],
    )
    connection.executemany("DELETE FROM approvals WHERE vin = ?", [(row.vin,) for row in decision.waiting])
    connection.executemany(
        "INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(one.approval_id, row.vin, row.soc, one.case_id, one.what, one.asked_by),
                *(text(one.asked_at), text(one.until)),
            )
            for row in decision.waiting
            for one in row.waiting
        ],
    )


def forget(connection: sqlite3.Connection, closed_before: datetime) -> int:
    """A case that was closed long ago goes with everything that was written into it; how many went."""
    query = "SELECT case_id FROM cases WHERE closed_at < ? ORDER BY closed_at LIMIT ?"
    over = connection.execute(query, (text(closed_before), FORGET_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM case_entries WHERE case_id = ?", over)
    connection.executemany("DELETE FROM cases WHERE case_id = ?", over)
    return len(over)


def _row(row: CaseRow) -> tuple[Any, ...]:
    case = row.case
    closed_at = None if case.closed_at is None else text(case.closed_at)
    key = (case.case_id, row.vin, row.soc)
    return (*key, case.state, case.claimed_by, case.escalated, closed_at, _encode(case))
