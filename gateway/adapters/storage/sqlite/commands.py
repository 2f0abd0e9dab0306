"""Commands as they were last told, for whoever asks later."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.adapters.storage.sqlite.times import text
from gateway.ports import CommandRow

_COLUMNS = CommandRow.__struct_fields__
_TIMES = frozenset({"issued_at", "expires_at", "changed_at"})


def put(connection: sqlite3.Connection, rows: Sequence[CommandRow]) -> None:
    """Keep each as it is now. Runs inside the writer's transaction."""
    if not rows:
        return
    marks = ", ".join("?" * len(_COLUMNS))
    connection.executemany(
        f"INSERT OR REPLACE INTO commands ({', '.join(_COLUMNS)}) VALUES ({marks})",
        [[_value(getattr(row, name)) for name in _COLUMNS] for row in rows],
    )


def command(connection: sqlite3.Connection, command_id: str) -> CommandRow | None:
    """One command."""
    query = f"SELECT {', '.join(_COLUMNS)} FROM commands WHERE command_id = ?"
    row = connection.execute(query, (command_id,)).fetchone()
    if row is None:
        return None
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name])
    return CommandRow(**values)


def _value(value: object) -> object:
    return text(value) if isinstance(value, datetime) else value
