"""Registry, pairing, users, hand-over and erasure over HTTP: who may, what is answered, what is left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.domain.security_code import key_of, response
from gateway.domain.signals import Mode, Registration
from gateway.ports import Role
from tests.api.conftest import Client
from tests.api.doubles import VIN, Gateway

KEY: dict[str, Any] = {"salt": "5a17", "rounds": 10, "key": key_of("1234", "5a17", 10).hex()}
SERVICES = {"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}}
ENTRY = Registration(
    vin=VIN, main_user="anna", secondary_users=("bert",), security_code_key=KEY, services=SERVICES
)
BASE = f"/api/v1/vehicles/{VIN}"


@pytest.fixture
def gateway(gateway: Gateway) -> Gateway:
    gateway.store.registry[VIN] = ENTRY
    return gateway


class Person:
    """One caller."""

    def __init__(
        self, gateway: Gateway, client: Client, role: Role, user: str | None = None, **more: Any
    ) -> None:
        self._client, self.user = client, user
        self._headers = gateway.bearer(role, user=user, **more)

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        at = path if path.startswith("/api") else BASE + path
        answer = await self._client.request(method, at, headers=self._headers, json=body)
        return answer.status_code, answer.json()

    async def code(self, path: str, code: str) -> tuple[int, Any]:
        return await self.call("POST", f"/api/v1/{path}", {"vin": VIN, "code": code})

    async def proof(self, code: str = "1234") -> str:
        status, body = await self.call("POST", "/challenge", {"purpose": "transfer"})
        assert status == 200, body
        key = key_of(code, body["salt"], body["rounds"])
        return response(key, body["challenge"], self.user or "", VIN, "transfer")


class Village:
    """Everybody."""

    def __init__(self, gateway: Gateway, client: Client) -> None:
        self.gateway = gateway
        self.anna = Person(gateway, client, "main_user", "anna")
        self.bert = Person(gateway, client, "secondary_user", "bert")
        self.carl = Person(gateway, client, "main_user", "carl")
        self.admin = Person(gateway, client, "admin")
        self.workshop = Person(gateway, client, "workshop")
        self.kim = Person(gateway, client, "operator")

    async def states(self, enabled: bool) -> None:
        self.gateway.clock.move(1)
        now = self.gateway.clock.now()
        fact = Mode(received_at=now, occurred_at=now, event_id=f"m{now}", remote_access_enabled=enabled)
        await self.gateway.act(VIN, fact)


@pytest.fixture
def all_of(gateway: Gateway, client: Client) -> Village:
    return Village(gateway, client)


async def test_each_field_is_changed_by_its_roles(all_of: Village) -> None:
    status, entry = await all_of.workshop.call("PUT", "", {"driver_cards": ["DC-1", "DC-2"]})
    assert (status, entry["driver_cards"], entry["main_user"], entry["contacts"]) == (
        200,
        ["DC-1", "DC-2"],
        None,
        None,
    )
    status, problem = await all_of.workshop.call("PUT", "", {"model": "van"})
    assert (status, problem["code"]) == (403, "not_authorised")
    status, problem = await all_of.admin.call("PUT", "", {"contacts": []})
    assert (status, problem["code"]) == (403, "not_authorised")
    status, entry = await all_of.admin.call(
        "PUT", "", {"model": "van", "soc": "north", "equipment": ["siren"]}
    )
    assert (status, entry["model"], entry["soc"], entry["equipment"]) == (200, "van", "north", ["siren"])
    assert (await all_of.kim.call("GET", "/registry"))[1]["main_user"] == "anna"


@pytest.mark.parametrize(
    "body",
    [
        {"colour": "red"},
        {"driver_cards": [f"DC-{n}" for n in range(8)]},
        {"secondary_users": ["a", "b", "c", "d", "e", "f"]},
        {"secondary_users": ["a", "a"]},
        {"main_user": VIN},
        {"main_user": "gateway-9"},
        {"services": {"massage": {"until": "2027-01-01T00:00:00Z"}}},
        {"services": {"charging": {"until": "tomorrow"}}},
        {"soc": "a b"},
        {},
    ],
    ids=lambda body: next(iter(body), "nothing"),
)
async def test_what_can_not_be_is_refused_whole(all_of: Village, body: dict[str, Any]) -> None:
    status, problem = await all_of.admin.call("PUT", "", {**body, **({"model": "van"} if body else {})})
    assert (status, problem["code"]) == (422, "invalid_request")
    assert all_of.gateway.store.registry[VIN] == ENTRY


async def test_contacts_take_the_code_and_the_old_ones_are_kept(all_of: Village) -> None:
    new = [{"name": "Anna", "phone": "+31201234567"}]
    status, problem = await all_of.anna.call("PUT", "", {"contacts": new})
    assert (status, problem["code"]) == (403, "security_code_required")
    proof = await all_of.anna.proof()
    status, entry = await all_of.anna.call("PUT", "", {"contacts": new, "challenge_response": proof})
    assert (status, entry["contacts"]) == (200, new)
    proof = await all_of.anna.proof()
    status, entry = await all_of.anna.call("PUT", "", {"contacts": [], "challenge_response": proof})
    assert [one["contacts"] for one in entry["past_contacts"]] == [new]


async def test_a_main_users_token_for_one_vehicle_speaks_for_its_main_user(
    gateway: Gateway, client: Client
) -> None:
    bound = Person(gateway, client, "main_user", vin=VIN)
    status, asked = await bound.call("POST", "/challenge", {"purpose": "transfer"})
    assert status == 200
    answer = response(
        key_of("1234", asked["salt"], asked["rounds"]), asked["challenge"], "main_user", VIN, "transfer"
    )
    status, entry = await bound.call("PUT", "", {"contacts": [], "challenge_response": answer})
    assert (status, entry["main_user"]) == (200, "anna")
    assert (await bound.code("pairing", "00000000"))[0] == 422


async def test_an_admin_enters_a_vehicle_that_nobody_knows(all_of: Village) -> None:
    other = "/api/v1/vehicles/WVWZZZ1JZXW777777"
    status, entry = await all_of.admin.call("PUT", other, {"main_user": "dora", "model": "van"})
    assert (status, entry["main_user"], entry["soc"]) == (201, "dora", "default")
    assert (await all_of.workshop.call("PUT", f"{other}X", {"driver_cards": []}))[0] == 404


async def test_a_consent_is_given_with_its_time_and_taken_back(all_of: Village) -> None:
    for given in (True, False):
        status, consent = await all_of.anna.call("PUT", "/consents/dealer_data", {"given": given})
        assert (status, consent) == (200, {"given": given, "at": "2026-11-22T09:30:00Z"})
    assert (await all_of.anna.call("PUT", "/consents/newsletter", {"given": True}))[0] == 404


async def test_a_workshop_sees_what_was_bought_only_while_the_consent_stands(all_of: Village) -> None:
    for given in (True, False):
        await all_of.anna.call("PUT", "/consents/dealer_data", {"given": given})
        _, entry = await all_of.workshop.call("GET", "/registry")
        assert (entry["services"], entry["consents"]) == (SERVICES if given else {}, None)


async def test_another_code_needs_the_old_one_or_an_admin(all_of: Village) -> None:
    status, problem = await all_of.anna.call("PUT", "/security-code", {"security_code": "9876"})
    assert (status, problem["code"]) == (403, "security_code_required")
    proof = await all_of.anna.proof()
    body = {"security_code": "9876", "challenge_response": proof}
    status, entry = await all_of.anna.call("PUT", "/security-code", body)
    assert (status, entry["has_security_code"]) == (200, True)
    assert "9876" not in json.dumps(entry)
    assert "9876" not in repr(all_of.gateway.store.states[VIN])
    await all_of.anna.proof("9876")
    assert (await all_of.admin.call("PUT", "/security-code", {}))[1]["has_security_code"] is False
    assert (await all_of.anna.call("PUT", "/security-code", {}))[0] == 422


async def test_pairing_makes_the_first_main_user_and_says_why_not(all_of: Village) -> None:
    assert (await all_of.admin.call("POST", "/pairing-code"))[1]["code"] == "has_main_user"
    await all_of.admin.call("PUT", "", {"main_user": None})
    status, made = await all_of.workshop.call("POST", "/pairing-code")
    assert (status, len(made["code"])) == (201, 8)
    status, problem = await all_of.bert.code("pairing", made["code"])
    assert (status, problem["code"]) == (403, "not_main_user")
    assert await all_of.carl.code("pairing", made["code"]) == (200, {"vin": VIN, "role": "main_user"})
    assert (await all_of.anna.code("pairing", made["code"]))[1]["code"] == "code_wrong"
    assert (await all_of.carl.call("GET", ""))[0] == 200
    assert made["code"] not in repr(all_of.gateway.store.trail)


async def test_guessing_locks_the_person_out_on_every_vehicle(all_of: Village) -> None:
    others = [f"WVWZZZ1JZXW00001{n}" for n in range(4)]
    codes = []
    for vin in others:
        status, problem = await all_of.carl.call("POST", "/api/v1/pairing", {"vin": vin, "code": "00000000"})
        codes.append((status, problem["code"]))
    assert codes == [(403, "code_wrong")] * 3 + [(403, "code_locked")]
    all_of.gateway.clock.move(15 * 60)
    assert (await all_of.carl.code("pairing", "00000000"))[1]["code"] == "code_wrong"


async def test_an_invitation_makes_a_secondary_user_and_removal_ends_the_token_at_once(
    all_of: Village, gateway: Gateway, client: Client
) -> None:
    status, made = await all_of.anna.call("POST", "/invitations", {"user": "dora"})
    assert status == 201
    dora = Person(gateway, client, "secondary_user", "dora", vin=VIN)
    assert (await dora.call("GET", ""))[0] == 404
    assert await dora.code("joining", made["code"]) == (200, {"vin": VIN, "role": "secondary_user"})
    assert (await dora.call("GET", ""))[0] == 200
    status, users = await all_of.anna.call("DELETE", "/users/dora")
    assert (status, users["secondary_users"]) == (200, ["bert"])
    assert (await dora.call("GET", ""))[0] == 404
    gateway.clock.move(1.1)
    assert (await dora.call("GET", ""))[0] == 401
    assert (await all_of.anna.call("DELETE", "/users/dora"))[1]["code"] == "unknown_user"


async def test_a_guest_gets_nothing_and_leaves_nothing(gateway: Gateway, client: Client) -> None:
    guest = Person(gateway, client, "secondary_user", "guest")
    before = repr((gateway.store.registry, gateway.store.states))
    for method, path in (
        ("GET", ""),
        ("GET", "/special-modes"),
        ("POST", "/challenge"),
        ("DELETE", "/users/guest"),
    ):
        body = {"purpose": "unlock"} if method == "POST" else None
        assert (await guest.call(method, path, body))[0] == 404
    assert repr((gateway.store.registry, gateway.store.states)) == before


async def test_a_hand_over_from_start_to_end(all_of: Village, gateway: Gateway, client: Client) -> None:
    bound = Person(gateway, client, "main_user", "anna", vin=VIN)
    await all_of.anna.call("POST", "/invitations", {"user": "dora"})
    proof = await all_of.anna.proof()
    status, started = await all_of.anna.call(
        "POST", "/transfer", {"to_user": "carl", "challenge_response": proof}
    )
    assert (status, started["status"], started["ends_at"]) == (201, "started", "2026-11-29T09:30:00Z")
    assert (await all_of.anna.call("GET", "/users"))[1]["transfer"] == {**started, "code": None}
    eve = Person(gateway, client, "main_user", "eve")
    assert (await eve.code("transfer-acceptance", started["code"]))[1]["code"] == "code_wrong"
    status, accepted = await all_of.carl.code("transfer-acceptance", started["code"])
    assert (status, accepted["status"], accepted["confirmed_by_car"]) == (200, "accepted", False)
    assert (await all_of.anna.call("GET", ""))[0] == 200
    await all_of.states(False)
    gateway.clock.move(1.1)
    for gone in (all_of.anna, all_of.bert):
        assert (await gone.call("GET", ""))[0] == 404
    assert (await bound.call("GET", ""))[0] == 401
    assert (await all_of.carl.call("GET", "/users"))[1]["invitations"] == []
    entry = (await all_of.carl.call("GET", "/registry"))[1]
    assert (entry["services"], entry["has_security_code"], entry["driver_cards"]) == (SERVICES, False, [])


async def test_a_theft_alarm_holds_a_hand_over_up_and_the_person_is_told_to_call(all_of: Village) -> None:
    await all_of.gateway.trigger()
    proof = await all_of.anna.proof()
    status, problem = await all_of.anna.call(
        "POST", "/transfer", {"to_user": "carl", "challenge_response": proof}
    )
    assert (status, problem["code"], problem["detail"]) == (409, "call_soc", "Please call the SOC.")
    refused = all_of.gateway.store.trail[-1]
    assert (refused.action, refused.details["cause"]) == (
        "transfer.start.refused",
        "open theft alarm: intrusion",
    )


async def test_a_persons_data_is_one_document_and_then_gone(all_of: Village) -> None:
    status, document = await all_of.anna.call("GET", "/api/v1/users/anna/export")
    assert status == 200
    assert [(one["vin"], one["role"]) for one in document["vehicles"]] == [(VIN, "main_user")]
    assert KEY["key"] not in json.dumps(document)
    assert (await all_of.bert.call("GET", "/api/v1/users/anna/export"))[0] == 404
    status, erased = await all_of.anna.call("DELETE", "/api/v1/users/anna")
    assert (status, erased["vehicles"]) == (200, [VIN])
    entry = all_of.gateway.store.registry[VIN]
    assert (entry.main_user, entry.secondary_users, entry.services) == (None, (), SERVICES)
    assert "'anna'" not in repr(all_of.gateway.store.states[VIN])


async def test_no_stolen_car_is_orphaned(all_of: Village) -> None:
    alarm_id = await all_of.gateway.trigger()
    for person in (all_of.anna, all_of.admin):
        assert (await person.call("DELETE", "/api/v1/users/anna"))[1]["code"] == "call_soc"
    assert all_of.gateway.store.registry[VIN].main_user == "anna"
    assert (await all_of.bert.call("DELETE", "/api/v1/users/bert"))[0] == 200
    assert alarm_id in {one.alarm_id for one in all_of.gateway.store.states[VIN].alarms.values()}
