"""Alarms and the feed, as they are read."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from gateway.ports import AlarmFilter, Message, StoredAlarm

_MESSAGE = "soc, sequence, type, alarm_id, subject, critical, body, created_at"
_ALARM = "alarm_id, subject, first_sequence, last_sequence, body, soc"


def message(row: tuple[str, int, str, str, str, int, bytes, str]) -> Message:
    """A row of ``messages`` as the message it is."""
    soc, sequence, kind, alarm_id, subject, critical, body, created_at = row
    return Message(
        soc, sequence, kind, alarm_id, subject, bool(critical), body, datetime.fromisoformat(created_at)
    )


def messages(connection: sqlite3.Connection, soc: str, after: int, limit: int) -> list[Message]:
    """A feed's messages after a sequence."""
    query = f"SELECT {_MESSAGE} FROM messages WHERE soc = ? AND sequence > ? ORDER BY sequence LIMIT ?"
    return [message(row) for row in connection.execute(query, (soc, after, limit))]


def sequences(connection: sqlite3.Connection) -> dict[str, int]:
    """Last sequence of each feed."""
    # From one SOC to the next by the key, so that a million messages cost no more than one.
    query = (
        "WITH RECURSIVE socs (soc) AS (SELECT MIN(soc) FROM messages UNION ALL"
        " SELECT (SELECT MIN(soc) FROM messages WHERE soc > socs.soc) FROM socs WHERE soc IS NOT NULL)"
        " SELECT soc, (SELECT MAX(sequence) FROM messages m WHERE m.soc = socs.soc) FROM socs"
        " WHERE soc IS NOT NULL"
    )
    return dict(connection.execute(query).fetchall())


def oldest_sequence(connection: sqlite3.Connection, soc: str) -> int | None:
    """First sequence still kept."""
    oldest: int | None = connection.execute(
        "SELECT MIN(sequence) FROM messages WHERE soc = ?", (soc,)
    ).fetchone()[0]
    return oldest


def alarms(connection: sqlite3.Connection, where: AlarmFilter, after: int, limit: int) -> list[StoredAlarm]:
    """A page of alarms. It never ends between two feeds' alarms of one sequence number."""
    columns = {"state": where.state, "vin": where.vin, "cause": where.cause, "class": where.cause_class}
    wanted = {name: value for name, value in (columns | {"soc": where.soc}).items() if value is not None}
    conditions = " AND ".join(["first_sequence > ?", *(f"{name} = ?" for name in wanted)])
    query = f"SELECT {_ALARM} FROM alarms WHERE {conditions} ORDER BY first_sequence, soc LIMIT ?"
    rows = connection.execute(query, (after, *wanted.values(), limit)).fetchall()
    if len(rows) == limit:
        last = rows[-1][2]
        rest = f"SELECT {_ALARM} FROM alarms WHERE first_sequence = ? AND {conditions} ORDER BY soc"
        same = connection.execute(rest, (last, after, *wanted.values())).fetchall()
        rows = [row for row in rows if row[2] != last] + same
    return [_stored(connection, row) for row in rows]


def alarm(connection: sqlite3.Connection, alarm_id: str) -> StoredAlarm | None:
    """One alarm."""
    row = connection.execute(f"SELECT {_ALARM} FROM alarms WHERE alarm_id = ?", (alarm_id,)).fetchone()
    return None if row is None else _stored(connection, row)


def _stored(connection: sqlite3.Connection, row: tuple[str, str, int, int, bytes, str]) -> StoredAlarm:
    alarm_id, subject, first, last, body, _soc = row
    query = "SELECT event_id FROM facts WHERE alarm_id = ? ORDER BY n"
    event_ids = tuple(event_id for (event_id,) in connection.execute(query, (alarm_id,)))
    return StoredAlarm(alarm_id, subject, first, last, body, event_ids)
