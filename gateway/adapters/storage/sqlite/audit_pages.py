"""
The audit trail as people read it: a page of it, from either end, and only what they ask for.

Rules of this file:

1. One index finds the rows, whatever else is asked for only checks them. A page looks at ``MAX_LOOK`` rows at
   most, so that what is rare makes nobody wait: it may be short, or empty, and says where to go on.
2. Rows are in the order of time: a time is found by halving. Where the clock was set back one may be missed.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.adapters.storage.sqlite.chain import MAX_N
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import AuditFilter, AuditPage

MAX_LOOK = 10_000
BY = ("subject", "actor", "action")
GATEWAY = "gateway"


def page(connection: sqlite3.Connection, where: AuditFilter, after: int, limit: int) -> AuditPage:
    """Entries behind the row ``after`` in the order that is asked for; 0 is before the first of either."""
    first, last = _between(connection, where)
    if where.newest_first:
        last = min(last, after - 1) if after else last
    else:
        first = max(first, after + 1)
    wanted = {name: value for name in BY if (value := getattr(where, name)) is not None}
    leading = _leading(wanted)
    query = (
        "SELECT n, subject, actor, action FROM audit WHERE n BETWEEN :first AND :last"
        + (f" AND {leading} = :{leading}" if leading else "")
        + (" ORDER BY n DESC" if where.newest_first else " ORDER BY n")
    )
    found: list[int] = []
    rows = connection.execute(query, wanted | {"first": first, "last": last})
    for looked, (n, *said) in enumerate(rows, 1):
        if wanted.items() <= dict(zip(BY, said, strict=True)).items():
            if len(found) == limit:
                return AuditPage(_rows(connection, found), found[-1])
            found.append(n)
        if looked == MAX_LOOK:
            return AuditPage(_rows(connection, found), n)
    return AuditPage(_rows(connection, found), None)


def _leading(wanted: dict[str, str]) -> str | None:
    """The column whose index has the fewest rows; the gateway itself acts most."""
    if wanted.get("actor") == GATEWAY and "action" in wanted:
        return "subject" if "subject" in wanted else "action"
    return next(iter(wanted), None)


def _between(connection: sqlite3.Connection, where: AuditFilter) -> tuple[int, int]:
    """First and last row of the time that is asked for."""
    (last,) = connection.execute("SELECT COALESCE(MAX(n), 0) FROM audit WHERE n < ?", (MAX_N,)).fetchone()
    first = 1 if where.since is None else _first_at(connection, where.since, last)
    return first, last if where.until is None else _first_at(connection, where.until, last) - 1


def _first_at(connection: sqlite3.Connection, at: datetime, last: int) -> int:
    """The first row that was written then or later; behind the last if there is none."""
    low, high, wanted = 1, last + 1, text(at.astimezone(UTC))
    while low < high:
        middle = (low + high) // 2
        query = "SELECT n, at FROM audit WHERE n >= ? ORDER BY n LIMIT 1"
        n, written_at = connection.execute(query, (middle,)).fetchone()
        if written_at >= wanted:
            high = middle
        else:
            low = n + 1
    return low


def _rows(connection: sqlite3.Connection, numbers: list[int]) -> list[dict[str, Any]]:
    query = "SELECT n, at, actor, action, subject, details, hash FROM audit WHERE n = ?"
    rows = (connection.execute(query, (n,)).fetchone() for n in numbers)
    return [
        {"n": n, "at": at, "actor": actor, "action": action, "subject": subject}
        | {"details": msgspec.json.decode(details), "hash": stored.hex()}
        for n, at, actor, action, subject, details, stored in rows
    ]
