from __future__ import annotations

import asyncio
import secrets

import pytest

from gateway.api.auth import make_token
from gateway.api.passwords import secret_hash
from gateway.api.server import bind
from gateway.api.settings import ApiSettings, split_listen
from gateway.domain.signals import SetMode
from gateway.errors import StartError
from gateway.ports import AuditEntry, Delivered, DeliveryRow, Outcome, Park, Retry, Token
from tests.api.conftest import Client
from tests.api.doubles import NOW, OTHER, VIN, Gateway
from tests.api.memory import SOC
from tests.api.serving import quickest, served


async def test_the_audit_trail_is_paged(gateway: Gateway, client: Client) -> None:
    gateway.store.trail = [AuditEntry(NOW, "anna", "vehicle.read", VIN, {"n": n}) for n in range(3)]
    first = (await client.get("/api/v1/audit?limit=2", headers=gateway.bearer("auditor"))).json()
    assert ([item["n"] for item in first["items"]], first["next_after"]) == ([1, 2], 2)
    rest = (await client.get("/api/v1/audit?after=2", headers=gateway.bearer("auditor"))).json()
    assert rest["items"] == [
        {
            "n": 3,
            "at": "2026-11-22T09:30:00Z",
            "actor": "anna",
            "action": "vehicle.read",
            "subject": VIN,
            "details": {"n": 2},
            "hash": f"{3:064x}",
        }
    ]


async def test_quarantined_bytes_are_shown_as_text(gateway: Gateway, client: Client) -> None:
    gateway.store.bad = [
        {
            "n": 1,
            "topic": "v1/vehicles/x/theft-sensor",
            "sha256": "00",
            "reason": "no JSON",
            "payload": b"<script>\xff",
            "count": 2,
        }
    ]
    answer = await client.get("/api/v1/quarantine", headers=gateway.bearer("auditor"))
    assert (answer.json()["items"][0]["payload"], answer.headers["content-type"]) == (
        "<script>\N{REPLACEMENT CHARACTER}",
        "application/json",
    )


async def test_a_parked_delivery_is_seen_and_sent_again(gateway: Gateway, client: Client) -> None:
    row = DeliveryRow(
        7, "soc", SOC, 42, VIN, critical=True, state="parked", attempts=3, last_error="400", created_at=NOW
    )
    gateway.store.parked = [row]
    admin = gateway.bearer("admin")
    listed = (await client.get("/api/v1/deliveries?state=parked&sink=soc", headers=admin)).json()
    shown = {"id": 7, "sink": "soc", "soc": SOC, "sequence": 42, "attempts": 3, "last_error": "400"}
    assert listed == {"items": [{**shown, "state": "parked"}], "next_after": None}
    answer = await client.post("/api/v1/deliveries/7/resend", headers=admin)
    assert (answer.status_code, answer.json()) == (200, {**shown, "state": "pending"})
    assert gateway.poked == [("soc", VIN)]
    assert gateway.store.trail[-1].action == "delivery.resent"
    assert (await client.post("/api/v1/deliveries/8/resend", headers=admin)).json()[
        "code"
    ] == "unknown_delivery"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Delivered(), ("delivered", None)),
        (Retry("timeout"), ("failed", "timeout")),
        (Park("422"), ("refused", "422")),
    ],
)
async def test_a_sink_is_tested(
    gateway: Gateway, client: Client, outcome: Outcome, said: tuple[str, str | None]
) -> None:
    gateway.answer = outcome
    answer = (await client.post("/api/v1/sinks/soc/test", headers=gateway.bearer("supervisor"))).json()
    assert (answer["outcome"], answer["reason"]) == said
    unknown = await client.post("/api/v1/sinks/none/test", headers=gateway.bearer("supervisor"))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_sink")


async def test_a_token_keeps_no_secret() -> None:
    secret, token = make_token(
        "operator", "Anna", user=None, vin=None, days=30, now=NOW, rng=secrets.token_bytes
    )
    assert len(secret) == 43
    assert secret not in str(token)
    kept = secret_hash(secret)
    assert token == Token(kept[:12], kept, "operator", "Anna", NOW, token.expires_at)


@pytest.mark.parametrize(
    ("role", "person", "days"), [("operator", " ", 1), ("main_user", "Anna", 1), ("operator", "Anna", 0)]
)
async def test_a_token_that_makes_no_sense_is_refused(role: str, person: str, days: int) -> None:
    with pytest.raises(ValueError, match=r"token .*\.$"):
        make_token(role, person, user=None, vin=None, days=days, now=NOW, rng=secrets.token_bytes)  # type: ignore[arg-type]


def test_a_token_is_bound_to_no_vehicle_that_can_not_be() -> None:
    with pytest.raises(ValueError, match="VIN"):
        make_token("main_user", "Anna", user=None, vin="bad", days=1, now=NOW, rng=secrets.token_bytes)


@pytest.mark.parametrize("role", ["operator", "supervisor", "auditor", "admin"])
async def test_a_token_that_would_see_every_vehicle_is_bound_to_none(role: str) -> None:
    with pytest.raises(ValueError, match="can't be bound to a VIN"):
        make_token(role, "Anna", user=None, vin=VIN, days=1, now=NOW, rng=secrets.token_bytes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("listen", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("gateway.local:0", ("gateway.local", 0)),
    ],
)
async def test_addresses(listen: str, parts: tuple[str, int]) -> None:
    assert split_listen(listen) == parts


@pytest.mark.parametrize(
    "listen", ["", "8080", ":8080", "localhost", "::1:80", "host:port", "host:70000", "host:-1"]
)
async def test_a_bad_address_is_told_in_a_sentence(listen: str) -> None:
    with pytest.raises(ValueError, match=r"write .*\.$"):
        ApiSettings(listen)


async def test_a_taken_port_is_told_in_a_sentence(gateway: Gateway) -> None:
    async with served(gateway) as url:
        with pytest.raises(StartError, match=r"listen: '.*' can't be listened on: Address already in use\.$"):
            bind(url.removeprefix("http://"))


async def test_an_idle_server_stops_at_once(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()

    async def stop_s() -> float:
        async with served(gateway):
            begun = loop.time()
        return loop.time() - begun

    assert await quickest(stop_s, 1) < 1


async def test_a_vehicles_test_alarm_says_who_confirmed_it_and_what_it_stated(
    gateway: Gateway, client: Client
) -> None:
    await gateway.trigger("tilt")
    before = (len(gateway.store.feed), gateway.store.states[VIN].alarms)
    path = f"/api/v1/vehicles/{VIN}/test-alarm"
    found = (await client.post(path, headers=gateway.bearer("operator"))).json()
    answer = {"sink": "soc", "outcome": "delivered", "reason": None, "role": "primary", "took_ms": 42}
    assert (found["sinks"], [one["cause"] for one in found["sensors"]]) == ([answer], ["tilt"])
    assert (len(gateway.store.feed), gateway.store.states[VIN].alarms) == before
    entry = gateway.store.trail[-1]
    assert (entry.action, entry.subject, entry.details["outcomes"]) == (
        "vehicle.tested",
        VIN,
        {"soc": "delivered"},
    )
    foreign = await client.post(path, headers=gateway.bearer("workshop", vin=OTHER))
    assert foreign.status_code == 404


async def test_a_workshop_is_told_of_sensors_in_its_own_workshop_mode_only(
    gateway: Gateway, client: Client
) -> None:
    """No alarm is told to who may not read alarms: a theft is silent."""
    now = gateway.clock.now()
    bound, unbound = gateway.bearer("workshop", vin=VIN), gateway.bearer("workshop")

    async def told(headers: dict[str, str]) -> list[str]:
        gateway.clock.move(120)
        answer = await client.post(f"/api/v1/vehicles/{VIN}/test-alarm", headers=headers)
        return [one["cause"] for one in answer.json()["sensors"]]

    await gateway.trigger("hold_up")
    for headers in (bound, unbound, gateway.bearer("admin")):
        assert await told(headers) == []
    mode = SetMode(
        received_at=now, mode="workshop", by="Bo", role="operator", reason="service", duration_s=9000
    )
    await gateway.act(VIN, mode)
    await gateway.trigger_as("tilt", "tilt", VIN, suppressed=True)
    assert await told(gateway.bearer("supervisor")) == ["hold_up", "tilt"]
    assert await told(bound) == ["tilt"]
    assert await told(unbound) == [], "somebody else's mode"
