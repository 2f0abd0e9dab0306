"""Every list of the store is found by an index: SQLite's own plan of each statement says so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest

from gateway.adapters.storage.sqlite import (
    audit_pages,
    case_files,
    deciding,
    feeds,
    outbox,
    people,
    protection,
    retention,
)
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.ports import WHOLE_TRAIL, AlarmFilter, AuditFilter, CaseFilter, SinkPlan, UnprotectedFilter

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CANARY = "CANARY00000000001"
SINKS = [SinkPlan("soc", "default", "primary"), SinkPlan("spare", "default", "standby")]
NIGHT = UnprotectedFilter(NOW, NOW + timedelta(hours=20))

SORTS = "USE TEMP B-TREE FOR ORDER BY"
DELIVERY = (
    "INSERT INTO deliveries (sink, soc, sequence, subject, critical, created_at, is_primary)"
    " VALUES ('soc', 's', 1, 'V', 1, '2026-11-22T09:30:00.000000+00:00', 1)"
)

READS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "messages": lambda on: feeds.messages(on, "default", 5, 10),
    "sequences": feeds.sequences,
    "oldest sequence": lambda on: feeds.oldest_sequence(on, "default"),
    "alarm": lambda on: feeds.alarm(on, "a1"),
    "case": lambda on: case_files.case(on, "c1", 0, 10, SINKS),
    "backlog": lambda on: outbox.backlog(on, "soc", 10, ""),
    "pending": lambda on: outbox.pending(on, "soc", "V", 10),
    "oldest undelivered": lambda on: outbox.oldest_undelivered(on, SINKS),
    "stand by": lambda on: outbox.stand_by(on, SINKS, NOW, 10),
    "orphans": lambda on: outbox.adopt_orphans(on, SINKS),
    "notifications": lambda on: outbox.notifications(on, 10),
    "known": lambda on: deciding.known(on, [("V", "e1")], ["V"], [("t", "s")]),
    "timers": deciding.timers,
    "newest decided": deciding.newest_decided,
    "vehicles": lambda on: people.vehicles(on, "V", 10),
    "registered since": lambda on: people.registered_since(on, 1, 10),
    "changed entries": lambda on: protection.changed(on, (1, "V"), 10),
    "unprotected": lambda on: protection.page(on, NIGHT, (0, ""), 10),
    "track": lambda on: people.track(on, "V", 0, 10),
    "audit": lambda on: audit_pages.page(on, WHOLE_TRAIL, 0, 10),
    "quarantine": lambda on: people.quarantine_page(on, 0, 10),
    **{
        f"bite {number} of {table}": partial(bite, NOW)
        for number, (table, bite) in enumerate(retention.Sweep(retention.BY_DEFAULT, CANARY).bites())
    },
}
WAITING = "vehicles_wake|deliveries_waiting|deliveries_oldest|notifications_created"
ENDS = re.compile(rf"SCAN \w+ USING (COVERING )?INDEX ({WAITING})")
"""Indexes that hold only what waits."""
FIRST = {"newest decided", "bite 2 of facts"}
"""The first or last rows by number."""
SORTED = {"vehicles", "unprotected"}
"""So many rows as a page has are merged; the night's reasons are grouped by vehicle."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("lists") / "gateway.db"
    SqliteStore(path, CANARY).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(DELIVERY)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]) -> list[str]:
    """The lines of SQLite's plan of every statement that the work runs."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    connection.execute("SAVEPOINT work")
    work(connection)
    connection.execute("ROLLBACK TO work")
    connection.set_trace_callback(None)
    explained = [one for one in statements if not one.startswith(("SAVEPOINT", "ROLLBACK", "--"))]
    return [row[3] for one in explained for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]


def complaints(connection: sqlite3.Connection, lines: list[str]) -> list[str]:
    """Lines that read a whole table, or sort more than those of equal place."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    known = {name for (name,) in connection.execute(query)} | {"d", "m", "a", "v", "p"}
    scans = [line for line in lines if (scan := re.match(r"SCAN (\w+)", line)) and scan[1] in known]
    return [line for line in scans if not ENDS.match(line)] + [line for line in lines if line == SORTS]


@pytest.mark.parametrize("name", READS)
def test_no_read_goes_through_a_table(connection: sqlite3.Connection, name: str) -> None:
    lines = plan(connection, READS[name])
    wrong = complaints(connection, lines)
    if name in SORTED:
        wrong = [line for line in wrong if line != SORTS]
    if name in FIRST:
        wrong = [line for line in wrong if line != "SCAN facts"]
    assert lines
    assert not wrong, lines


def filters(**columns: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Every combination."""
    return [
        dict(zip(columns, values, strict=True))
        for values in product(*((None, *more) for more in columns.values()))
    ]


ALARMS = filters(state=("open", "closed"), vin=("V",), cause=("tilt",), cause_class=("theft",), soc=("s",))
CASES = filters(state=("new", "closed"), soc=("s",), vin=("V",), claimed_by=("Ada",), escalated=(0, 2))
AUDITS = filters(
    actor=("gateway", "Ada"), subject=("V",), action=("case.claim",), since=(NOW,), newest_first=(True,)
)
DELIVERIES = filters(state=("pending", "parked", "done"), sink=("soc",))
UNSELECTIVE = ({"escalated": 0}, {"state": "done"})
"""Nearly all rows are so: the list is read in its own order."""


def read_alarms(connection: sqlite3.Connection, **wanted: Any) -> object:
    return feeds.alarms(connection, AlarmFilter(**wanted), 5, 10)


def read_cases(connection: sqlite3.Connection, **wanted: Any) -> object:
    return case_files.cases(connection, CaseFilter(**wanted), 5, 10)


def read_audit(connection: sqlite3.Connection, **wanted: Any) -> object:
    wanted["newest_first"] = bool(wanted.get("newest_first"))
    return audit_pages.page(connection, AuditFilter(**wanted), 5, 10)


def read_deliveries(connection: sqlite3.Connection, **wanted: Any) -> object:
    return outbox.deliveries(connection, after=5, limit=10, **wanted)


@pytest.mark.parametrize("wanted", AUDITS)
def test_the_audit_trail_is_searched_by_number_or_by_what_is_asked_for(
    connection: sqlite3.Connection, wanted: dict[str, Any]
) -> None:
    lines = plan(connection, partial(read_audit, **wanted))
    assert not complaints(connection, lines), lines
    by = (
        "INDEX audit_"
        if {"actor", "subject", "action"} & {k for k, v in wanted.items() if v}
        else "PRIMARY KEY"
    )
    assert any(line.startswith("SEARCH audit ") and by in line for line in lines), lines


LISTS = [(read_alarms, ALARMS), (read_cases, CASES), (read_deliveries, DELIVERIES)]


@pytest.mark.parametrize(("read", "wanted"), [(read, wanted) for read, every in LISTS for wanted in every])
def test_a_filtered_list_begins_with_what_is_asked_for(
    connection: sqlite3.Connection, read: Callable[..., object], wanted: dict[str, Any]
) -> None:
    lines = plan(connection, partial(read, **wanted))
    assert not complaints(connection, lines), lines
    asked = {name: value for name, value in wanted.items() if value is not None}
    if asked and asked not in UNSELECTIVE:
        searches = [line for line in lines if re.match(r"SEARCH (alarms|cases|d) ", line)]
        assert searches
        assert all("=?" in line or "_escalated" in line for line in searches), lines
