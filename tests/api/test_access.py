"""The policy table holds every route; tokens begin and end in time. Who may call what: test_access_matrix."""

from __future__ import annotations

import pytest
from litestar import Litestar

from gateway.api.app import build_app
from gateway.api.policy import POLICY, PUBLIC
from gateway.domain.signals import Registration
from gateway.ports import Token
from tests.api.conftest import Client
from tests.api.doubles import OTHER, Gateway

APP: Litestar = build_app(Gateway().deps())


async def test_every_route_has_its_row_and_every_row_its_route() -> None:
    routes = {f"{method} {route.path_format or '/'}" for route in APP.routes for method in route.methods}
    assert {route for route in routes if not route.startswith(("OPTIONS", "GET /openapi.json/"))} == {
        *POLICY,
        *PUBLIC,
    }


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
