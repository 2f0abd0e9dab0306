"""
Many rows by few statements.

``executemany`` lets go of the interpreter twice for each row, and while the event loop works it gets it back
only a switch interval later: a commit of 64 alarms would wait a thousand times. One statement for many rows
waits once. Their numbers are powers of two, so that few statements are prepared, and kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 64
"""Rows of one statement: far below any limit on its variables."""


def insert(
    connection: sqlite3.Connection,
    into: str,
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
    values: Sequence[Any] = (),
) -> int:
    """
    Insert rows of one width; returns how many were written.

    ``into``: table and columns. ``conflict``: what follows the rows, with ``values`` for its own marks.
    A row that can't be written ends the transaction, so nothing of it counts: with OR FAIL, SQLite need not
    copy every page before it changes, to be able to take back this statement alone.
    """
    written = 0
    for part in shares(rows):
        statement = f"INSERT OR FAIL INTO {into} VALUES {rows_of(len(part[0]), len(part))} {conflict}"
        written += connection.execute(statement, (*chain.from_iterable(part), *values)).rowcount
    return written


def shares(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into parts of 64, 32, 16, … rows."""
    begin, left = 0, len(rows)
    while left:
        count = min(MOST, 1 << (left.bit_length() - 1))
        yield rows[begin : begin + count]
        begin, left = begin + count, left - count


@cache
def rows_of(width: int, count: int) -> str:
    """Marks for the values of so many rows, each row in parentheses."""
    return ", ".join([f"({', '.join('?' * width)})"] * count)
