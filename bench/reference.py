"""The other side of a ratio, measured in the same run on the same machine and disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

BODY_BYTES = 200


def single_commits_per_s(folder: Path, seconds: float) -> float:
    """One SQLite commit per alarm, with the gateway's own durability (WAL, synchronous = FULL)."""
    path = folder / "reference.db"
    for leftover in folder.glob("reference.db*"):
        leftover.unlink()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE alarms (n INTEGER PRIMARY KEY, vin TEXT, event_id TEXT, body BLOB)")
    connection.execute("CREATE UNIQUE INDEX alarms_key ON alarms (vin, event_id)")
    body, count = bytes(BODY_BYTES), 0
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        count += 1
        connection.execute(
            "INSERT INTO alarms VALUES (NULL, ?, ?, ?)", (f"VIN{count % 200}", str(count), body)
        )
    (stored,) = connection.execute("SELECT COUNT(*) FROM alarms").fetchone()
    connection.close()
    if stored != count:
        raise RuntimeError(f"the reference stored {stored} of {count} alarms")
    return count / spent
