"""The fleet at once: open cases with where their vehicles are, and how many vehicles a country has."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import get_args

from gateway.adapters.storage.sqlite.case_files import CASE, stored_case
from gateway.domain.cases import CaseState
from gateway.ports import CountryCount, OpenCase, TrackRow

MAX_COUNTRIES = 300
NOT_CLOSED = tuple(state for state in get_args(CaseState) if state != "closed")

_TRACK = "vin, case_id, at, latitude, longitude, accuracy_m"


def open_cases(connection: sqlite3.Connection, soc: str | None, after: int, limit: int) -> list[OpenCase]:
    """A page of them; closed ones, however many, are never touched."""
    # Asked for state by state: one query for all of them would read every case there ever was.
    of_soc = "" if soc is None else " AND soc = :soc"
    each = [
        f"SELECT * FROM (SELECT {CASE} FROM cases WHERE state = '{state}' AND n > :after{of_soc}"
        " ORDER BY n LIMIT :limit)"
        for state in NOT_CLOSED
    ]
    query = f"{' UNION ALL '.join(each)} ORDER BY n LIMIT :limit"
    rows = connection.execute(query, {"after": after, "limit": limit, "soc": soc}).fetchall()
    found = [stored_case(row) for row in rows]
    return [OpenCase(one, _last(connection, one.case.case_id)) for one in found]


def countries(connection: sqlite3.Connection) -> list[CountryCount]:
    """How many vehicles are registered, by country, most first."""
    # As the index is written, word for word: else every entry would be read.
    text = "CAST(body AS TEXT)"
    country = f"CASE WHEN json_valid({text}) THEN json_extract({text}, '$.country') END"
    query = f"SELECT {country} AS country, COUNT(*) FROM registry GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"
    return [CountryCount(country, count) for country, count in connection.execute(query, (MAX_COUNTRIES,))]


def _last(connection: sqlite3.Connection, case_id: str) -> TrackRow | None:
    query = f"SELECT {_TRACK} FROM tracks WHERE case_id = ? ORDER BY n DESC LIMIT 1"
    row = connection.execute(query, (case_id,)).fetchone()
    if row is None:
        return None
    vin, case, at, *where = row
    return TrackRow(vin, case, datetime.fromisoformat(at), *where)
