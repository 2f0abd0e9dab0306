"""What is deleted, and when: every table that grows has a period or a size."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from gateway.adapters.storage.sqlite import accounts, cases, handovers
from gateway.adapters.storage.sqlite.times import text

KEEP_DELIVERED = timedelta(days=30)
KEEP_EVENTS = timedelta(days=430)
"""Event ids are unique for 400 days; the key must be kept at least as long."""
KEEP_CANARY = timedelta(days=1)
KEEP_CASES = KEEP_EVENTS
"""After they were closed."""
KEEP_COMMANDS = timedelta(days=90)
KEEP_TRACK = timedelta(days=30)
"""After its case has ended."""
MAX_TRACK = 20_000
MAX_QUARANTINE = 50_000
AT_ONCE = 5_000


def prune(connection: sqlite3.Connection, now: datetime, canary_vin: str) -> None:
    """Delete a bounded amount of what is over its time; rows are in the order of time."""
    connection.execute(
        "DELETE FROM deliveries WHERE id IN"
        " (SELECT id FROM deliveries ORDER BY id LIMIT ?) AND state = 'done' AND created_at < ?",
        (AT_ONCE, text(now - KEEP_DELIVERED)),
    )
    connection.execute(
        "DELETE FROM facts WHERE n IN (SELECT n FROM facts ORDER BY n LIMIT ?) AND decided_at < ?",
        (AT_ONCE, text(now - KEEP_EVENTS)),
    )
    connection.execute(
        "DELETE FROM facts WHERE n IN (SELECT n FROM facts WHERE vin = ? AND event_id IS NOT NULL"
        " AND decided_at < ? LIMIT ?)",
        (canary_vin, text(now - KEEP_CANARY), AT_ONCE),
    )
    connection.execute(
        "DELETE FROM quarantine WHERE n <= (SELECT MAX(n) FROM quarantine) - ?",
        (MAX_QUARANTINE,),
    )
    connection.execute(
        "DELETE FROM commands WHERE command_id IN"
        " (SELECT command_id FROM commands WHERE changed_at < ? LIMIT ?)",
        (text(now - KEEP_COMMANDS), AT_ONCE),
    )
    _tracks(connection, now)
    cases.forget(connection, now - KEEP_CASES)
    handovers.forget(connection, now - KEEP_CASES)
    accounts.forget_tries(connection, now)


def _tracks(connection: sqlite3.Connection, now: datetime) -> None:
    """A track ends with its case, and is bounded while the case is open."""
    over = "SELECT case_id FROM left_cases WHERE at < ?"
    connection.execute(f"DELETE FROM tracks WHERE case_id IN ({over})", (text(now - KEEP_TRACK),))
    connection.execute("DELETE FROM left_cases WHERE at < ?", (text(now - KEEP_TRACK),))
    connection.execute(
        "DELETE FROM tracks WHERE n IN (SELECT n FROM (SELECT n, ROW_NUMBER() OVER"
        " (PARTITION BY case_id ORDER BY n DESC) AS place FROM tracks) WHERE place > ? LIMIT ?)",
        (MAX_TRACK, AT_ONCE),
    )
