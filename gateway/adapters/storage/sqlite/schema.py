"""Bring a database to the newest schema: numbered scripts, applied once, in one transaction each."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from gateway.errors import StartError

WAIT_MS = 15_000


def migrate(connection: sqlite3.Connection) -> tuple[int, int]:
    """
    Apply the migrations that are missing; returns the version before and after.

    Errors:  StartError for a database that is newer than this program; sqlite3.Error.
    """
    scripts = _scripts()
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    newest = max(scripts)
    if before > newest:
        raise StartError(f"the database has schema version {before}, this program knows up to {newest}")
    if before < newest:
        connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        connection.execute("BEGIN IMMEDIATE")
        # Read again: another process may have done it while this one waited.
        (done,) = connection.execute("PRAGMA user_version").fetchone()
        for version in sorted(version for version in scripts if version > done):
            for statement in _statements(scripts[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    return before, newest


def _statements(script: str) -> list[str]:
    """A script's statements one by one: executescript would commit before it begins."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [one for one in "\n".join(lines).split(";") if one.strip()]


def _scripts() -> dict[int, str]:
    folder = files("gateway.adapters.storage.sqlite") / "migrations"
    return {int(one.name[:4]): one.read_text() for one in folder.iterdir() if one.name.endswith(".sql")}
