"""The fleet map: vehicles with an open case and nobody else, for the SOC and nobody else, and audited."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.domain.signals import ActOnCase, Mode, Registration
from gateway.ports import Role, TrackRow
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway

MAP = "/api/v1/fleet-map"
THIRD = "WVWZZZ1JZXW000003"


def track(gateway: Gateway, vin: str, latitude: float) -> None:
    case_id = gateway.store.states[vin].case_id
    assert case_id is not None
    at = gateway.clock.now() + timedelta(seconds=5)
    gateway.store.tracked.append(TrackRow(vin, case_id, at, latitude, 4.4, 12))


async def test_open_cases_are_on_the_map_where_they_were_last_and_the_others_are_not(
    gateway: Gateway, client: Client
) -> None:
    await gateway.register(Registration(vin=THIRD, country="NL"))
    await gateway.trigger("tamper")
    await gateway.trigger("intrusion", OTHER)
    await gateway.trigger("battery_low", THIRD)  # a position, and no case
    track(gateway, OTHER, 52.5)
    answer = await client.get(MAP, headers=gateway.bearer("operator"))
    assert answer.status_code == 200
    first, second = answer.json()["items"]
    assert first == {
        "case_id": gateway.store.states[VIN].case_id,
        "vin": VIN,
        "soc": "default",
        "state": "new",
        "stolen": False,
        "severity": "critical",
        "causes": ["tamper"],
        "claimed_by": None,
        "opened_at": "2026-11-22T09:30:00Z",
        "position": {"latitude": 52.1, "longitude": 4.3, "accuracy_m": 8, "at": "2026-11-22T09:30:00Z"},
        "modes": [],
    }
    assert second["position"]["latitude"] == 52.5
    assert (second["vin"], second["severity"]) == (OTHER, "major")


async def test_pages_follow_each_other(gateway: Gateway, client: Client) -> None:
    for vin in (VIN, OTHER, THIRD):
        await gateway.trigger("tamper", vin)
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get(f"{MAP}?limit=1&after={after}", headers=gateway.bearer("auditor"))).json()
        found += [one["vin"] for one in page["items"]]
        after = page["next_after"]
    assert found == [VIN, OTHER, THIRD]
    assert [entry.action for entry in gateway.store.trail] == ["fleet_map.read"] * 3
    assert "52.1" not in str([entry.details for entry in gateway.store.trail])


async def test_a_closed_case_leaves_the_map(gateway: Gateway, client: Client) -> None:
    alarm_id = await gateway.trigger("tamper")
    await client.post(
        f"/api/v1/alarms/{alarm_id}/close",
        json={"disposition": "test"},
        headers=gateway.bearer("operator"),
    )
    assert (await client.get(MAP, headers=gateway.bearer("operator"))).json()["items"] == []


async def test_private_mode_seals_the_track_but_not_what_the_sensor_stated(
    gateway: Gateway, client: Client
) -> None:
    await gateway.trigger("tamper")
    track(gateway, VIN, 52.9)
    await gateway.act(VIN, Mode(received_at=NOW, occurred_at=NOW, event_id="m.1", private_mode=True))
    (item,) = (await client.get(MAP, headers=gateway.bearer("operator"))).json()["items"]
    assert item["position"]["latitude"] == 52.1
    for act in ("claim", "confirm"):
        fact = ActOnCase(received_at=NOW, case_id=item["case_id"], act=act, by="Ada", role="operator")
        await gateway.act(VIN, fact)
    (item,) = (await client.get(MAP, headers=gateway.bearer("operator"))).json()["items"]
    assert (item["stolen"], item["position"]["latitude"]) == (True, 52.9)


@pytest.mark.parametrize("role", ["main_user", "secondary_user", "workshop", "admin"])
@pytest.mark.parametrize("path", [MAP, f"{MAP}/countries"])
async def test_nobody_outside_the_soc_sees_it(
    gateway: Gateway, client: Client, role: Role, path: str
) -> None:
    await gateway.trigger("tamper")
    answer = await client.get(path, headers=gateway.bearer(role))
    assert answer.status_code == 403
    assert "52.1" not in answer.text


async def test_the_rest_of_the_fleet_is_a_count_by_country(gateway: Gateway, client: Client) -> None:
    for vin, country in ((VIN, "NL"), (OTHER, "NL"), (THIRD, None)):
        entry = Registration(vin=vin, country=country)
        gateway.store.registry[vin] = entry
    answer = await client.get(f"{MAP}/countries", headers=gateway.bearer("supervisor"))
    assert answer.json() == {"items": [{"country": "NL", "vehicles": 2}, {"country": None, "vehicles": 1}]}
    assert msgspec.json.decode(answer.content).keys() == {"items"}
