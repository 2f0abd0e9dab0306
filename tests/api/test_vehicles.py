from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from gateway.api.grants import may_see
from gateway.domain.signals import Connection, DataBundle, DriverCard, Mode, Registration
from gateway.errors import StoreError
from gateway.ports import Role, SignalValue, Token
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway

LATITUDE = "Vehicle.CurrentLocation.Latitude"
SPEED = "Vehicle.Speed"
ENTRY = Registration(
    vin=VIN,
    country="NL",
    model="Estate",
    main_user="anna",
    secondary_users=("bert",),
    driver_cards=("DC-1",),
    services={"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}},
    consents={"position": True},
)


@pytest.fixture
def gateway(gateway: Gateway) -> Gateway:
    gateway.store.registry[VIN] = ENTRY
    gateway.signal_values[VIN] = {LATITUDE: SignalValue(52.1, NOW), SPEED: SignalValue(43.2, NOW)}
    return gateway


async def read(
    gateway: Gateway, client: Client, query: str = "", role: Role = "operator", **whose: Any
) -> Any:
    answer = await client.get(f"/api/v1/vehicles/{VIN}{query}", headers=gateway.bearer(role, **whose))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_known_of_a_vehicle(gateway: Gateway, client: Client) -> None:
    times: Any = {"received_at": NOW, "occurred_at": NOW}
    await gateway.act(
        VIN, Connection(**times, online=True, bearer="LTE", source="integrated_sim", roaming=False)
    )
    await gateway.act(VIN, DriverCard(**times, event_id="e1", present=True, card_id="DC-1"))
    await gateway.act(VIN, DriverCard(**times, event_id="e2", present=True, card_id="DC-9"))
    await gateway.act(VIN, DataBundle(**times, event_id="e3", bundle_id="B1", used_mb=820, total_mb=1000))
    at = "2026-11-22T09:30:00Z"
    assert await read(gateway, client) == {
        "vin": VIN,
        "registered": True,
        "online": True,
        "why_offline": None,
        "why_offline_evidence": None,
        "why_offline_said": [],
        "armed": None,
        "arming": None,
        "stolen": False,
        "signals": {SPEED: {"value": 43.2, "at": at}},
        "driver_card": {
            "present": True,
            "cards": [
                {
                    "card_id": "DC-1",
                    "present": True,
                    "since": at,
                    "counts": True,
                    "battery": None,
                    "flaps": 0,
                },
                {
                    "card_id": "DC-9",
                    "present": True,
                    "since": at,
                    "counts": False,
                    "battery": None,
                    "flaps": 0,
                },
            ],
            "flaps": 0,
            "battery": None,
        },
        "data_bundle": {
            "state": "low",
            "bundle_id": "B1",
            "used_mb": 820.0,
            "total_mb": 1000.0,
            "valid_until": None,
            "auto_renew": None,
            "renewal": None,
            "hotspot": None,
            "whole": {
                "state": "low",
                "used_mb": 820.0,
                "total_mb": 1000.0,
                "valid_until": None,
                "stack": [
                    {
                        "bundle_id": "B1",
                        "state": "low",
                        "used_mb": 820.0,
                        "total_mb": 1000.0,
                        "valid_until": None,
                        "failed_renewals": 0,
                    }
                ],
            },
        },
        "modes": [],
        "service": "certified",
        "services": {
            "car_security": {
                "active": True,
                "cause": None,
                "from_at": None,
                "until": "2027-01-01T00:00:00Z",
            },
            **{
                service: {"active": False, "cause": "not_ordered", "from_at": None, "until": None}
                for service in ("remote_access", "charging", "functions_on_demand", "navigation")
            },
        },
        "heard_at": at,
        "connection": {
            "online": True,
            "bearer": "LTE",
            "source": "integrated_sim",
            "roaming": False,
            "at": at,
            "notes": [],
        },
        "private_mode": None,
        "remote_access_enabled": None,
        "country": "NL",
        "model": "Estate",
        "position_shown": "no",
        "case_id": None,
        "alarms": [],
    }


async def test_the_soc_sees_the_position_with_an_open_case_only(gateway: Gateway, client: Client) -> None:
    assert LATITUDE not in (await read(gateway, client))["signals"]
    alarm_id = await gateway.trigger("tamper")
    body = await read(gateway, client)
    assert (body["position_shown"], body["signals"][LATITUDE]["value"]) == ("case", 52.1)
    assert [alarm["alarm_id"] for alarm in body["alarms"]] == [alarm_id]


async def test_breaking_the_glass_is_audited_with_its_reason(gateway: Gateway, client: Client) -> None:
    body = await read(gateway, client, "?reason=Police+asks")
    assert (body["position_shown"], LATITUDE in body["signals"]) == ("break_glass", True)
    entry = gateway.store.trail[-1]
    assert (entry.actor, entry.action, entry.subject, entry.details) == (
        "operator",
        "vehicle.read",
        VIN,
        {"role": "operator", "position": "break_glass", "reason": "Police asks"},
    )


async def test_a_read_that_can_not_be_audited_is_not_answered(gateway: Gateway, client: Client) -> None:
    await read(gateway, client)
    gateway.store.fails = StoreError("disk full")
    answer = await client.get(f"/api/v1/vehicles/{VIN}", headers=gateway.bearer("operator"))
    assert answer.status_code == 503


async def test_private_mode_hides_every_signal_from_everyone(gateway: Gateway, client: Client) -> None:
    await gateway.trigger("tamper")
    await gateway.act(VIN, Mode(received_at=NOW, occurred_at=NOW, event_id="m1", private_mode=True))
    for role in ("operator", "main_user"):
        body = await read(gateway, client, "?reason=Police+asks", role=convert(role, Role))
        assert (body["signals"], body["private_mode"], body["position_shown"]) == ({}, True, "no")


async def test_an_owner_is_told_nothing_of_a_silent_alarm(gateway: Gateway, client: Client) -> None:
    before = await read(gateway, client, role="main_user", user="anna", vin=VIN)
    await gateway.trigger("tamper")
    after = await read(gateway, client, role="main_user", user="anna", vin=VIN)
    assert before["position_shown"] == "consent"
    differs = {"heard_at": None, "online": None, "why_offline": None}  # it was heard
    assert {**after, **differs} == {**before, **differs}
    gateway.store.registry[VIN] = replace(ENTRY, consents={})
    assert LATITUDE not in (await read(gateway, client, role="main_user", user="anna"))["signals"]


async def test_anything_heard_later_means_online(gateway: Gateway, client: Client) -> None:
    await gateway.act(VIN, Connection(received_at=NOW, online=False))
    assert (await read(gateway, client))["online"] is False
    gateway.clock.move(5)
    await gateway.trigger("battery_low")
    assert (await read(gateway, client))["online"] is True


@pytest.mark.parametrize(
    ("role", "user", "vin", "entry", "sees"),
    [
        ("main_user", "anna", None, ENTRY, True),
        ("main_user", "anna", VIN, ENTRY, True),
        ("main_user", "carl", VIN, ENTRY, False),  # sold since: the registry has the last word
        ("main_user", "bert", None, ENTRY, False),
        ("secondary_user", "bert", None, ENTRY, True),
        ("secondary_user", "anna", None, ENTRY, False),
        ("main_user", "anna", OTHER, ENTRY, False),
        ("main_user", None, VIN, ENTRY, True),
        ("main_user", None, OTHER, ENTRY, False),
        ("main_user", "anna", VIN, None, True),
        ("main_user", "anna", None, None, False),
        ("operator", None, None, None, True),
    ],
)
async def test_whose_vehicle_it_is(
    role: Role, user: str | None, vin: str | None, *, entry: Registration | None, sees: bool
) -> None:
    token = Token("id", "hash", role, "person", NOW, NOW + timedelta(days=1), user, vin)
    assert may_see(token, VIN, entry) is sees


async def test_the_list_shows_owners_their_own_only(gateway: Gateway, client: Client) -> None:
    await gateway.trigger(vin=OTHER)
    await gateway.act("gateway:gw-1", Connection(received_at=NOW, online=True))

    async def listed(role: Role, query: str = "", **whose: Any) -> Any:
        body = (await client.get(f"/api/v1/vehicles{query}", headers=gateway.bearer(role, **whose))).json()
        return [item["vin"] for item in body["items"]], body["next_after"]

    assert await listed("operator") == ([VIN, OTHER], None)
    assert await listed("operator", "?limit=1") == ([VIN], VIN)
    assert await listed("operator", f"?limit=1&after={VIN}") == ([OTHER], None)
    assert await listed("main_user", vin=VIN) == ([VIN], None)
    assert await listed("main_user", user="anna") == ([VIN], None)
    assert await listed("secondary_user", user="carl") == ([], None)
    assert {entry.action for entry in gateway.store.trail} == {"vehicle.listed"}


@pytest.mark.parametrize("vin", ["WVWZZZ1JZXW999999", "gateway:gw-1", "no-vin"])
async def test_what_is_no_vehicle_is_404(gateway: Gateway, client: Client, vin: str) -> None:
    await gateway.act("gateway:gw-1", Connection(received_at=NOW, online=True))
    answer = await client.get(f"/api/v1/vehicles/{vin}", headers=gateway.bearer("operator"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_vehicle")
