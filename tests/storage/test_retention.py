"""What is deleted and what stays, in the real database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.storage.sqlite.retention import BITE, KEEP_CANARY, MAX_TRACK, Keeping
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.adapters.storage.sqlite.verify import holes
from gateway.pipeline.meters import Tally
from gateway.pipeline.retention import Retention
from gateway.ports import Decision, DeliveryMark, DeliveryState, FactRow, Message, SinkPlan, TrackRow
from gateway.testing import FakeClock

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN = "XVGZZZ99ZTS000001"
CANARY = "CANARY00000000001"
KEEPING = Keeping(messages=timedelta(days=10), journal=timedelta(days=400))
SINKS = [SinkPlan("soc", "default", "primary"), SinkPlan("north", "north", "primary")]


def opened(path: Path) -> SqliteStore:
    return SqliteStore(path, CANARY, KEEPING)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = opened(tmp_path / "gateway.db")
    await store.plan_sinks(SINKS)
    yield store
    store.close()


def told(sequence: int, age: timedelta, soc: str = "default") -> Decision:
    """A trigger and its message, made so long ago."""
    at, event_id = NOW - age, f"{soc}-{sequence}"
    body = f'{{"data":{{"vin":"{VIN}","event_ids":["{event_id}"],"alarm_id":"a1"}}}}'.encode()
    fact = FactRow(
        VIN, "theft-sensor", event_id, b"d", at, at, b"{}", trigger=True, verdict="alarm", alarm_id="a1"
    )
    message = Message(soc, sequence, "alarm.raised", "a1", VIN, critical=True, body=body, created_at=at)
    return Decision(facts=(fact,), messages=(message,))


async def settle(store: SqliteStore, states: Sequence[str], soc: str = "default") -> None:
    sink = "soc" if soc == "default" else soc
    await store.mark(
        [
            DeliveryMark(sink, soc, place, cast("DeliveryState", state), 1, None)
            for place, state in enumerate(states, 1)
            if state != "pending"
        ]
    )


def rows(store: SqliteStore, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(store.path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def complaints(store: SqliteStore) -> list[str]:
    connection = sqlite3.connect(store.path)
    found = list(holes(connection))
    connection.close()
    return found


STATES = st.sampled_from(["done", "done", "done", "parked", "pending"])
AGES = st.lists(st.tuples(st.integers(0, 40), STATES), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(feed=AGES)
def test_only_the_beginning_of_a_feed_goes(
    tmp_path_factory: pytest.TempPathFactory, feed: list[tuple[int, str]]
) -> None:
    asyncio.run(check(tmp_path_factory.mktemp("kept") / "gateway.db", feed))


async def check(path: Path, feed: list[tuple[int, str]]) -> None:
    store = opened(path)
    await store.plan_sinks(SINKS)
    ages = sorted((age for age, _ in feed), reverse=True)
    for sequence, age in enumerate(ages, 1):
        await store.commit(told(sequence, timedelta(days=age)))
    states = [state for _, state in feed]
    await settle(store, states)
    await store.prune(NOW)
    kept = [one.sequence for one in await store.messages("default", 0, 100)]
    blocked = states.index("pending") if "pending" in states else len(feed)
    gone = min(sum(age > KEEPING.messages.days for age in ages), blocked, len(feed) - 1)
    assert kept == list(range(gone + 1, len(feed) + 1))
    assert await store.sequences() == {"default": len(feed)}
    waiting = [row.sequence for row in await store.deliveries("pending", None, 0, 100)]
    assert waiting == [place for place, state in enumerate(states, 1) if state == "pending"]
    assert complaints(store) == []
    store.close()


async def test_a_feed_that_waits_holds_up_no_other(store: SqliteStore) -> None:
    for soc in ("default", "north"):
        for sequence in (1, 2):
            await store.commit(told(sequence, timedelta(days=20), soc))
    await settle(store, ["done", "done"], "north")
    await store.prune(NOW)
    assert [await store.oldest_sequence(soc) for soc in ("default", "north")] == [1, 2]


async def test_more_than_a_bite_goes_in_one_sweep_and_decisions_come_between(store: SqliteStore) -> None:
    many = 3 * BITE
    for sequence in range(1, many + 1):
        await store.commit(told(sequence, timedelta(days=20)))
    await settle(store, ["parked"] * BITE + ["done"] * (many - BITE))
    bites: list[tuple[str, int]] = []
    sweep = asyncio.create_task(store.prune(NOW, lambda table, count: bites.append((table, count)), 0.01))
    sequence = many
    while not sweep.done():
        sequence += 1
        await store.commit(told(sequence, timedelta(0)))
    await sweep
    assert max(count for _, count in bites) <= BITE
    assert sum(count for table, count in bites if table == "messages") >= many
    assert rows(store, "SELECT COUNT(*) FROM deliveries WHERE sequence <= 600") == [(0,)]
    assert (await store.sequences(), complaints(store)) == ({"default": sequence}, [])


async def test_parked_deliveries_hold_up_none_behind_them(store: SqliteStore) -> None:
    """Messages are kept longer than what was delivered of them."""
    kept = SqliteStore(store.path, CANARY, Keeping(messages=timedelta(days=1000)))
    for sequence in range(1, 2 * BITE + 2):
        await store.commit(told(sequence, timedelta(days=40)))
    await settle(store, ["parked"] * 2 * BITE + ["done"])
    await kept.prune(NOW)
    kept.close()
    assert rows(store, "SELECT state, COUNT(*) FROM deliveries GROUP BY state") == [("parked", 2 * BITE)]


async def test_a_track_keeps_its_newest_positions(store: SqliteStore) -> None:
    connection = sqlite3.connect(store.path)
    connection.executemany(
        "INSERT INTO tracks (vin, case_id, at, latitude, longitude) VALUES ('V', ?, '2026', 52, 4)",
        [("long",)] * (MAX_TRACK + 2 * BITE) + [("short",)] * 3,
    )
    connection.commit()
    connection.close()
    await store.prune(NOW)
    counts = rows(store, "SELECT case_id, COUNT(*), MIN(n) FROM tracks GROUP BY case_id ORDER BY case_id")
    assert counts == [("long", MAX_TRACK, 2 * BITE + 1), ("short", 3, MAX_TRACK + 2 * BITE + 1)]


async def test_a_track_goes_after_its_case(store: SqliteStore) -> None:
    await store.commit(Decision(track=(TrackRow(VIN, "c1", NOW, 52.0, 4.0, None),) * 3))
    connection = sqlite3.connect(store.path)
    connection.execute("INSERT INTO left_cases VALUES ('c1', ?)", (NOW.isoformat(timespec="microseconds"),))
    connection.commit()
    connection.close()
    await store.prune(NOW + timedelta(days=29))
    assert rows(store, "SELECT COUNT(*) FROM tracks") == [(3,)]
    await store.prune(NOW + timedelta(days=31))
    assert rows(store, "SELECT (SELECT COUNT(*) FROM tracks), (SELECT COUNT(*) FROM left_cases)") == [(0, 0)]


async def test_canaries_go_after_a_day(store: SqliteStore) -> None:
    old, new = NOW - KEEP_CANARY - timedelta(seconds=1), NOW
    for number in range(BITE + 10):
        at = old if number % 2 else new
        fact = FactRow(CANARY, "theft-sensor", f"c-{number}", b"d", at, at, b"{}", verdict="canary")
        await store.commit(Decision(facts=(fact,)))
    await store.prune(NOW)
    assert rows(store, "SELECT COUNT(*) FROM facts") == [((BITE + 10) // 2,)]


async def test_what_is_deleted_is_counted_and_told(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pipeline.retention.EVERY_S", 0.0)
    monkeypatch.setattr("gateway.pipeline.retention.PAUSE_S", 0.0)
    for sequence in (1, 2, 3):
        await store.commit(told(sequence, timedelta(days=20)))
    await settle(store, ["done", "done", "done"])
    lines: asyncio.Queue[tuple[str, Counter[str]]] = asyncio.Queue()

    class Log:
        def info(self, event: str, **tables: int) -> None:
            lines.put_nowait((event, Counter(tables)))

    meters = Tally()
    sweeping = asyncio.create_task(Retention(store, FakeClock(NOW), meters, Log()).run())
    async with asyncio.timeout(30):
        assert await lines.get() == ("store.pruned", Counter(messages=2))
    sweeping.cancel()
    assert meters.totals["gateway_pruned_total"] == 2
