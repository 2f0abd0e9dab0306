"""What the store keeps of people: tries, counted before they are judged; rights by user; revocation."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.adapters.storage.sqlite import schema
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.domain.signals import Registration
from gateway.ports import AuditEntry, Decision, Notification, Revocation, Token

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN, OTHER = "XVGZZZ99ZTS000001", "XVGZZZ99ZTS000002"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "gateway.db", "CANARY00000000001")
    yield store
    store.close()


async def test_many_tries_at_once_are_no_more_than_one_after_the_other(store: SqliteStore) -> None:
    answers = await asyncio.gather(*(store.begin_try("eve", NOW) for _ in range(20)))
    assert answers.count(None) == 3
    assert set(answers) == {None, NOW + timedelta(minutes=15)}


async def test_a_right_code_takes_back_its_own_try_only(store: SqliteStore) -> None:
    """Else an own vehicle's codes would reset the count of guesses at another's."""
    for _ in range(3):
        await store.begin_try("eve", NOW)
        await store.forgive_try("eve", NOW)
    assert [await store.begin_try("eve", NOW) for _ in range(2)] == [None, None]
    assert await store.begin_try("eve", NOW) is None
    await store.forgive_try("eve", NOW)  # the third locks, unless it was right
    assert [await store.begin_try("eve", NOW) for _ in range(2)] == [None, NOW + timedelta(minutes=15)]


async def test_lock_outs_grow_and_a_quiet_day_ends_the_count(store: SqliteStore) -> None:
    now = NOW
    for lock in (timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)):
        assert [await store.begin_try("eve", now) for _ in range(4)] == [None, None, None, now + lock]
        now += lock
    assert await store.begin_try("eve", now) is None
    assert await store.begin_try("eve", now) is None
    now += timedelta(days=1)
    assert [await store.begin_try("eve", now) for _ in range(3)] == [None] * 3


async def test_a_clock_set_back_makes_no_lock_out_longer(store: SqliteStore) -> None:
    for _ in range(3):
        await store.begin_try("eve", NOW)
    earlier = NOW - timedelta(days=3)
    assert await store.begin_try("eve", earlier) == earlier + timedelta(minutes=15)
    assert await store.begin_try("eve", earlier + timedelta(minutes=15)) is None


async def test_vehicles_of_a_user_follow_the_registry(store: SqliteStore) -> None:
    await store.register([Registration(vin=VIN, main_user="anna", secondary_users=("bert",))])
    await store.register([Registration(vin=OTHER, main_user="bert")])
    assert await store.vehicles_of("bert") == [(VIN, "secondary_user"), (OTHER, "main_user")]
    await store.register([Registration(vin=VIN, main_user="carl")])
    assert await store.vehicles_of("bert") == [(OTHER, "main_user")]
    assert await store.registered_since(2, 10) == [VIN]


async def test_a_revocation_ends_tokens_and_waiting_notifications_of_that_vehicle_only(
    store: SqliteStore,
) -> None:
    def token(name: str, user: str | None, vin: str | None) -> Token:
        return Token(name, name, "main_user", "x", NOW, None, user, vin)

    for one in (
        token("a", "anna", VIN),
        token("b", "anna", OTHER),
        token("c", "anna", None),
        token("d", None, VIN),
    ):
        await store.add_token(one)
    waiting = tuple(
        Notification(f"{user}{vin}", user, vin, b"{}", NOW)
        for user in ("anna", "carl")
        for vin in (VIN, OTHER)
    )
    await store.commit(Decision(notifications=waiting))
    await store.commit(Decision(revocations=(Revocation(VIN, ("anna",), True, NOW),)))
    assert [one.id for one in await store.tokens() if one.revoked_at is not None] == ["a", "d"]
    left = {(one.user, one.vin) for one in await store.notifications(10)}
    assert left == {("anna", OTHER), ("carl", VIN), ("carl", OTHER)}


async def test_erasure_leaves_the_audit_chain_whole(store: SqliteStore) -> None:
    await store.audit([AuditEntry(NOW, "Anna", "x", VIN)])
    await store.add_token(Token("a", "a", "main_user", "Anna", NOW, None, "anna", None))
    await store.erase("anna", [], AuditEntry(NOW, "admin", "user.erased", "user:1"))
    assert await store.tokens() == []
    assert [row["action"] for row in (await store.audit_page(0, 10)).items] == ["x", "user.erased"]


def test_users_of_an_older_database_are_found_and_what_can_not_be_read_stops_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    scripts = schema._scripts()
    for version in (1, 2):
        for statement in schema._statements(scripts[version]):
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 2")
    entry = Registration(vin=VIN, main_user="anna", secondary_users=("bert", "carl"))
    for vin, body in ((VIN, msgspec.json.encode(entry)), (OTHER, b"\xff{")):
        connection.execute("INSERT INTO registry VALUES (?, 1, ?)", (vin, body))
    schema.migrate(connection)
    rows = connection.execute("SELECT user, role FROM registry_users ORDER BY user").fetchall()
    assert rows == [("anna", "main_user"), ("bert", "secondary_user"), ("carl", "secondary_user")]
    connection.close()
