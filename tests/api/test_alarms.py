from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from gateway.api.alarm_bodies import AlarmView, Disposition
from gateway.domain.alarms import DISPOSITIONS
from gateway.errors import StoreError
from gateway.pipeline.messages import FeedData
from tests.api.conftest import Client
from tests.api.doubles import OTHER, VIN, Gateway


async def test_an_alarm_shows_what_the_feed_says_and_all_its_triggers(
    gateway: Gateway, client: Client
) -> None:
    alarm_id = await gateway.trigger()
    gateway.clock.move(2)
    await gateway.trigger()
    gateway.clock.move(2)
    await gateway.trigger("tilt", OTHER)
    answer = await client.get(f"/api/v1/alarms/{alarm_id}", headers=gateway.bearer("auditor"))
    said: dict[str, Any] = msgspec.json.decode(gateway.store.rows[alarm_id].body)
    expected = {**said, "event_ids": ["boot.1", "boot.2"], "first_sequence": 1, "last_sequence": 2}
    assert answer.json() == expected


async def test_the_answer_has_every_field_of_the_feed() -> None:
    of_feed = {field.encode_name for field in msgspec.structs.fields(FeedData)}
    of_answer = {field.encode_name for field in msgspec.structs.fields(AlarmView)}
    assert of_answer == of_feed | {"first_sequence", "last_sequence"}


@pytest.mark.parametrize(
    ("query", "causes"),
    [
        ("", ["tamper", "battery_low", "tilt"]),
        ("state=open", ["battery_low", "tilt"]),
        ("state=acknowledged", ["tamper"]),
        (f"vin={OTHER}", ["tilt"]),
        ("cause=battery_low", ["battery_low"]),
        ("class=theft", ["tamper", "tilt"]),
        ("soc=elsewhere", []),
        ("after=1", ["battery_low", "tilt"]),
    ],
)
async def test_filters(gateway: Gateway, client: Client, query: str, causes: list[str]) -> None:
    first = await gateway.trigger("tamper")
    await gateway.trigger("battery_low")
    await gateway.trigger("tilt", OTHER)
    operator = gateway.bearer("operator")
    await client.post(f"/api/v1/alarms/{first}/acknowledge", headers=operator, json={})
    answer = await client.get(f"/api/v1/alarms?{query}", headers=operator)
    assert [item["cause"] for item in answer.json()["items"]] == causes


async def test_pages_follow_each_other_without_loss(gateway: Gateway, client: Client) -> None:
    for number in range(5):
        await gateway.trigger(vin=f"WVWZZZ1JZXW00000{number}")
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        answer = await client.get(f"/api/v1/alarms?after={after}&limit=2", headers=gateway.bearer("operator"))
        seen += [item["first_sequence"] for item in answer.json()["items"]]
        after = answer.json()["next_after"]
    assert seen == [1, 2, 3, 4, 5]


async def test_acknowledge_then_close(gateway: Gateway, client: Client) -> None:
    alarm_id = await gateway.trigger()
    operator = gateway.bearer("operator")
    path = f"/api/v1/alarms/{alarm_id}"
    seen = await client.post(f"{path}/acknowledge", headers=operator, json={"note": "Calling"})
    assert seen.status_code == 200
    assert (seen.json()["state"], seen.json()["acknowledged_by"], seen.json()["note"]) == (
        "acknowledged",
        "operator",
        "Calling",
    )
    again = await client.post(f"{path}/acknowledge", headers=operator)
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")
    closed = await client.post(
        f"{path}/close", headers=operator, json={"disposition": "workshop", "note": "Ok"}
    )
    assert (closed.status_code, closed.json()["state"], closed.json()["disposition"]) == (
        200,
        "closed",
        "workshop",
    )
    again = await client.post(f"{path}/close", headers=operator, json={"disposition": "workshop"})
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


async def test_acknowledging_needs_no_body(gateway: Gateway, client: Client) -> None:
    alarm_id = await gateway.trigger()
    answer = await client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=gateway.bearer("operator"))
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")


async def test_the_dispositions_are_the_domains() -> None:
    assert get_args(Disposition) == DISPOSITIONS


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b'{"disposition": "boredom"}', "application/json", (422, "invalid_request")),
        (b"{}", "application/json", (422, "invalid_request")),
        (b'{"disposition": "test", "note": 5}', "application/json", (422, "invalid_request")),
        (b"", "application/json", (422, "invalid_request")),
        (b"{", "application/json", (400, "malformed_request")),
        (b"\xff", "application/json", (400, "malformed_request")),
        (b'{"disposition": "test"}', "text/plain", (415, "unsupported_media_type")),
        (b'"' + b"x" * 70_000 + b'"', "application/json", (413, "body_too_large")),
    ],
)
async def test_bad_bodies_are_told_with_a_code(
    gateway: Gateway, client: Client, content: bytes, media_type: str, expected: tuple[int, str]
) -> None:
    alarm_id = await gateway.trigger()
    headers = {**gateway.bearer("operator"), "Content-Type": media_type}
    answer = await client.post(f"/api/v1/alarms/{alarm_id}/close", headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "after=-1", "after=x", "state=lost", "class=x", "after=9e99"]
)
async def test_bad_parameters_are_told_with_a_code(gateway: Gateway, client: Client, query: str) -> None:
    answer = await client.get(f"/api/v1/alarms?{query}", headers=gateway.bearer("operator"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/alarms/none", (404, "unknown_alarm")),
        ("GET", "/api/v1/nothing", (404, "not_found")),
        ("GET", "/console/../secret", (404, "not_found")),
        ("GET", "/console/none.js", (404, "not_found")),
        ("DELETE", "/api/v1/alarms", (405, "method_not_allowed")),
    ],
)
async def test_what_is_not_there(
    gateway: Gateway, client: Client, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = await client.request(method, path, headers=gateway.bearer("operator"))
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_failing_store_is_503_and_says_to_try_again(gateway: Gateway, client: Client) -> None:
    headers = gateway.bearer("operator")
    gateway.store.fails = StoreError("disk full")
    answer = await client.get("/api/v1/alarms", headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
        503,
        "store_failing",
        "1",
    )
    assert "disk" not in answer.text


async def test_a_mistake_of_ours_tells_nothing_of_the_inside(gateway: Gateway, client: Client) -> None:
    headers = gateway.bearer("operator")
    gateway.store.fails = ZeroDivisionError("secret thing")
    answer = await client.get("/api/v1/alarms", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/console/js/main.js", "/api/v1/alarms", "/nothing", "/health/live", "/openapi.json"]
)
async def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    page = (await client.get("/")).text
    assert "http" not in page
    assert "<script>" not in page
    assert "style=" not in page


async def test_health_and_metrics(gateway: Gateway, client: Client) -> None:
    assert (await client.get("/health/live")).json() == {"status": "alive", "instance": "gw-1"}
    for status, expected in (("ready", 200), ("degraded", 200), ("not_ready", 503)):
        gateway.status = status
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (expected, status)
    metrics = await client.get("/metrics")
    assert (metrics.text, metrics.headers["content-type"].partition(";")[0]) == (
        "gateway_inbox 0\n",
        "text/plain",
    )


async def test_the_document_is_openapi_3_1_and_tells_problems(client: Client) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    answers = document["paths"]["/api/v1/alarms/{alarm_id}/close"]["post"]["responses"]
    assert {"200", "401", "403", "404", "409", "422"} <= set(answers)
    assert "application/problem+json" in answers["409"]["content"]
    assert (VIN in str(document)) is False
