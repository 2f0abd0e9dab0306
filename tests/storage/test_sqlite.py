"""The store on the real database: durability, atomicity, and what happens when it can't be written."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.adapters.storage.sqlite import schema
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.adapters.storage.sqlite.threads import Writer
from gateway.adapters.storage.sqlite.verify import holes
from gateway.domain.signals import Registration
from gateway.errors import StartError, StoreError
from gateway.ports import (
    AlarmFilter,
    AlarmRow,
    AuditEntry,
    Decision,
    DeliveryMark,
    FactRow,
    LaterVerdict,
    Message,
    QuarantineRow,
    SinkPlan,
    StoredVehicle,
    Token,
    VehicleRow,
)

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN = "XVGZZZ99ZTS000001"
CANARY = "CANARY00000000001"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "gateway.db", CANARY)
    await store.plan_sinks([SinkPlan("soc", "default", "primary"), SinkPlan("spare", "default", "standby")])
    yield store
    store.close()


def vehicle(version: int = 1, steps: int = 1, body: bytes = b"{}", vin: str = VIN) -> VehicleRow:
    return VehicleRow(vin, version, steps, body, None)


def fact(
    event_id: str, *, verdict: str | None = "alarm", alarm_id: str | None = "a1", digest: bytes = b"d"
) -> FactRow:
    return FactRow(
        VIN,
        "theft-sensor",
        event_id,
        digest,
        NOW,
        NOW,
        b"{}",
        trigger=True,
        verdict=verdict,
        alarm_id=alarm_id,
    )


def message(sequence: int, *, soc: str = "default", vin: str = VIN, event_ids: str = "[]") -> Message:
    body = f'{{"data":{{"vin":"{vin}","event_ids":{event_ids},"alarm_id":"a1"}}}}'.encode()
    return Message(soc, sequence, "alarm.raised", "a1", vin, critical=True, body=body, created_at=NOW)


def alarm(sequence: int, alarm_id: str = "a1", *, soc: str = "default", state: str = "open") -> AlarmRow:
    return AlarmRow(alarm_id, VIN, VIN, soc, "tilt", "theft", state, sequence, b'{"x":1}')


async def test_one_transaction_holds_event_state_alarm_message_outbox_and_audit(store: SqliteStore) -> None:
    await store.commit(
        Decision(
            facts=(fact("e1"),),
            vehicles=(vehicle(body=b'{"vin":"x"}'),),
            alarms=(alarm(1),),
            messages=(message(1, event_ids='["e1"]'),),
            audit=(AuditEntry(NOW, "gateway", "alarm.raised", "a1"),),
        )
    )
    known = await store.known([(VIN, "e1"), (VIN, "e2")], [VIN], [])
    assert known.digests == {(VIN, "e1"): frozenset({b"d"})}
    assert known.vehicles == {VIN: StoredVehicle(1, b'{"vin":"x"}')}
    assert await store.sequences() == {"default": 1}
    assert [one.sequence for one in await store.messages("default", 0, 10)] == [1]
    stored = await store.alarm("a1")
    assert stored is not None
    assert (stored.first_sequence, stored.event_ids) == (1, ("e1",))
    assert [row.sink for row in await store.deliveries(None, None, 0, 10)] == ["soc"]
    assert [row["action"] for row in (await store.audit_page(0, 10)).items] == ["alarm.raised"]


async def test_a_failed_part_undoes_the_whole_decision(store: SqliteStore) -> None:
    await store.commit(Decision(vehicles=(vehicle(),)))
    with pytest.raises(StoreError):
        await store.commit(Decision(facts=(fact("e1"),), messages=(message(1), message(1))))
    assert (await store.known([(VIN, "e1")], [], [])).digests == {}
    assert await store.sequences() == {}


async def test_two_writers_of_one_version_can_not_both_win(store: SqliteStore) -> None:
    await store.commit(Decision(vehicles=(vehicle(version=1),)))
    await store.commit(Decision(vehicles=(vehicle(version=3, steps=2),)))
    with pytest.raises(StoreError, match="another writer"):
        await store.commit(Decision(vehicles=(vehicle(version=2, steps=1),)))


async def test_whom_another_writer_has_overtaken_is_named_and_nothing_of_the_others_stays(
    store: SqliteStore,
) -> None:
    vins = [f"{VIN[:-2]}{number:02}" for number in range(70)]
    overtaken = vins[66]
    await store.commit(Decision(vehicles=(vehicle(version=5, vin=overtaken),)))
    with pytest.raises(StoreError, match=overtaken):
        await store.commit(Decision(vehicles=tuple(vehicle(version=2, vin=vin) for vin in vins)))
    assert [await store.vehicle(vin) is not None for vin in vins] == [vin == overtaken for vin in vins]


async def test_a_bad_job_costs_only_itself_in_a_group(store: SqliteStore) -> None:
    good = [Decision(vehicles=(vehicle(vin=f"XVGZZZ99ZTS{n:06}"),)) for n in range(20)]
    bad = Decision(messages=(message(1), message(1)))
    outcomes = await asyncio.gather(
        *(store.commit(one) for one in (*good[:10], bad, *good[10:])), return_exceptions=True
    )
    assert [type(one) for one in outcomes if one is not None] == [StoreError]
    assert len(await store.vehicles("", 100)) == 20


async def test_vehicles_of_the_registry_and_those_heard_are_paged_as_one_list(store: SqliteStore) -> None:
    vins = [f"XVGZZZ99ZTS{number:06}" for number in range(10)]
    await store.register([Registration(vin=vin) for vin in vins if vin[-1] in "01245"])
    await store.commit(
        Decision(vehicles=tuple(vehicle(vin=vin) for vin in ("gateway:gw-1", *vins) if vin[-1] in "134678-9"))
    )
    found: list[str] = []
    while page := await store.vehicles(found[-1] if found else "", 3):
        found += page
    assert found == vins


async def test_a_locked_database_never_blocks_the_loop(store: SqliteStore) -> None:
    """Trap 14: a locked file blocks its thread; that thread must not be the loop's."""
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    commit = asyncio.create_task(store.commit(Decision(vehicles=(vehicle(),))))
    turns = 0
    while not commit.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5, "the loop goes on while the commit waits for a second"
    with pytest.raises(StoreError, match="locked"):
        await commit
    other.execute("ROLLBACK")
    other.close()
    await store.commit(Decision(vehicles=(vehicle(),)))
    assert await store.vehicle(VIN) == StoredVehicle(1, b"{}")


async def test_it_works_again_after_a_full_disk(store: SqliteStore) -> None:
    def limit(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await store._writer.run(limit)
    with pytest.raises(StoreError, match="full"):
        await store.commit(Decision(vehicles=(vehicle(body=b"x" * 500_000),)))
    await store._writer.run(lambda on: on.execute("PRAGMA max_page_count = 1000000").close())
    await store.commit(Decision(vehicles=(vehicle(body=b"x" * 500_000),)))
    kept = await store.vehicle(VIN)
    assert kept is not None
    assert len(kept.body) == 500_000


async def test_everything_committed_is_there_after_opening_again(store: SqliteStore) -> None:
    await store.commit(Decision(messages=(message(1),), alarms=(alarm(1),)))
    feed_id = await store.feed_id()
    other = SqliteStore(store.path, CANARY)
    try:
        assert other.migrated[0] == other.migrated[1]
        assert await other.feed_id() == feed_id
        assert await other.sequences() == {"default": 1}
    finally:
        other.close()


async def test_parts_of_vehicles_outlive_the_change_of_their_table(tmp_path: Path) -> None:
    path, parts = tmp_path / "old.db", {"alarm/tilt": b"x" * 3_000, "settled": b"[]"}
    connection = sqlite3.connect(path, isolation_level=None)
    for version in range(1, 15):
        for statement in schema._statements(schema._scripts()[version]):
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 14")
    connection.execute("INSERT INTO vehicles VALUES (?, 1, '{}', NULL)", (VIN,))
    connection.executemany(
        "INSERT INTO vehicle_parts VALUES (?, ?, ?)", [(VIN, *one) for one in parts.items()]
    )
    connection.close()
    store = SqliteStore(path, CANARY)
    stored = await store.vehicle(VIN)
    assert stored is not None
    assert stored.parts == parts
    await store.commit(
        Decision(vehicles=(VehicleRow(VIN, 2, 1, b"{}", None, {"alarm/tilt": None, "settled": b"[1]"}),))
    )
    assert await store.vehicle(VIN) == StoredVehicle(2, b"{}", {"settled": b"[1]"})
    store.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "new.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StartError, match="999"):
        SqliteStore(tmp_path / "new.db", CANARY)


def test_an_unwritable_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="can't be opened"):
        SqliteStore(tmp_path / "file" / "gateway.db", CANARY)


async def test_a_pending_trigger_gets_its_verdict_later(store: SqliteStore) -> None:
    await store.commit(Decision(facts=(fact("e1", verdict="pending", alarm_id=None),)))
    await store.commit(Decision(verdicts=(LaterVerdict(VIN, "e1", "alarm", "a9"),)))
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT verdict, alarm_id FROM facts").fetchall() == [("alarm", "a9")]
    connection.close()


async def test_a_standby_gets_what_a_primary_has_not_confirmed(store: SqliteStore) -> None:
    await store.commit(Decision(messages=(message(1), message(2), message(3))))
    await store.mark([DeliveryMark("soc", "default", 1, "done", 1, None)])
    await store.mark([DeliveryMark("soc", "default", 3, "parked", 1, "400")])
    assert await store.stand_by(NOW - timedelta(seconds=1), 10) == ["spare"], "a parked one at once"
    assert [row.sequence for row in await store.deliveries(None, "spare", 0, 10)] == [3]
    assert await store.stand_by(NOW + timedelta(seconds=1), 10) == ["spare"], "an old one when it is due"
    assert [row.sequence for row in await store.deliveries(None, "spare", 0, 10)] == [3, 2]
    assert await store.stand_by(NOW + timedelta(seconds=1), 10) == [], "each only once"


async def test_a_soc_without_a_sink_falls_back_to_default(store: SqliteStore) -> None:
    await store.commit(Decision(messages=(message(1, soc="north"),)))
    assert [(row.sink, row.soc) for row in await store.deliveries(None, None, 0, 10)] == [("soc", "north")]


async def test_alarm_pages_never_end_between_two_feeds(store: SqliteStore) -> None:
    rows = tuple(
        alarm(sequence, f"{soc}{sequence}", soc=soc) for sequence in range(1, 6) for soc in ("a", "b", "c")
    )
    await store.commit(Decision(alarms=rows))
    seen: list[str] = []
    after = 0
    while page := await store.alarms(AlarmFilter(), after, 4):
        seen += [one.alarm_id for one in page]
        after = page[-1].first_sequence
    assert seen == [row.alarm_id for row in rows]


async def test_a_filter_finds_only_its_own(store: SqliteStore) -> None:
    await store.commit(Decision(alarms=(alarm(1, "x"), alarm(2, "y", state="closed"))))
    assert [one.alarm_id for one in await store.alarms(AlarmFilter(state="open"), 0, 10)] == ["x"]
    assert await store.alarms(AlarmFilter(cause="hold_up"), 0, 10) == []


async def test_the_same_bad_payload_only_counts(store: SqliteStore) -> None:
    row = QuarantineRow("t", "s", "why", b"\xff{", NOW, VIN)
    await store.commit(Decision(quarantine=(row,)))
    await store.commit(Decision(quarantine=(row,)))
    (page,) = await store.quarantine_page(0, 10)
    assert (page["count"], page["payload"]) == (2, "\\xff{")
    assert (await store.known([], [], [("t", "s")])).quarantined == {("t", "s")}


async def test_a_token_is_found_by_its_hash_and_revoked_once(store: SqliteStore) -> None:
    token = Token("t1", "hash", "operator", "Kim", NOW, NOW + timedelta(days=1))
    await store.add_token(token)
    assert await store.token("hash") == token
    assert await store.token("other") is None
    assert await store.revoke_token("t1", NOW)
    assert not await store.revoke_token("t2", NOW)
    (kept,) = await store.tokens()
    assert kept.revoked_at == NOW


async def test_each_import_is_a_new_registry_version(store: SqliteStore) -> None:
    assert await store.registry_version() == 0
    await store.register([Registration(vin=VIN, soc="north", driver_cards=("DC-1",))])
    await store.register([Registration(vin=VIN, soc="south")])
    assert await store.registry_version() == 2
    known = await store.known([], [VIN], [])
    assert known.registrations[VIN].soc == "south"


async def test_verify_names_each_hole(store: SqliteStore) -> None:
    await store.commit(
        Decision(
            facts=(fact("told"), fact("lost", digest=b"2"), fact("none", verdict=None, digest=b"3")),
            messages=(message(1, event_ids='["told"]'), message(3)),
        )
    )
    connection = sqlite3.connect(store.path)
    found = list(holes(connection))
    connection.close()
    assert len(found) == 3
    assert any("none" in one and "neither" in one for one in found)
    assert any("lost" in one and "0 messages" in one for one in found)
    assert any("lacks 1" in one for one in found)


async def test_retention_deletes_only_what_is_over_its_time(store: SqliteStore) -> None:
    await store.commit(Decision(facts=(fact("e1"),), messages=(message(1), message(2))))
    await store.mark([DeliveryMark("soc", "default", 1, "done", 1, None)])
    await store.prune(NOW + timedelta(days=31))
    assert [row.sequence for row in await store.deliveries(None, None, 0, 10)] == [2], "undelivered stays"
    assert (await store.known([(VIN, "e1")], [], [])).digests
    await store.prune(NOW + timedelta(days=431))
    assert not (await store.known([(VIN, "e1")], [], [])).digests


async def test_a_job_that_fails_costs_only_itself(tmp_path: Path) -> None:
    """Jobs share a transaction; one that fails is found out, and the others are done without it."""
    writer, begun, go_on = Writer(tmp_path / "jobs.db"), threading.Event(), threading.Event()
    try:
        await writer.run(lambda on: on.execute("CREATE TABLE jobs (n INTEGER PRIMARY KEY)"))

        def hold(_on: sqlite3.Connection) -> None:
            begun.set()
            go_on.wait(30)

        def insert(number: int) -> Callable[[sqlite3.Connection], int]:
            return lambda on: on.execute("INSERT INTO jobs VALUES (?)", (number,)).rowcount

        holding = asyncio.create_task(writer.run(hold))
        await asyncio.to_thread(begun.wait, 30)
        tasks = [asyncio.create_task(writer.run(insert(number))) for number in (1, 2, 2, 3)]
        await asyncio.sleep(0)
        go_on.set()
        await holding
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one if isinstance(one, int) else type(one) for one in outcomes] == [1, 1, StoreError, 1]
        assert await writer.run(lambda on: on.execute("SELECT count(*) FROM jobs").fetchone()) == (3,)
    finally:
        writer.close()
