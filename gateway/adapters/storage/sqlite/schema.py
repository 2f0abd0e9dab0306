"""Bring a database to the newest schema: numbered scripts, applied once, in one transaction each."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from gateway.errors import StartError


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
    for version in range(before + 1, newest + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{scripts[version]}\nPRAGMA user_version = {version};\nCOMMIT;"
        )
    return before, newest


def _scripts() -> dict[int, str]:
    folder = files("gateway.adapters.storage.sqlite") / "migrations"
    return {int(one.name[:4]): one.read_text() for one in folder.iterdir() if one.name.endswith(".sql")}
