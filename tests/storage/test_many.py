"""Rows that are written by few statements are written as they are."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.storage.sqlite import many


@given(st.integers(0, 300))
def test_shares_hold_every_row_once_and_in_order(count: int) -> None:
    shares = list(many.shares(range(count)))
    assert [row for share in shares for row in share] == list(range(count))
    assert {len(share) for share in shares} <= {1, 2, 4, 8, 16, 32, 64}


@given(st.lists(st.tuples(st.integers(0, 40), st.text("ab", max_size=4) | st.none()), max_size=200))
def test_an_insert_leaves_what_executemany_leaves(rows: list[tuple[int, str | None]]) -> None:
    newest = list(dict(rows).items())  # a decision holds each key once
    written, expected = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    for one in (written, expected):
        one.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, body TEXT)")
        one.execute("INSERT INTO t VALUES (7, 'z')")
    count = many.insert(
        written, "t", newest, "ON CONFLICT (key) DO UPDATE SET body = excluded.body || ?", ["!"]
    )
    statement = "INSERT INTO t VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body || '!'"
    expected.executemany(statement, newest)
    query = "SELECT key, body FROM t ORDER BY key"
    assert written.execute(query).fetchall() == expected.execute(query).fetchall()
    assert count == len(newest)


def test_a_row_that_cannot_be_written_is_an_error() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    with pytest.raises(sqlite3.IntegrityError):
        many.insert(connection, "t", [(1, b""), (2, None)])
