"""Why cars are not protected: kept with the state that it follows from, asked for a night."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.adapters.storage.sqlite.times import text
from gateway.domain.reasons import RANK, SEVERITIES, Reason
from gateway.ports import UnprotectedFilter, UnprotectedRow, UnprotectedVehicle

ALWAYS, FOR_EVER = "", "9"
"""Before and behind every time as it is written."""
SEVERITY_OF = {rank: severity for severity, rank in RANK.items()}


def keep(connection: sqlite3.Connection, rows: Sequence[UnprotectedRow]) -> None:
    """Replace what was kept of these vehicles. Runs inside the writer's transaction."""
    connection.executemany("DELETE FROM unprotected WHERE vin = ?", [(row.vin,) for row in rows])
    connection.executemany(
        "INSERT OR IGNORE INTO unprotected VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(row.vin, one.code, row.soc, RANK[SEVERITIES[one.code]]),
                *(_edge(one.from_at, ALWAYS), _edge(one.until_at, FOR_EVER), one.detail),
            )
            for row in rows
            for one in row.reasons
        ],
    )


def page(
    connection: sqlite3.Connection, where: UnprotectedFilter, after: tuple[int, str], limit: int
) -> list[UnprotectedVehicle]:
    """Worst first: by the worst reason that holds at some time of the night, then by VIN."""
    values = {
        "begin": text(where.begin),
        "end": text(where.end),
        "soc": where.soc,
        "code": where.code,
        "rank": None if where.severity is None else RANK[where.severity],
        "after_rank": after[0],
        "after_vin": after[1],
        "limit": limit,
    }
    holds = (
        "from_at < :end AND until_at > :begin AND (:soc IS NULL OR soc = :soc)"
        " AND (:code IS NULL OR code = :code) AND (:rank IS NULL OR severity <= :rank)"
    )
    # Grouped first and only then read: what is only to come a later night is never touched.
    found = connection.execute(
        f"SELECT MIN(severity) AS worst, vin FROM unprotected INDEXED BY unprotected_tonight WHERE {holds}"
        " GROUP BY vin HAVING worst > :after_rank OR (worst = :after_rank AND vin > :after_vin)"
        " ORDER BY worst, vin LIMIT :limit",
        values,
    ).fetchall()
    reasons: dict[str, list[Reason]] = defaultdict(list)
    query = (
        "SELECT code, from_at, until_at, detail FROM unprotected WHERE vin = :vin AND from_at < :end"
        " AND until_at > :begin ORDER BY severity, from_at, code"
    )
    for _, vin in found:
        for code, from_at, until_at, detail in connection.execute(query, {**values, "vin": vin}):
            reasons[vin].append(Reason(code, _time(from_at), _time(until_at), detail))
    return [UnprotectedVehicle(vin, SEVERITY_OF[worst], tuple(reasons[vin])) for worst, vin in found]


def changed(connection: sqlite3.Connection, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """Version and VIN of registry entries, in the order in which they changed."""
    query = "SELECT version, vin FROM registry WHERE (version, vin) > (?, ?) ORDER BY version, vin LIMIT ?"
    return list(connection.execute(query, (*after, limit)))


def survey_mark(connection: sqlite3.Connection) -> str:
    """How far the registry has been surveyed, as it was kept; empty if never."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'survey'").fetchone()
    return "" if row is None else str(row[0])


def keep_survey_mark(connection: sqlite3.Connection, mark: str) -> None:
    """Keep how far the registry has been surveyed."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('survey', ?)", (mark,))


def _edge(at: datetime | None, otherwise: str) -> str:
    return otherwise if at is None else text(at.astimezone(UTC))


def _time(edge: str) -> datetime | None:
    return None if edge in (ALWAYS, FOR_EVER) else datetime.fromisoformat(edge)
