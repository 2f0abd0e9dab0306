"""Ordered, active, certified, expired: what is printed, and what is answered instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.effects import Notify
from gateway.domain.security_code import KEY_BYTES
from gateway.domain.services.entitlements import car_security
from gateway.domain.signals import Mode, Registration
from tests.api.conftest import Client
from tests.api.doubles import NOW, VIN, Gateway

UNTIL = (NOW + timedelta(days=100)).isoformat()
CERTIFY = f"/api/v1/vehicles/{VIN}/services/car_security/certify"
PAGE = f"/api/v1/vehicles/{VIN}/certificate"


async def entered(gateway: Gateway, term: dict[str, Any] | None, **more: Any) -> None:
    services = {} if term is None else {"car_security": term}
    fields = {"main_user": "anna", "country": "NL", "model": "<T&1>", **more}
    await gateway.register(Registration(vin=VIN, services=services, **fields))
    gateway.store.registry[VIN] = gateway.store.states[VIN].registration  # type: ignore[assignment]


async def heard(gateway: Gateway) -> None:
    now = gateway.clock.now()
    await gateway.act(VIN, Mode(received_at=now, occurred_at=now, event_id="m1", private_mode=False))


@pytest.mark.parametrize(
    ("term", "code"),
    [
        (None, "not_ordered"),
        ({"until": UNTIL, "ordered": False}, "not_ordered"),
        ({"until": UNTIL, "from": (NOW + timedelta(days=1)).isoformat()}, "not_started"),
        ({"until": UNTIL}, "not_certified"),
        ({"until": NOW.isoformat(), "certified": True}, "expired"),
    ],
)
async def test_without_a_certificate_the_cause_is_said(
    gateway: Gateway, client: Client, term: dict[str, Any] | None, code: str
) -> None:
    await entered(gateway, term)
    answer = await client.get(PAGE, headers=gateway.bearer("main_user", user="anna"))
    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_a_workshop_certifies_and_the_owner_prints(gateway: Gateway, client: Client) -> None:
    await entered(gateway, {"until": UNTIL})
    workshop = gateway.bearer("workshop")
    refused = await client.post(CERTIFY, json={"method": "test_alarm"}, headers=workshop)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_heard")
    await heard(gateway)
    made = await client.post(CERTIFY, json={"method": "test_alarm", "note": "bay 3"}, headers=workshop)
    assert made.status_code == 200
    certificate = made.json()
    assert certificate["valid_from"] == NOW.isoformat().replace("+00:00", "Z")
    assert certificate["certified_by"] == "workshop"
    assert car_security(gateway.store.states[VIN].registration, NOW) == "certified"
    printed = await client.get(PAGE, headers=gateway.bearer("main_user", user="anna"))
    assert printed.status_code == 200
    assert printed.headers["content-type"] == "text/html; charset=utf-8"
    for shown in (certificate["number"], VIN, certificate["sha256"], "Certificaat", "&lt;T&amp;1&gt;"):
        assert shown in printed.text
    assert "<T&1>" not in printed.text
    assert "style-src 'sha256-" in printed.headers["content-security-policy"]
    actions = [entry.action for entry in gateway.store.trail]
    assert actions == ["car_security.certify.refused", "car_security.certified", "certificate.read"]
    hashes = {entry.details.get("sha256") for entry in gateway.store.trail[1:]}
    assert hashes == {certificate["sha256"]}


async def test_nobody_certifies_under_a_theft_alarm(gateway: Gateway, client: Client) -> None:
    await entered(gateway, {"until": UNTIL})
    await gateway.trigger("intrusion")
    answer = await client.post(
        CERTIFY, json={"method": "installation_check"}, headers=gateway.bearer("workshop")
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "call_soc")
    assert "intrusion" not in answer.text


async def test_an_imported_certificate_is_printed_too(gateway: Gateway, client: Client) -> None:
    key = {"salt": "s", "rounds": 1, "key": "00" * KEY_BYTES}
    await entered(gateway, {"until": UNTIL, "certified": True}, security_code_key=key)
    first = await client.get(PAGE, headers=gateway.bearer("auditor"))
    again = await client.get(PAGE, headers=gateway.bearer("admin"))
    assert first.status_code == 200
    assert first.text == again.text
    assert "CS-" in first.text


async def test_an_owner_certifies_nothing(gateway: Gateway, client: Client) -> None:
    await entered(gateway, {"until": UNTIL})
    answer = await client.post(CERTIFY, json={"method": "test_alarm"}, headers=gateway.bearer("main_user"))
    assert answer.status_code == 403
    assert not any(isinstance(one, Notify) for one in gateway.store.trail)
