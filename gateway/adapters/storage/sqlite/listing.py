"""Lists of large tables: whatever is asked for, one index finds it, and nothing before it is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence


def conditions(wanted: Mapping[str, object], leading: Sequence[Collection[str]]) -> str:
    """
    SQL with a named parameter for each column that is asked for.

    ``leading`` are columns of indexes, the most selective first. The first of them that is asked for whole
    finds the rows and the other columns only check them: without statistics SQLite would guess.
    """
    chosen = next((columns for columns in leading if all(name in wanted for name in columns)), ())
    # A plus keeps SQLite from using an index for the column.
    return " AND ".join(f"{'' if name in chosen else '+'}{name} = :{name}" for name in wanted) or "1"


def distinct(connection: sqlite3.Connection, table: str, column: str, after: str = "") -> Iterator[str]:
    """Values of a text column that begins an index: from one to the next, however many rows have it."""
    query = f"SELECT MIN({column}) FROM {table} WHERE {column} > ?"
    while (found := connection.execute(query, (after,)).fetchone()[0]) is not None:
        yield found
        after = found
