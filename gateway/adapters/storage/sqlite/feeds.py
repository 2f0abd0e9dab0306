"""Alarms and the feed, as they are read."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import get_args

from gateway.adapters.storage.sqlite.listing import conditions, distinct
from gateway.domain.alarms import AlarmState
from gateway.ports import AlarmFilter, Message, StoredAlarm

_MESSAGE = "soc, sequence, type, alarm_id, subject, critical, body, created_at"
_ALARM = "alarm_id, subject, first_sequence, last_sequence, body, soc"
_Row = tuple[str, str, int, int, bytes, str]
_LIVE = ({"vin"}, {"soc", "state"}, {"state"}, {"cause"}, {"class"})
"""Indexes for what is not closed: few alarms are."""
_CLOSED = ({"vin"}, {"cause"}, {"soc", "state"}, {"class"}, {"state"})
MAX_SEQUENCE = 2**63 - 1


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
    query = "SELECT MAX(sequence) FROM messages WHERE soc = ?"
    socs = distinct(connection, "messages", "soc")
    return {soc: connection.execute(query, (soc,)).fetchone()[0] for soc in socs}


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
    found = _page(connection, wanted, after, limit)
    if len(found) == limit:
        last = found[-1][2]
        found = [row for row in found if row[2] != last] + _page(connection, wanted, last - 1, -1, until=last)
    return [_stored(connection, row) for row in found]


def _page(
    connection: sqlite3.Connection, wanted: dict[str, str], after: int, limit: int, until: int = MAX_SEQUENCE
) -> list[_Row]:
    """Rows in the order of the list; those of one SOC state by state, as its index has them, and merged."""
    if "soc" in wanted and not wanted.keys() & {"vin", "cause", "state"}:
        pages = [
            _page(connection, {**wanted, "state": state}, after, limit, until)
            for state in get_args(AlarmState)
        ]
        return list(islice(merge(*pages, key=_place), limit if limit >= 0 else None))
    leading = _CLOSED if wanted.get("state", "closed") == "closed" else _LIVE
    query = (
        f"SELECT {_ALARM} FROM alarms WHERE first_sequence > :after AND first_sequence <= :until"
        f" AND {conditions(wanted, leading)} ORDER BY first_sequence, soc LIMIT :limit"
    )
    values = {**wanted, "after": after, "until": until, "limit": limit}
    return connection.execute(query, values).fetchall()


def _place(row: _Row) -> tuple[int, str]:
    return row[2], row[5]


def alarm(connection: sqlite3.Connection, alarm_id: str) -> StoredAlarm | None:
    """One alarm."""
    row = connection.execute(f"SELECT {_ALARM} FROM alarms WHERE alarm_id = ?", (alarm_id,)).fetchone()
    return None if row is None else _stored(connection, row)


def _stored(connection: sqlite3.Connection, row: _Row) -> StoredAlarm:
    alarm_id, subject, first, last, body, _soc = row
    query = "SELECT event_id FROM facts WHERE alarm_id = ? ORDER BY n"
    event_ids = tuple(event_id for (event_id,) in connection.execute(query, (alarm_id,)))
    return StoredAlarm(alarm_id, subject, first, last, body, event_ids)
