"""Pages of the audit trail: together they are what was asked for, in either order."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.storage.sqlite import audit_pages, chain
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.ports import AuditEntry, AuditFilter

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
WHO, WHAT, TO = ("gateway", "Ada", "Bo"), ("case.claim", "case.read"), ("c1", "V", "")
TIMES = st.one_of(st.none(), st.integers(-2, 45).map(lambda s: NOW + timedelta(seconds=s)))
ENTRIES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(WHO), st.sampled_from(WHAT), st.sampled_from(TO)),
    max_size=25,
)


def any_of(names: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(names))


@given(
    said=ENTRIES,
    where=st.builds(
        AuditFilter,
        any_of(WHO),
        any_of(TO),
        any_of(WHAT),
        since=TIMES,
        until=TIMES,
        newest_first=st.booleans(),
    ),
    limit=st.integers(1, 6),
    look=st.integers(1, 30),
    missing=st.sets(st.integers(1, 25)),
)
def test_pages_together_are_what_was_asked_for(
    said: list[tuple[int, str, str, str]], where: AuditFilter, limit: int, look: int, missing: set[int]
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    entries: list[AuditEntry] = []
    at = NOW
    for gap_s, actor, action, subject in said:
        at += timedelta(seconds=gap_s)
        entries.append(AuditEntry(at, actor, action, subject))
    chain.append(connection, entries)
    connection.executemany("DELETE FROM audit WHERE n = ?", [(n,) for n in missing])
    wanted = [
        n
        for n, one in enumerate(entries, 1)
        if n not in missing
        and all(getattr(where, name) in {None, getattr(one, name)} for name in ("actor", "subject", "action"))
        and (where.since is None or one.at >= where.since)
        and (where.until is None or one.at < where.until)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_pages, "MAX_LOOK", look)
        found, after = [], 0
        while True:
            page = audit_pages.page(connection, where, after, limit)
            assert len(page.items) <= limit
            found += [one["n"] for one in page.items]
            if page.next_after is None:
                break
            assert page.next_after != after, "it goes on"
            after = page.next_after
    connection.close()
    assert found == (wanted[::-1] if where.newest_first else wanted)
