"""The list of cars that are not protected: worst first, audited, for the SOC only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.signals import Registration
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway

SERVICES = {"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}}


async def test_why_each_car_is_not_protected(gateway: Gateway, client: Client) -> None:
    await gateway.register(Registration(vin=VIN, country="NL", services=SERVICES))
    await gateway.register(Registration(vin=OTHER, contacts=({"name": "A", "phone": "1"},)))
    answer = await client.get("/api/v1/unprotected?limit=1", headers=gateway.bearer("operator"))
    assert answer.status_code == 200
    page = answer.json()
    assert page["next_after"] == f"2.{VIN}"
    assert [one["code"] for one in page["items"][0]["reasons"]] == [
        "service_expired",
        "no_contact",
        "never_heard",
    ]
    assert page["items"][0]["reasons"][0] == {
        "code": "service_expired",
        "severity": "major",
        "text": "Its car security service has ended.",
        "from_at": "2027-01-01T00:00:00Z",
        "until_at": None,
        "detail": None,
    }
    follows = await client.get(
        f"/api/v1/unprotected?after={page['next_after']}", headers=gateway.bearer("operator")
    )
    assert [one["vin"] for one in follows.json()["items"]] == [OTHER]
    assert follows.json()["next_after"] is None
    assert [entry.action for entry in gateway.store.trail] == ["unprotected.listed"] * 2


async def test_a_night_ends_at_the_next_morning(gateway: Gateway, client: Client) -> None:
    await client.get("/api/v1/unprotected?severity=critical", headers=gateway.bearer("auditor"))
    asked = gateway.store.asked
    assert asked is not None
    assert (asked.begin, asked.end) == (NOW, NOW.replace(hour=6, minute=0) + timedelta(days=1))
    assert asked.severity == "critical"


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=2.short", "code=ghost", "severity=mild", "until=2020-01-01T00:00:00Z", "until=soon"],
)
async def test_mistakes_are_named(gateway: Gateway, client: Client, query: str) -> None:
    answer = await client.get(f"/api/v1/unprotected?{query}", headers=gateway.bearer("operator"))
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "invalid_request"


async def test_no_owner_sees_the_list(gateway: Gateway, client: Client) -> None:
    answer = await client.get("/api/v1/unprotected", headers=gateway.bearer("main_user"))
    assert answer.status_code == 403
