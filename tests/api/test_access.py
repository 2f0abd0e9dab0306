"""Every route with every role, generated from the served document and the one policy table."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from litestar import Litestar

from gateway.api.app import build_app
from gateway.api.policy import POLICY, PUBLIC
from gateway.domain.signals import Registration
from gateway.ports import Role, Token
from tests.api.conftest import Client
from tests.api.doubles import OTHER, VIN, Gateway

ROLES: tuple[Role, ...] = get_args(Role)
APP: Litestar = build_app(Gateway().deps())
SCHEMA: dict[str, Any] = APP.openapi_schema.to_schema()
DOCUMENTED = sorted(f"{method.upper()} {path}" for path, item in SCHEMA["paths"].items() for method in item)
PROTECTED = [route for route in DOCUMENTED if route not in PUBLIC]


BODIES: dict[str, Any] = {
    "POST /api/v1/vehicles/{vin}/challenge": {"purpose": "unlock"},
    "PUT /api/v1/vehicles/{vin}": {"contacts": []},
    "PUT /api/v1/vehicles/{vin}/consents/{consent}": {"given": True},
    "PUT /api/v1/vehicles/{vin}/security-code": {"security_code": "1234"},
    "POST /api/v1/vehicles/{vin}/invitations": {"user": "bert"},
    "POST /api/v1/vehicles/{vin}/transfer": {"to_user": "carl"},
}
"""A good body for each route about one vehicle that needs one."""


def address(route: str) -> tuple[str, str]:
    method, path = route.split(" ")
    return method, re.sub(
        r"\{(\w+)\}", lambda match: {"vin": VIN, "delivery_id": "1"}.get(match[1], "x"), path
    )


async def call(client: Client, route: str, headers: dict[str, str]) -> tuple[int, Any]:
    method, path = address(route)
    if path.endswith("/feed"):
        path += "?after=9"  # ahead of the empty feed: answered, not streamed
    answer = await client.request(method, path, headers=headers)
    return answer.status_code, answer.json() if answer.content else None


async def test_every_route_has_its_row_and_every_row_its_route() -> None:
    routes = {f"{method} {route.path_format or '/'}" for route in APP.routes for method in route.methods}
    assert {route for route in routes if not route.startswith(("OPTIONS", "GET /openapi.json/"))} == {
        *POLICY,
        *PUBLIC,
    }
    assert set(PROTECTED) == set(POLICY)


@pytest.mark.parametrize("route", PROTECTED)
async def test_nobody_gets_in_without_a_token(client: Client, route: str) -> None:
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic dTpw"}):
        status, body = await call(client, route, headers)
        assert (status, body["code"]) == (401, "unauthorised")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", PROTECTED)
async def test_a_role_gets_in_only_where_the_table_says_so(
    gateway: Gateway, client: Client, route: str, role: Role
) -> None:
    status, body = await call(client, route, gateway.bearer(role))
    if role in POLICY[route]:
        assert status not in {401, 403, 500}
    else:
        assert (status, body["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("route", "role"),
    [
        (route, role)
        for route in PROTECTED
        for role in ("main_user", "secondary_user")
        if "{vin}" in route and role in POLICY[route]
    ],
)
async def test_another_partys_vehicle_looks_like_none(
    gateway: Gateway, client: Client, route: str, role: Role
) -> None:
    await gateway.trigger(vin=OTHER)
    gateway.store.registry[OTHER] = Registration(vin=OTHER, main_user="zoe", secondary_users=("yan",))
    method, path = address(route)
    headers = gateway.bearer(role, vin=VIN)
    body = BODIES.get(route)
    theirs = await client.request(method, path.replace(VIN, OTHER), headers=headers, json=body)
    nobody = path.replace(VIN, "WVWZZZ1JZXW999999")
    nobodys = await client.request(method, nobody, headers=headers, json=body)
    assert (
        (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json()) == (404, nobodys.json())
    )


ACCOUNTS = [route for route in PROTECTED if "/users/{user}" in route and "{vin}" not in route]


@pytest.mark.parametrize("role", ["main_user", "secondary_user"])
@pytest.mark.parametrize("route", ACCOUNTS)
async def test_another_persons_account_looks_like_none(
    gateway: Gateway, client: Client, route: str, role: Role
) -> None:
    gateway.store.registry[OTHER] = Registration(vin=OTHER, main_user="zoe")
    method, path = address(route)
    headers = gateway.bearer(role, user="anna")
    theirs = await client.request(method, path.replace("/x", "/zoe"), headers=headers)
    nobodys = await client.request(method, path, headers=headers)
    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert theirs.json()["code"] == "unknown_user"


@pytest.mark.parametrize("path", ["pairing", "joining", "transfer-acceptance"])
async def test_a_wrong_code_tells_nobody_which_vehicles_there_are(
    gateway: Gateway, client: Client, path: str
) -> None:
    gateway.store.registry[OTHER] = Registration(vin=OTHER)
    answers = []
    for vin, user in ((OTHER, "one"), ("WVWZZZ1JZXW999999", "two"), ("no vin", "three")):
        headers = gateway.bearer("main_user", user=user)
        body = {"vin": vin, "code": "00000000"}
        answer = await client.post(f"/api/v1/{path}", headers=headers, json=body)
        answers.append((answer.status_code, answer.json()))
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0][0], answers[0][1]["code"]) == (403, "code_wrong")
    assert set(gateway.store.states) <= {OTHER}


async def test_the_header_says_how_to_get_in(client: Client) -> None:
    answer = await client.get("/api/v1/alarms")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_revoked_token_ends_within_a_second(gateway: Gateway, client: Client) -> None:
    headers = gateway.bearer("operator")
    assert (await client.get("/api/v1/alarms", headers=headers)).status_code == 200
    for kept, token in gateway.store.kept.items():
        gateway.store.kept[kept] = revoked(token, gateway)
    gateway.clock.move(1.1)
    assert (await client.get("/api/v1/alarms", headers=headers)).status_code == 401


async def test_a_new_token_works_within_a_second_of_being_refused(gateway: Gateway, client: Client) -> None:
    headers = gateway.bearer("operator")
    kept = dict(gateway.store.kept)
    gateway.store.kept.clear()
    assert (await client.get("/api/v1/alarms", headers=headers)).status_code == 401
    gateway.store.kept.update(kept)
    gateway.clock.move(1.1)
    assert (await client.get("/api/v1/alarms", headers=headers)).status_code == 200


async def test_an_expired_token_is_refused(gateway: Gateway, client: Client) -> None:
    headers = gateway.bearer("operator")
    gateway.clock.move(86_401)
    assert (await client.get("/api/v1/alarms", headers=headers)).status_code == 401


async def test_the_store_is_asked_once_a_second_at_most(
    gateway: Gateway, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.clock, "mono_s", lambda: 100.0)
    headers = gateway.bearer("operator")
    for _ in range(5):
        await client.get("/api/v1/alarms", headers=headers)
    assert gateway.store.looked_up == 1


def revoked(token: Token, gateway: Gateway) -> Token:
    return Token(
        token.id,
        token.secret_hash,
        token.role,
        token.person,
        token.created_at,
        token.expires_at,
        revoked_at=gateway.clock.now(),
    )
