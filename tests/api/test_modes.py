"""Special modes over HTTP: who may, what is answered, what is told to whom."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.security_code import key_of, response
from gateway.domain.signals import Located, Mode, Position, Registration
from gateway.ports import Role, TrackRow
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway

KEY = key_of("1234", "5a17", 10)
ENTRY = Registration(
    vin=VIN,
    main_user="anna",
    secondary_users=("bert",),
    security_code_key={"salt": "5a17", "rounds": 10, "key": KEY.hex()},
)
BASE = f"/api/v1/vehicles/{VIN}"
YARD = {"latitude": 52.1, "longitude": 4.3, "radius_m": 200.0}


@pytest.fixture
def gateway(gateway: Gateway) -> Gateway:
    gateway.store.registry[VIN] = ENTRY
    return gateway


class Person:
    """One caller."""

    def __init__(self, gateway: Gateway, client: Client, role: Role, user: str | None = None) -> None:
        self._gateway, self._client, self.user = gateway, client, user
        self._headers = gateway.bearer(role, user=user)

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        await self._gateway.register(ENTRY)
        answer = await self._client.request(method, BASE + path, headers=self._headers, json=body)
        return answer.status_code, answer.json()

    async def put(self, mode: str, **body: Any) -> tuple[int, Any]:
        return await self.call("PUT", f"/special-modes/{mode}", {"reason": "Service", **body})

    async def proof(self, code: str = "1234", purpose: str = "special_mode") -> str:
        status, body = await self.call("POST", "/challenge", {"purpose": purpose})
        assert status == 200, body
        key = key_of(code, body["salt"], body["rounds"])
        return response(key, body["challenge"], self.user or "", VIN, purpose)


@pytest.fixture
def anna(gateway: Gateway, client: Client) -> Person:
    return Person(gateway, client, "main_user", "anna")


@pytest.fixture
def kim(gateway: Gateway, client: Client) -> Person:
    return Person(gateway, client, "operator")


async def test_an_operator_sets_changes_lists_and_ends_a_mode(gateway: Gateway, kim: Person) -> None:
    status, mode = await kim.put("workshop", duration_s=3600, place=YARD)
    assert status == 201
    assert {name: mode[name] for name in ("mode", "starts_at", "ends_at", "place", "set_by")} == {
        "mode": "workshop",
        "starts_at": "2026-11-22T09:30:00Z",
        "ends_at": "2026-11-22T10:30:00Z",
        "place": YARD,
        "set_by": "operator",
    }
    assert gateway.handed_over == [VIN]
    gateway.clock.move(60)
    status, again = await kim.put("workshop", duration_s=7200)
    assert (status, again["mode_id"], again["ends_at"]) == (201, mode["mode_id"], "2026-11-22T11:31:00Z")
    _, vehicle = await kim.call("GET", "")
    assert [one["mode_id"] for one in vehicle["modes"]] == [mode["mode_id"]]
    assert (await kim.call("DELETE", "/special-modes/workshop"))[1]["ended_why"] == "operator"
    _, page = await kim.call("GET", "/special-modes")
    assert [(one["status"], one["mode_id"]) for one in page["items"]] == [("ended", mode["mode_id"])]
    assert (await kim.call("DELETE", "/special-modes/workshop"))[1]["code"] == "unknown_mode"
    actions = [one.action for one in gateway.store.trail if one.action.startswith("mode.")]
    assert actions == ["mode.started", "mode.changed", "mode.ended", "mode.listed", "mode.refused"]


@pytest.mark.parametrize(
    "body",
    [
        {"duration_s": 0},
        {"duration_s": 0.5},
        {"duration_s": 72 * 3600 + 1},
        {"duration_s": 1e300},
        {"duration_s": "long"},
        {"place": {**YARD, "radius_m": 49}},
        {"place": {**YARD, "radius_m": 2001}},
        {"place": {**YARD, "latitude": 91}},
        {"place": {"latitude": 1}},
    ],
)
async def test_a_bad_duration_or_place_is_422(kim: Person, body: dict[str, Any]) -> None:
    status, problem = await kim.put("workshop", **body)
    assert (status, problem["code"]) == (422, "invalid_request")


async def test_an_unknown_mode_is_404(kim: Person) -> None:
    assert (await kim.put("holiday"))[0] == 404


async def test_the_main_user_proves_the_security_code(anna: Person) -> None:
    assert (await anna.put("workshop"))[1]["code"] == "security_code_required"
    proof = await anna.proof()
    status, mode = await anna.put("workshop", challenge_response=proof)
    assert (status, mode["set_by"]) == (201, "main_user")
    status, problem = await anna.put("workshop", challenge_response=proof)
    assert (status, problem["code"]) == (403, "security_code_wrong"), "a challenge serves once"


async def test_a_challenge_serves_for_its_purpose_only(anna: Person) -> None:
    proof = await anna.proof(purpose="unlock")
    assert (await anna.put("workshop", challenge_response=proof))[1]["code"] == "security_code_wrong"


async def test_wrong_answers_lock_and_are_alarmed(gateway: Gateway, anna: Person) -> None:
    for _ in range(3):
        status, problem = await anna.put("workshop", challenge_response=await anna.proof("4321"))
        assert (status, problem["code"]) == (403, "security_code_wrong")
    assert (await anna.put("workshop", challenge_response="no"))[1]["code"] == "call_soc"
    gateway.clock.move(601)
    status, problem = await anna.put("workshop", challenge_response="no")
    assert (status, problem["code"]) == (403, "security_code_locked")
    status, problem = await anna.call("POST", "/challenge", {"purpose": "special_mode"})
    assert (status, problem["code"]) == (403, "security_code_locked")
    gateway.clock.move(300)
    for _ in range(2):
        await anna.put("workshop", challenge_response="no")
    assert list(gateway.store.states[VIN].alarms) == ["wrong_security_code"]


async def test_two_starts_in_a_day(gateway: Gateway, anna: Person) -> None:
    for _ in range(2):
        assert (await anna.put("transport", challenge_response=await anna.proof()))[0] == 201
    status, problem = await anna.put("transport", challenge_response=await anna.proof())
    assert (status, problem["code"]) == (409, "mode_limit")


async def test_under_an_open_theft_alarm_the_main_user_calls_the_soc(gateway: Gateway, anna: Person) -> None:
    await gateway.trigger("tamper")
    status, problem = await anna.put("workshop", challenge_response=await anna.proof())
    assert (status, problem["code"]) == (409, "call_soc")
    assert "alarm" not in problem["detail"].lower()


async def test_a_secondary_user_sets_workshop_mode_without_the_security_code(
    gateway: Gateway, client: Client
) -> None:
    """Scenario 14: refused, and the attempt is logged."""
    bert = Person(gateway, client, "secondary_user", "bert")
    assert (await bert.put("workshop"))[0] == 403
    assert (await bert.call("DELETE", "/special-modes/workshop"))[0] == 403
    status, problem = await bert.call("POST", "/challenge", {"purpose": "special_mode"})
    assert (status, problem["code"]) == (403, "not_authorised")
    assert gateway.store.states[VIN].modes.running == ()


async def test_a_workshop_asks_and_the_main_user_grants(
    gateway: Gateway, client: Client, anna: Person
) -> None:
    workshop = Person(gateway, client, "workshop")
    status, asked = await workshop.put("workshop", duration_s=7200, place=YARD)
    assert (status, asked["status"], asked["mode_id"]) == (202, "pending", None)
    assert gateway.store.states[VIN].modes.running == ()
    _, page = await workshop.call("GET", "/special-modes")
    assert [one["status"] for one in page["items"]] == ["pending"]
    assert (await workshop.put("transport"))[0] == 403
    status, mode = await anna.put("workshop", challenge_response=await anna.proof())
    assert (status, mode["ends_at"], mode["place"]) == (201, "2026-11-22T11:30:00Z", YARD)
    assert mode["requested_by"] == "workshop"


async def test_an_owner_ends_no_operators_mode(kim: Person, anna: Person) -> None:
    await kim.put("workshop")
    status, problem = await anna.call("DELETE", "/special-modes/workshop")
    assert (status, problem["code"]) == (403, "not_authorised")


async def test_a_vehicle_that_the_registry_does_not_know_has_no_modes(
    gateway: Gateway, client: Client
) -> None:
    await gateway.trigger(vin=OTHER)
    path = f"/api/v1/vehicles/{OTHER}/special-modes/workshop"
    answer = await client.put(path, headers=gateway.bearer("operator"), json={})
    assert answer.status_code == 404


async def test_a_held_back_alarm_is_listed_and_can_not_be_acknowledged(
    gateway: Gateway, client: Client, kim: Person
) -> None:
    await kim.put("workshop")
    await gateway.trigger("tamper", suppressed=True)
    headers = gateway.bearer("operator")
    listed = (await client.get("/api/v1/alarms?state=suppressed", headers=headers)).json()["items"]
    assert [(one["cause"], one["case_id"]) for one in listed] == [("tamper", None)]
    assert listed[0]["suppressed_by"] == gateway.store.states[VIN].modes.running[0].mode_id
    for act in ("acknowledge", "close"):
        body = {"disposition": "workshop"} if act == "close" else {}
        answer = await client.post(
            f"/api/v1/alarms/{listed[0]['alarm_id']}/{act}", headers=headers, json=body
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


async def test_a_place_made_from_the_position_is_shown_to_those_who_may_see_it(
    gateway: Gateway, kim: Person, anna: Person
) -> None:
    at: Any = {"received_at": NOW, "occurred_at": NOW}
    await gateway.act(VIN, Located(position=Position(52.1, 4.3), **at))
    _, mode = await kim.put("workshop")
    assert mode["place"] == {"latitude": 52.1, "longitude": 4.3, "radius_m": 300.0}
    for person in (kim, anna):
        assert (await person.call("GET", "/special-modes"))[1]["items"][0]["place"] is None
    await gateway.trigger("hold_up")
    assert (await kim.call("GET", "/special-modes"))[1]["items"][0]["place"] is not None


async def test_an_owner_is_not_told_why_a_mode_ended_by_itself(
    gateway: Gateway, kim: Person, anna: Person
) -> None:
    await kim.put("workshop", place=YARD)
    for second in (1, 2):
        gateway.clock.move(10)
        times: Any = {"received_at": gateway.clock.now(), "occurred_at": gateway.clock.now()}
        await gateway.act(VIN, Located(position=Position(52.1, 4.4 + second), **times))
    assert (await kim.call("GET", "/special-modes"))[1]["items"][0]["ended_why"] == "left_place"
    assert (await anna.call("GET", "/special-modes"))[1]["items"][0]["ended_why"] is None


async def test_the_track_of_a_theft_is_read_with_a_case_or_a_reason_and_audited(
    gateway: Gateway, kim: Person
) -> None:
    gateway.store.tracked = [TrackRow(VIN, "c", NOW, 52.1, 4.3, None), TrackRow(OTHER, "d", NOW, 1, 2, None)]
    status, problem = await kim.call("GET", "/track")
    assert (status, problem["code"]) == (403, "no_open_case")
    _, page = await kim.call("GET", "/track?reason=Police+asks")
    assert [one["latitude"] for one in page["items"]] == [52.1]
    await gateway.trigger("hold_up")
    assert (await kim.call("GET", "/track"))[0] == 200
    shown = [one.details["position"] for one in gateway.store.trail if one.action == "track.read"]
    assert shown == ["no", "break_glass", "case"]


async def test_private_mode_hides_a_place_made_from_the_position(gateway: Gateway, anna: Person) -> None:
    gateway.store.registry[VIN] = replace(ENTRY, consents={"position": True})
    at: Any = {"received_at": NOW, "occurred_at": NOW}
    await gateway.act(VIN, Located(position=Position(52.1, 4.3), **at))
    await anna.put("workshop", challenge_response=await anna.proof())
    assert (await anna.call("GET", "/special-modes"))[1]["items"][0]["place"] is not None
    await gateway.act(VIN, Mode(event_id="p", private_mode=True, **at))
    assert (await anna.call("GET", "/special-modes"))[1]["items"][0]["place"] is None
