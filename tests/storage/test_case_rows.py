"""Cases in the real database: paged by an index, one open case a vehicle, forgotten in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.adapters.storage.sqlite import case_files
from gateway.adapters.storage.sqlite.retention import KEEP_CASES
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.domain.cases import Case, CaseState
from gateway.ports import CaseEntryRow, CaseFilter, CaseRow, Decision, Waiting, WaitingRow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
MANY = 100_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "gateway.db", "CANARY00000000001")
    yield store
    store.close()


def row(number: int, state: CaseState = "new", vin: str | None = None, **more: object) -> CaseRow:
    case = Case(case_id=f"c{number}", opened_at=NOW, state=state, causes=("tilt",), **more)  # type: ignore[arg-type]  # fields of a case
    return CaseRow(vin or f"V{number}", "default", case)


async def commit(store: SqliteStore, *rows: CaseRow) -> None:
    entries = tuple(CaseEntryRow(one.case.case_id, NOW, "gateway", "case.claim", {}) for one in rows)
    await store.commit(Decision(cases=rows, case_entries=entries))


async def test_a_page_of_a_hundred_thousand_cases_reads_only_what_it_shows(store: SqliteStore) -> None:
    """Counted in steps of the database's machine: no clock decides whether it is fast."""
    connection = sqlite3.connect(store.path)
    body = b'{"case_id":"x","opened_at":"2026-11-22T09:30:00Z"}'
    connection.executemany(
        "INSERT INTO cases (case_id, vin, soc, state, claimed_by, escalated, closed_at, body)"
        " VALUES (?, ?, 'default', ?, ?, ?, NULL, ?)",
        (
            (
                f"c{n}",
                f"V{n}",
                "closed" if n % 100 else "new",
                "Ada" if n % 200 == 0 else None,
                n % 500 == 0,
                body,
            )
            for n in range(MANY)
        ),
    )
    for where, after in (
        (CaseFilter(), MANY - 200),
        (CaseFilter(state="new"), 50_000),
        (CaseFilter(claimed_by="Ada"), 50_000),
        (CaseFilter(escalated=1), 50_000),
        (CaseFilter(vin="V77777"), 0),
        (CaseFilter(soc="elsewhere"), 0),
    ):
        steps = counted(connection, partial(case_files.cases, connection, where, after, 100))
        assert steps < 10_000, where
    connection.close()


def counted(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Machine steps that it took, in thousands at least."""
    seen = [0]

    def tick() -> int:
        seen[0] += 100
        return 0

    connection.set_progress_handler(tick, 100)
    work()
    connection.set_progress_handler(None, 0)
    return seen[0]


async def test_a_vehicle_has_one_open_case(store: SqliteStore) -> None:
    """One whose vehicle forgot it, because its state could not be read, does not stay open for ever."""
    await commit(store, row(1, "claimed", "V", claimed_by="Ada"))
    await commit(store, row(2, "new", "V"))
    found = [(one.case.case_id, one.case.state) for one in await store.cases(CaseFilter(vin="V"), 0, 10)]
    assert found == [("c1", "closed"), ("c2", "new")]


async def test_a_case_is_forgotten_long_after_it_was_closed(store: SqliteStore) -> None:
    await commit(store, row(1, "closed", closed_at=NOW), row(2))
    await store.prune(NOW + KEEP_CASES - timedelta(days=1))
    assert await store.case("c1") is not None
    await store.prune(NOW + KEEP_CASES + timedelta(days=1))
    assert (await store.case("c1"), [one.case.case_id for one in await store.cases(CaseFilter(), 0, 10)]) == (
        None,
        ["c2"],
    )
    kept = await store.case("c2", 0, 10)
    assert kept is not None
    assert [one.entry.what for one in kept.entries] == ["case.claim"]


async def test_changed_cases_are_told_once_each_by_their_newest_entry(store: SqliteStore) -> None:
    await commit(store, row(1), row(2), row(1, "claimed"))
    other = CaseRow("V3", "elsewhere", Case(case_id="c3", opened_at=NOW))
    await commit(store, other)
    found = await store.case_changes("default", 0, 3)
    assert [(n, one.case.case_id, one.case.state) for n, one in found.cases] == [
        (2, "c2", "new"),
        (3, "c1", "claimed"),
    ]
    assert (found.after, found.whole) == (3, False)
    rest = await store.case_changes("default", found.after, 3)
    assert (rest.cases, rest.after, rest.whole) == ((), 4, True)
    assert await store.newest_case_entry() == 4


async def test_the_number_of_an_entry_is_given_once_also_after_the_newest_were_forgotten(
    store: SqliteStore,
) -> None:
    await commit(store, row(1, "closed", closed_at=NOW))
    followed = await store.newest_case_entry()
    await store.prune(NOW + KEEP_CASES + timedelta(days=1))
    assert await store.case("c1") is None
    assert await store.newest_case_entry() == followed
    await commit(store, row(2))
    found = await store.case_changes("default", followed, 3)
    assert [(n, one.case.case_id) for n, one in found.cases] == [(followed + 1, "c2")]


async def test_what_waits_for_a_second_person_is_what_was_last_said_of_each_vehicle(
    store: SqliteStore,
) -> None:
    def waits(vin: str, *people: str, soc: str = "default") -> Decision:
        waiting = tuple(
            Waiting(f"{vin}-{who}", vin, None, "manual_report", who, NOW, NOW + timedelta(minutes=10))
            for who in people
        )
        return Decision(waiting=(WaitingRow(vin, soc, waiting),))

    for decision in (
        *(waits("V1", "Ada"), waits("V2", "Bo"), waits("V3", "Cy", soc="other")),
        *(waits("V1", "Ada", "Di"), waits("V2")),
    ):
        await store.commit(decision)
    assert [one.asked_by for one in await store.waiting("default", 10)] == ["Ada", "Di"]
    assert len(await store.waiting("default", 1)) == 1
