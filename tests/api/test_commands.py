"""Remote access over HTTP: the answers and their statuses; the rules themselves have their own tests."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.security_code import key_of, response
from gateway.domain.signals import Connection, Mode, Movement, Registration
from gateway.pipeline.quota import BURST
from gateway.ports import Role
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway

KEY = key_of("1234", "5a17", 10)
ENTRY = Registration(
    vin=VIN,
    main_user="anna",
    secondary_users=("bert",),
    security_code_key={"salt": "5a17", "rounds": 10, "key": KEY.hex()},
    services={"remote_access": {"until": "2030-01-01T00:00:00Z"}},
)
BASE = f"/api/v1/vehicles/{VIN}"


@pytest.fixture
async def gateway(gateway: Gateway) -> Gateway:
    gateway.store.registry[VIN] = ENTRY
    await gateway.register(ENTRY)
    stamp: dict[str, Any] = {"received_at": NOW, "occurred_at": NOW}
    await gateway.act(VIN, Mode(event_id="m-1", remote_access_enabled=True, **stamp))
    await gateway.act(VIN, Movement(moving=False, **stamp))
    await gateway.act(VIN, Connection(online=True, **stamp))
    return gateway


class Person:
    """One caller."""

    def __init__(self, gateway: Gateway, client: Client, role: Role, user: str | None = None) -> None:
        self._gateway, self._client = gateway, client
        self._headers = gateway.bearer(role, user=user)
        self._count = 0

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await self._client.request(method, path, headers=self._headers, json=body)
        return answer.status_code, answer.json()

    async def ask(self, action: str, path: str = BASE, **more: Any) -> tuple[int, Any]:
        self._count += 1
        now = self._gateway.clock.now().isoformat()
        body = {"request_id": f"r-{self._count}", "action": action, "issued_at": now, **more}
        return await self.call("POST", f"{path}/commands", body)


@pytest.fixture
def anna(gateway: Gateway, client: Client) -> Person:
    return Person(gateway, client, "main_user", "anna")


async def test_accepted_is_202_refused_is_200_and_the_command_can_be_read(
    gateway: Gateway, client: Client, anna: Person
) -> None:
    status, accepted = await anna.ask("lock")
    assert status == 202
    assert accepted == {
        "request_id": "r-1",
        "command_id": accepted["command_id"],
        "status": "accepted",
        "reason": None,
    }
    path = f"/api/v1/commands/{accepted['command_id']}"
    status, command = await anna.call("GET", path)
    assert status == 200
    assert command == {
        "command_id": accepted["command_id"],
        "request_id": "r-1",
        "vin": VIN,
        "action": "lock",
        "status": "sent",
        "reason": None,
        "issued_at": "2026-11-22T09:30:00Z",
        "expires_at": "2026-11-22T09:31:00Z",
        "changed_at": "2026-11-22T09:30:00Z",
    }
    assert (await Person(gateway, client, "operator").call("GET", path))[0] == 200
    bert = Person(gateway, client, "secondary_user", "bert")
    assert (await bert.call("GET", path))[1]["code"] == "unknown_command"
    assert await anna.ask("unlock") == (
        200,
        {"request_id": "r-2", "command_id": None, "status": "refused", "reason": "security_code_required"},
    )


async def test_a_challenge_by_the_action_serves_as_by_its_own_route(anna: Person) -> None:
    status, given = await anna.ask("challenge", params={"purpose": "unlock"})
    assert (status, given["salt"], given["rounds"]) == (200, "5a17", 10)
    proof = response(KEY, given["challenge"], "anna", VIN, "unlock")
    assert (await anna.ask("unlock", challenge_response=proof))[0] == 202


async def test_another_partys_vehicle_is_404_whatever_is_asked(
    gateway: Gateway, client: Client, anna: Person
) -> None:
    await gateway.trigger(vin=OTHER)
    for path in (f"/api/v1/vehicles/{OTHER}", "/api/v1/vehicles/WVWZZZ1JZXW999999", "/api/v1/vehicles/x"):
        for action in ("lock", "sing", ""):
            status, problem = await anna.ask(action, path)
            assert (status, problem["code"]) == (404, "unknown_vehicle")
    kim = Person(gateway, client, "operator")
    assert (await kim.ask("release_engine_start", f"/api/v1/vehicles/{OTHER}"))[0] == 404  # not registered


async def test_beyond_the_quota_it_is_429(anna: Person) -> None:
    for _ in range(BURST):
        await anna.ask("sing")
    status, problem = await anna.ask("sing")
    assert (status, problem["code"]) == (429, "too_many_requests")


async def test_a_block_waits_for_the_same_call_by_another_person(gateway: Gateway, client: Client) -> None:
    kim, lou = Person(gateway, client, "operator"), Person(gateway, client, "supervisor")
    status, pending = await kim.ask("block_engine_start")
    assert (status, pending["approval"]) == (202, "pending")
    status, listed = await lou.call("GET", f"{BASE}/approvals")
    assert [(one["what"], one["asked_by"]) for one in listed["items"]] == [("block_engine_start", "operator")]
    assert (await lou.ask("block_engine_start", params={"x": 1}))[1]["approval_id"] != pending["approval_id"]
    status, accepted = await lou.ask("block_engine_start")
    assert (status, accepted["status"]) == (202, "accepted")


async def test_a_theft_report_is_the_main_users_and_not_a_secondary_ones(
    gateway: Gateway, client: Client, anna: Person
) -> None:
    bert = Person(gateway, client, "secondary_user", "bert")
    assert (await bert.call("POST", f"{BASE}/theft-report", {}))[0] == 403
    assert await anna.call("POST", f"{BASE}/theft-report") == (201, {"status": "reported", "alarm_id": None})
    assert (await anna.ask("lock"))[1]["reason"] == "call_soc"
    status, problem = await anna.call("POST", f"{BASE}/theft-report", {"note": "x" * 501})
    assert (status, problem["code"]) == (422, "invalid_request")
