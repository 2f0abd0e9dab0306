"""Notes from shift to shift: for whom they wait, what stands in them, who has read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.ports import DeliveryRow
from tests.api.conftest import Client
from tests.api.doubles import VIN, Gateway

PATH = "/api/v1/handovers"


async def write(gateway: Gateway, client: Client, **body: Any) -> Any:
    answer = await client.post(PATH, json={"text": "Quiet.", **body}, headers=gateway.bearer("operator"))
    return answer.json() | {"status": answer.status_code} if answer.status_code >= 400 else answer.json()


async def unread(gateway: Gateway, client: Client, role: Any = "supervisor") -> list[int]:
    found = await client.get(f"{PATH}?unread=true", headers=gateway.bearer(role))
    return [one["n"] for one in found.json()["items"]]


async def test_a_note_says_how_the_desk_stood_when_it_was_written(gateway: Gateway, client: Client) -> None:
    await gateway.trigger("tamper")
    case_id = gateway.store.states[VIN].case_id
    now = gateway.clock.now()
    gateway.store.parked = [DeliveryRow(1, "soc", "default", 7, VIN, True, "parked", 3, "HTTP 422", now)]
    note = await write(gateway, client, text="Call the owner again at six.", cases=[case_id, case_id])
    assert (note["author"], note["text"], note["cases"]) == (
        "operator",
        "Call the owner again at six.",
        [case_id],
    )
    (case,) = note["standing"]["cases"]
    assert (case["case_id"], case["state"], case["claimed_by"], case["critical"]) == (
        case_id,
        "new",
        None,
        True,
    )
    assert note["standing"]["parked"] == {"soc": 1}
    await gateway.trigger("tamper", "WVWZZZ1JZXW000009")
    listed = (await client.get(PATH, headers=gateway.bearer("auditor"))).json()["items"]
    assert listed == [note]


async def test_a_note_waits_for_each_who_has_not_read_it_and_not_for_ever(
    gateway: Gateway, client: Client
) -> None:
    n = (await write(gateway, client))["n"]
    assert (await unread(gateway, client), await unread(gateway, client, "operator")) == ([n], [])
    gateway.clock.move(timedelta(days=3).total_seconds())
    assert await unread(gateway, client) == [n]  # nobody has read it: it waits
    assert await unread(gateway, client, "auditor") == [n]
    supervisor = gateway.bearer("supervisor")
    first = (await client.post(f"{PATH}/{n}/acknowledge", headers=supervisor)).json()
    gateway.clock.move(60)
    assert (await client.post(f"{PATH}/{n}/acknowledge", headers=supervisor)).json() == first
    assert [one["person"] for one in first["read_by"]] == ["supervisor"]
    assert (await unread(gateway, client), await unread(gateway, client, "auditor")) == ([], [])
    kept = gateway.store.sqlite.execute(
        "SELECT actor, action, subject, details FROM audit ORDER BY n"
    ).fetchall()
    assert [row[:3] for row in kept] == [
        ("operator", "handover.written", "1"),
        ("supervisor", "handover.read", "1"),
    ]
    assert "Quiet" not in str(kept)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": ""}, 422, "invalid_request"),
        ({"text": " \n"}, 422, "invalid_request"),
        ({"text": "x" * 4001}, 422, "invalid_request"),
        ({"cases": ["none"]}, 404, "unknown_case"),
        ({"cases": ["c"] * 51}, 422, "invalid_request"),
    ],
)
async def test_a_note_that_can_not_be_kept_is_refused(
    gateway: Gateway, client: Client, body: dict[str, Any], status: int, code: str
) -> None:
    refused = await write(gateway, client, **body)
    assert (refused["status"], refused["code"]) == (status, code)
    assert (await client.get(PATH, headers=gateway.bearer("auditor"))).json()["items"] == []


async def test_whoever_wrote_a_note_is_not_the_next_shift(gateway: Gateway, client: Client) -> None:
    n = (await write(gateway, client))["n"]
    own = await client.post(f"{PATH}/{n}/acknowledge", headers=gateway.bearer("operator"))
    assert (own.status_code, own.json()["code"]) == (409, "own_note")
    none = await client.post(f"{PATH}/99/acknowledge", headers=gateway.bearer("supervisor"))
    assert (none.status_code, none.json()["code"]) == (404, "unknown_handover")


async def test_notes_are_asked_for_since_a_time_of_any_offset(gateway: Gateway, client: Client) -> None:
    n = (await write(gateway, client))["n"]  # at 09:30 UTC
    auditor = gateway.bearer("auditor")
    asked = {"2026-11-22T11:29:00+02:00": [n], "2026-11-22T11:31:00+02:00": []}
    for since, expected in asked.items():
        found = (await client.get(PATH, params={"since": since}, headers=auditor)).json()["items"]
        assert [one["n"] for one in found] == expected, since
    for wrong in ("2026-11-22T09:00:00", "0001-01-01T00:00:00+14:00"):
        assert (await client.get(PATH, params={"since": wrong}, headers=auditor)).status_code == 422
