"""Logging in to the console: passwords, sessions, lock-outs, what a foreign page can't do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.api.app import build_app
from gateway.api.passwords import MIN_LENGTH, fits, hash_password, made_up
from gateway.api.sessions import BACKGROUND, PER_ADDRESS, Sessions
from gateway.api.settings import ApiSettings
from gateway.errors import SettingsError
from gateway.ports import AuditEntry, Person
from gateway.settings import load
from tests.api.doubles import NOW, PASSWORD, Gateway, HandClock

ORIGIN = "http://gateway"
OWN = {"Origin": ORIGIN, "X-Gateway-Console": "person"}
Client = httpx.AsyncClient


async def log_in(client: Client, name: str = "kim", password: str = PASSWORD) -> httpx.Response:
    body = {"name": name, "password": password}
    return await client.post("/console/session", json=body, headers=OWN)


def client_of(gateway: Gateway, **deps: object) -> Client:
    transport = httpx.ASGITransport(build_app(gateway.deps(**deps)))  # type: ignore[arg-type]
    return Client(transport=transport, base_url="https://gateway" if deps.get("https") else ORIGIN)


@pytest.fixture
async def kim(gateway: Gateway, client: Client) -> Client:
    await gateway.person("kim", "operator")
    assert (await log_in(client)).status_code == 200
    return client


async def test_who_logs_in_has_the_rights_of_the_role_and_no_more(gateway: Gateway, kim: Client) -> None:
    assert (await kim.get("/api/v1/alarms")).status_code == 200
    assert (await kim.get("/api/v1/audit")).json()["code"] == "forbidden"
    me = (await kim.get("/console/session")).json()
    assert (me["person"], me["role"]) == ("kim", "operator")
    assert "GET /api/v1/alarms" in me["may"]
    assert "GET /api/v1/audit" not in me["may"]


async def test_an_act_is_audited_under_the_name_of_who_is_logged_in(gateway: Gateway, kim: Client) -> None:
    alarm = await gateway.trigger("tamper")
    answer = await kim.post(f"/api/v1/alarms/{alarm}/acknowledge", json={}, headers=OWN)
    assert answer.json()["acknowledged_by"] == "kim"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gateway-Console": "person"},
        {"Origin": ORIGIN},
        {**OWN, "Origin": "http://gateway.evil.example"},
        {**OWN, "Origin": "https://gateway"},
        {**OWN, "Origin": "null"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_foreign_page_can_neither_act_nor_log_in_nor_out(
    gateway: Gateway, kim: Client, headers: dict[str, str]
) -> None:
    alarm = await gateway.trigger("tamper")
    for method, path in (
        ("POST", f"/api/v1/alarms/{alarm}/acknowledge"),
        ("POST", "/console/session"),
        ("DELETE", "/console/session"),
    ):
        body = {"name": "kim", "password": PASSWORD} if path == "/console/session" else {}
        answer = await kim.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert (await kim.get(f"/api/v1/alarms/{alarm}")).json()["state"] == "open"


async def test_a_proxys_origin_is_the_configured_one(gateway: Gateway) -> None:
    await gateway.person("kim", "operator")
    async with client_of(gateway, https=True, origin="https://soc.example") as client:
        assert (await log_in(client)).status_code == 403
        answer = await client.post(
            "/console/session",
            json={"name": "kim", "password": PASSWORD},
            headers={**OWN, "Origin": "https://soc.example"},
        )
        assert answer.status_code == 200


async def test_the_cookie_is_bound_as_tightly_as_the_way_allows(gateway: Gateway) -> None:
    await gateway.person("kim", "operator")
    async with client_of(gateway) as client:
        cookie = (await log_in(client)).headers["set-cookie"]
    assert re.fullmatch(r"gateway-session=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", cookie)
    async with client_of(gateway, https=True) as client:
        answer = await client.post(
            "/console/session",
            json={"name": "kim", "password": PASSWORD},
            headers={**OWN, "Origin": "https://gateway"},
        )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-gateway-session=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert "max-age" in answer.headers["strict-transport-security"]


async def test_a_session_ends_when_nobody_was_there_for_15_minutes(gateway: Gateway, kim: Client) -> None:
    for _ in range(4):
        gateway.clock.move(14 * 60)
        assert (await kim.get("/api/v1/alarms")).status_code == 200
    status = 0
    for _ in range(16):
        gateway.clock.move(60)
        # The page's own asking is no person.
        status = (await kim.get("/api/v1/alarms", headers={"X-Gateway-Console": BACKGROUND})).status_code
    assert status == 401
    assert "login" in (await kim.get("/")).text


async def test_a_session_ends_after_12_hours_whoever_is_there(gateway: Gateway, kim: Client) -> None:
    for _ in range(71):
        gateway.clock.move(600)
        assert (await kim.get("/api/v1/alarms")).status_code == 200
    gateway.clock.move(600)
    assert (await kim.get("/api/v1/alarms")).status_code == 401


async def test_logging_out_ends_the_session_at_once_also_for_a_copied_cookie(
    gateway: Gateway, kim: Client
) -> None:
    copied = dict(kim.cookies)
    assert (await kim.delete("/console/session", headers=OWN)).status_code == 200
    kim.cookies.update(copied)
    assert (await kim.get("/api/v1/alarms")).status_code == 401
    kept = gateway.store.sqlite.execute("SELECT actor, action FROM audit ORDER BY n").fetchall()
    assert kept == [("cli:test", "person.added"), ("kim", "login.succeeded"), ("kim", "login.ended")]


async def test_a_removed_person_is_out_and_stays_out(gateway: Gateway, kim: Client) -> None:
    await gateway.store.remove_person("kim", AuditEntry(NOW, "cli:test", "person.removed", "kim"))
    gateway.clock.move(2)
    assert (await kim.get("/api/v1/alarms")).status_code == 401
    assert (await log_in(kim)).json()["code"] == "wrong_login"


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_audited(
    gateway: Gateway, client: Client
) -> None:
    await gateway.person("kim", "operator")
    answers = [await log_in(client, "kim", "wrong"), await log_in(client, "a-password", "wrong")]
    assert answers[0].json() == answers[1].json()
    assert [one.status_code for one in answers] == [401, 401]
    assert [(one.action, one.subject) for one in audited(gateway)] == [
        ("login.failed", "kim"),
        ("login.failed", ""),
    ]
    assert "a-password" not in str(audited(gateway))


async def test_guessing_is_locked_out_for_longer_each_time_and_a_right_login_forgets(
    gateway: Gateway, client: Client
) -> None:
    await gateway.person("kim", "operator")
    for minutes in (1, 5, 15, 15):
        for _ in range(5):
            assert (await log_in(client, password="wrong")).status_code == 401
        locked = await log_in(client)
        assert (locked.status_code, locked.json()["code"]) == (429, "login_locked")
        assert locked.headers["retry-after"] == str(minutes * 60)
        gateway.clock.move(minutes * 60)
    assert (await log_in(client)).status_code == 200
    for _ in range(4):
        await log_in(client, password="wrong")
    assert (await log_in(client)).status_code == 200


async def test_one_address_can_try_so_often_whatever_the_names(gateway: Gateway, client: Client) -> None:
    answers = [await log_in(client, f"guess-{n}", "x") for n in range(PER_ADDRESS + 1)]
    assert {one.status_code for one in answers[:-1]} == {401}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "too_many_logins")


async def test_lock_outs_and_sessions_outlive_a_restart(tmp_path: Path) -> None:
    clock = HandClock()

    def opened() -> tuple[SqliteStore, Sessions]:
        store = SqliteStore(tmp_path / "gateway.db", "CANARY00000000001")
        return store, Sessions(store, clock, https=False, origin=None)

    store, sessions = opened()
    person = Person("kim", "operator", hash_password(PASSWORD), NOW)
    await store.put_person(person, AuditEntry(NOW, "cli:test", "person.added", "kim"))
    _, token = await sessions.log_in("kim", PASSWORD, "127.0.0.1")
    for _ in range(5):
        assert await store.begin_login("sam", NOW) is None
    store.close()
    store, sessions = opened()
    try:
        assert await sessions.still_valid(token)
        assert await store.begin_login("sam", NOW) == NOW + timedelta(minutes=1)
        (kept,) = [row for row in await store.persons() if row.name == "kim"]
        assert kept.password_hash.startswith("$argon2id$")
    finally:
        store.close()


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: ApiSettings(cert_file="a.pem"), "belong together"),
        (lambda: ApiSettings(origin="https://soc.example/console"), "no origin"),
        (lambda: ApiSettings(origin="soc.example"), "no origin"),
    ],
)
def test_a_half_configured_https_is_told(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build()


def test_a_certificate_is_found_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[api]\ncert_file = "soc.pem"\nkey_file = "soc.key"\n')
    api = load(config, {}).api
    assert api.certificate == (str(tmp_path / "soc.pem"), str(tmp_path / "soc.key"))
    assert api.https
    config.write_text('[api]\ncert_file = "soc.pem"\n')
    with pytest.raises(SettingsError, match="belong together"):
        load(config, {})


def test_a_password_is_kept_as_what_it_can_only_be_compared_with() -> None:
    kept = hash_password(PASSWORD)
    assert fits(kept, PASSWORD)
    assert not fits(kept, PASSWORD + " ")
    assert not fits(None, PASSWORD)
    assert not fits("spoilt", PASSWORD)
    assert len(made_up()) == 24
    with pytest.raises(ValueError, match="characters"):
        hash_password("x" * (MIN_LENGTH - 1))


ONCE = "good-for-one-time-only"
OWN_PASSWORD = "my-own-long-password"  # of a test


async def once(gateway: Gateway, hours: int = 24) -> None:
    """Let kim in with a password that is good once."""
    until = gateway.clock.now() + timedelta(hours=hours)
    person = Person("kim", "operator", hash_password(ONCE), gateway.clock.now(), one_time_until=until)
    await gateway.store.put_person(person, AuditEntry(gateway.clock.now(), "cli:test", "person.added", "kim"))


async def set_password(
    client: Client, password: str = ONCE, new: str = OWN_PASSWORD, headers: dict[str, str] = OWN
) -> httpx.Response:
    body = {"name": "kim", "password": password, "new_password": new}
    return await client.post("/console/password", json=body, headers=headers)


async def test_a_one_time_password_opens_nothing_but_sets_one_once(gateway: Gateway, client: Client) -> None:
    await once(gateway)
    answer = await log_in(client, password=ONCE)
    assert (answer.status_code, answer.json()["code"]) == (403, "password_needed")
    assert "set-cookie" not in answer.headers
    assert (await set_password(client, headers={})).json()["code"] == "cross_site"
    for unfit in ("short", ONCE):
        assert (await set_password(client, new=unfit)).status_code == 422
    assert (await set_password(client)).status_code == 200
    assert (await client.get("/api/v1/alarms")).status_code == 200
    assert (await set_password(client, new="another-one-of-mine")).json()["code"] == "wrong_login"
    assert (await log_in(client, password=ONCE)).json()["code"] == "wrong_login"
    assert (await log_in(client, password=OWN_PASSWORD)).status_code == 200
    kept = gateway.store.sqlite.execute("SELECT action, details FROM audit ORDER BY n").fetchall()
    assert "login.password_set" in [action for action, _ in kept]
    assert not any(ONCE in details or OWN_PASSWORD in details for _, details in kept)


async def test_of_two_who_use_a_one_time_password_at_once_one_is_let_in(gateway: Gateway) -> None:
    await once(gateway)
    async with client_of(gateway) as one, client_of(gateway) as other:
        answers = await asyncio.gather(set_password(one), set_password(other, new="another-one-of-mine"))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_a_one_time_password_ends_and_guessing_it_is_locked_out(
    gateway: Gateway, client: Client
) -> None:
    await once(gateway, hours=1)
    gateway.clock.move(3600)
    assert (await set_password(client)).json()["code"] == "login_expired"
    await once(gateway)
    wrong = [(await set_password(client, password="wrong-wrong-wrong")).status_code for _ in range(6)]
    assert wrong == [401] * 5 + [429]
    assert (await set_password(client)).status_code == 429


async def test_who_sets_another_password_ends_every_other_session(gateway: Gateway, kim: Client) -> None:
    async with client_of(gateway) as elsewhere:
        assert (await log_in(elsewhere)).status_code == 200
        assert (await set_password(kim, password=PASSWORD)).status_code == 200
        assert (await kim.get("/api/v1/alarms")).status_code == 200
        assert (await elsewhere.get("/api/v1/alarms")).status_code == 401


def audited(gateway: Gateway) -> list[AuditEntry]:
    """What the logins left in the trail."""
    return [one for one in gateway.store.trail if one.action.startswith("login.")]
