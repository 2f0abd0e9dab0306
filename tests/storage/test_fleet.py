"""The fleet map in the real database: open cases among many closed ones, vehicles by country."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from gateway.adapters.storage.sqlite import fleet
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.ports import CountryCount
from tests.storage.test_case_rows import counted

MANY = 100_000
BODY = b'{"case_id":"x","opened_at":"2026-11-22T09:30:00Z"}'


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    migrate(connection)
    return connection


def test_open_cases_come_with_their_newest_position_and_no_closed_one_is_read(
    connection: sqlite3.Connection,
) -> None:
    states = {n: "new" if n % 2 else "confirmed" for n in range(0, MANY, 1000)}
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO cases (n, case_id, vin, soc, state, escalated, closed_at, body)"
        " VALUES (?, ?, ?, 'default', ?, 0, NULL, ?)",
        (
            (n + 1, f"c{n}", f"V{n}", states.get(n, "closed"), BODY.replace(b"x", f"c{n}".encode()))
            for n in range(MANY)
        ),
    )
    connection.executemany(
        "INSERT INTO tracks (vin, case_id, at, latitude, longitude, accuracy_m) VALUES (?, ?, ?, ?, 4, NULL)",
        [("V1000", "c1000", f"2026-11-22T09:30:{n:02}Z", n) for n in range(50)],
    )
    connection.execute("COMMIT")
    steps = counted(connection, partial(fleet.open_cases, connection, None, 0, 60))
    assert steps < 10_000
    page = fleet.open_cases(connection, "default", 0, 60)
    assert [one.stored.case.case_id for one in page] == [f"c{n}" for n in list(states)[:60]]
    assert [one.last.latitude for one in page if one.last] == [49]
    rest = fleet.open_cases(connection, "default", page[-1].stored.n, 60)
    assert len(page) + len(rest) == len(states)
    assert fleet.open_cases(connection, "elsewhere", 0, 60) == []


def test_vehicles_are_counted_by_country_from_the_index(connection: sqlite3.Connection) -> None:
    bodies = [b'{"country":"NL"}'] * 3 + [b'{"country":"DE"}', b"{}", b"unreadable"]
    connection.executemany(
        "INSERT INTO registry VALUES (?, 1, ?)", [(f"V{n}", body) for n, body in enumerate(bodies)]
    )
    assert fleet.countries(connection) == [
        CountryCount("NL", 3),
        CountryCount(None, 2),
        CountryCount("DE", 1),
    ]
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT CASE WHEN json_valid(CAST(body AS TEXT)) THEN"
        " json_extract(CAST(body AS TEXT), '$.country') END, COUNT(*) FROM registry GROUP BY 1"
    ).fetchall()
    assert "registry_country" in str(plan)
