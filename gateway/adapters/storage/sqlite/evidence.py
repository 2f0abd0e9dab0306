"""A case with everything that it rests on, and its rows of the audit trail with what proves them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.adapters.storage.sqlite import case_files, chain
from gateway.adapters.storage.sqlite.times import text
from gateway.domain.audit_proof import AuditedRow, Proof, Segment
from gateway.domain.audit_trail import GENESIS, Head, Row
from gateway.ports import AuditScope, CaseEvidence, CaseFile, LeftOut, SinkPlan, StatedFact, TrackRow

MAX_ENTRIES = 10_000
MAX_ALARMS = 1_000
MAX_FACTS = 20_000
"""Of one case; each of its alarms has an equal share."""
MAX_ROWS = 10_000
MAX_DIGESTS = 100_000

_FACT = "n, kind, event_id, received_at, decided_at, verdict, body"


def evidence(connection: sqlite3.Connection, case_id: str, sinks: Sequence[SinkPlan]) -> CaseEvidence | None:
    """All of one case, as one snapshot."""
    connection.execute("BEGIN")
    try:
        file = case_files.case(connection, case_id, 0, MAX_ENTRIES, sinks, max_alarms=MAX_ALARMS)
        if file is None:
            return None
        ids = [one.alarm_id for one in file.alarms]
        share = MAX_FACTS // max(len(ids), 1)
        facts = [fact for alarm_id in ids for fact in _facts(connection, alarm_id, share)]
        left = connection.execute("SELECT at FROM left_cases WHERE case_id = ?", (case_id,)).fetchone()
        left_at = None if left is None else datetime.fromisoformat(left[0])
        left_out = tuple(one for one in _left_out(connection, file, facts) if one.kept != one.of)
        return CaseEvidence(file, tuple(facts), _track(connection, case_id), left_at, left_out)
    finally:
        connection.execute("COMMIT")


def _left_out(
    connection: sqlite3.Connection, file: CaseFile, facts: Sequence[StatedFact]
) -> Iterator[LeftOut]:
    """How many there are of what has a limit."""
    case_id = file.stored.case.case_id
    query = "SELECT COUNT(*), COUNT(DISTINCT alarm_id) FROM case_entries WHERE case_id = ?"
    entries, alarms = connection.execute(query, (case_id,)).fetchone()
    yield LeftOut("entries", len(file.entries), entries)
    yield LeftOut("alarms", len(file.alarms), alarms)
    kept = Counter(one.alarm_id for one in facts)
    for one in file.alarms:
        query = "SELECT COUNT(*) FROM facts WHERE alarm_id = ?"
        (stated,) = connection.execute(query, (one.alarm_id,)).fetchone()
        yield LeftOut("facts", kept[one.alarm_id], stated, one.alarm_id)


def _facts(connection: sqlite3.Connection, alarm_id: str, limit: int) -> list[StatedFact]:
    query = f"SELECT {_FACT} FROM facts WHERE alarm_id = ? ORDER BY n LIMIT ?"
    return [
        StatedFact(
            *(alarm_id, n, kind, event_id, datetime.fromisoformat(received_at)),
            *(datetime.fromisoformat(decided_at), verdict, _read(body)),
        )
        for n, kind, event_id, received_at, decided_at, verdict, body in connection.execute(
            query, (alarm_id, limit)
        )
    ]


def _read(body: bytes) -> dict[str, Any]:
    found = msgspec.json.decode(body)
    return found if isinstance(found, dict) else {"fact": found}


def _track(connection: sqlite3.Connection, case_id: str) -> tuple[TrackRow, ...]:
    query = (
        "SELECT vin, case_id, at, latitude, longitude, accuracy_m FROM tracks WHERE case_id = ? ORDER BY n"
    )
    return tuple(
        TrackRow(vin, case, datetime.fromisoformat(at), *rest)
        for vin, case, at, *rest in connection.execute(query, (case_id,))
    )


def audited(connection: sqlite3.Connection, scope: AuditScope) -> LeftOut:
    """How many audit rows are about a case, and how many of them its proof shows in full."""
    about, values = _about(scope)
    (there,) = connection.execute(f"SELECT COUNT(*) FROM audit WHERE {about}", values).fetchone()
    return LeftOut("audit", min(there, MAX_ROWS), there)


def proof(connection: sqlite3.Connection, scope: AuditScope) -> Proof:
    """The rows of a scope and those of its subjects since, with the links from the first to the head."""
    connection.execute("BEGIN")
    try:
        picked = _picked(connection, scope)
        head = chain.head(connection) or Head(0, GENESIS)
        return Proof(str(head), _Segments(connection, picked).made())
    finally:
        connection.execute("COMMIT")


def _picked(connection: sqlite3.Connection, scope: AuditScope) -> list[int]:
    """What people did comes before what they looked at; what was written since is never left out."""
    about, values = _about(scope)
    query = f"SELECT n FROM audit WHERE {about} ORDER BY action LIKE '%.read', n LIMIT :rows"
    picked = [n for (n,) in connection.execute(query, values | {"rows": MAX_ROWS})]
    marks = ", ".join(f":{name}" for name in _names(scope))
    query = f"SELECT n FROM audit WHERE subject IN ({marks}) AND n > :until"
    return sorted([*picked, *(n for (n,) in connection.execute(query, values))])


def _about(scope: AuditScope) -> tuple[str, dict[str, object]]:
    """The rows about the subjects, and their vehicle's meanwhile."""
    names = _names(scope)
    own = f"subject IN ({', '.join(f':{name}' for name in names)}) AND n <= :until"
    vehicles = (
        f"subject = :vin AND at <= :closed_at AND n <= :until AND n > (SELECT MIN(n) FROM audit WHERE {own})"
    )
    return f"({own} OR {vehicles})", {
        **dict(zip(names, scope.subjects, strict=True)),
        "vin": scope.vin,
        "closed_at": "9" if scope.closed_at is None else text(scope.closed_at),
        "until": scope.until,
    }


def _names(scope: AuditScope) -> list[str]:
    return [f"subject{place}" for place in range(len(scope.subjects))]


class _Segments:
    """Goes through the trail from the first picked row to the head."""

    def __init__(self, connection: sqlite3.Connection, picked: Sequence[int]) -> None:
        self._connection = connection
        self._picked = frozenset(picked)
        self._digests = 0
        self._segments: list[Segment] = []
        self._open = False

    def made(self) -> list[Segment]:
        """Every segment."""
        if not self._picked:
            return []
        first = min(self._picked)
        before = self._before(first)
        last = first
        for row in chain.rows(self._connection, first):
            self._take(row, before)
            before, last = Head(row.n, _bytes(row.hash)), row.n
            if self._digests > MAX_DIGESTS:
                break
        self._jump(last)
        return self._segments

    def _before(self, n: int) -> Head:
        query = "SELECT n, hash FROM audit WHERE n < ? ORDER BY n DESC LIMIT 1"
        row = self._connection.execute(query, (n,)).fetchone()
        return Head(0, GENESIS) if row is None else Head(row[0], _bytes(row[1]))

    def _take(self, row: Row, before: Head) -> None:
        picked = row.n in self._picked
        if not picked and (not isinstance(row.digest, bytes) or before.n != row.n - 1):
            self._open = False
            return
        if not self._open or before.n != row.n - 1:
            self._segments.append(Segment(str(before), []))
            self._open = True
        if picked:
            self._segments[-1].links.append(_shown(row))
        else:
            self._digests += 1
            self._segments[-1].links.append(row.digest.hex())

    def _jump(self, last: int) -> None:
        """Behind as many digests as there may be: only what was picked, and where the trail ends."""
        for n in sorted(n for n in self._picked if n > last):
            row = next(chain.rows(self._connection, n))
            self._open = False
            self._take(row, self._before(n))
            last = n
        end = self._before(chain.MAX_N)
        if end.n != last or not self._open:
            self._segments.append(Segment(str(end), []))


def _shown(row: Row) -> AuditedRow:
    salt, digest = (None if one is None else _bytes(one).hex() for one in (row.salt, row.digest))
    at, actor, action, subject, details = (str(one) for one in row.content)
    return AuditedRow(row.n, at, actor, action, subject, details, salt, digest, _bytes(row.hash).hex())


def _bytes(stored: Any) -> bytes:
    """A hash; zeros where somebody has put something else."""
    return stored if isinstance(stored, bytes) else GENESIS
