"""Cases over HTTP, on the real decider and the real database: what is answered is what is stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.adapters.storage.sqlite.verify import holes
from gateway.api.app import build_app
from gateway.api.auth import make_token
from gateway.api.deps import Deps
from gateway.domain.cases import LEASE, MAX_NOTE
from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.signals import Registration, TheftReport
from gateway.errors import StoreError
from gateway.ports import Role, SinkPlan
from tests.pipeline.conftest import VIN, Rig

CONTACTS = ({"name": "Eva", "phone": "+31 1"}, {"name": "Max", "phone": "+31 2"})


class Desk:
    """Operators in front of one gateway: everything goes by HTTP, decided one after the other."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        # Ports that no route of these tests asks for stay empty.
        none: Any = None
        deps = Deps(
            store=rig.store,
            acts=self,
            commands=none,
            feed=none,
            cases=none,
            vehicles=rig.intake,
            health=none,
            sinks=none,
            seal=none,
            clock=rig.clock,
            instance="gw-1",
            metrics=bytes,
        )
        transport = httpx.ASGITransport(build_app(deps))  # type: ignore[arg-type]  # two spellings of ASGI
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway/api/v1")
        self.secrets: dict[str, str] = {}
        self.deciding = asyncio.Lock()

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        acting = asyncio.create_task(self.rig.decider.act(subject, fact))
        await asyncio.sleep(0)
        async with self.deciding:
            await self.rig.settle()
        return await acting

    async def hire(self, person: str, role: Role) -> None:
        seed = person.encode().ljust(32, b".")
        made = make_token(
            role, person, user=None, vin=None, days=1, now=self.rig.clock.now(), rng=lambda n: seed[:n]
        )
        self.secrets[person] = made[0]
        await self.rig.store.add_token(made[1])

    async def get(self, path: str, by: str = "Ada") -> Any:
        answer = await self.client.get(path, headers=self.headers(by))
        return answer.json()

    async def do(self, act: str, by: str = "Ada", case_id: str | None = None, **body: Any) -> tuple[int, Any]:
        case_id = case_id or self.case_id
        path, headers = f"/cases/{case_id}/{act}", self.headers(by)
        answer = await self.client.post(path, headers=headers, json=body or None)
        return answer.status_code, answer.json()

    def headers(self, by: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[by]}"}

    async def alarm(self, cause: str = "intrusion", vin: str = VIN) -> str:
        """Let an alarm be raised; returns its case."""
        self.rig.trigger(cause, f"{cause}-{len(self.rig.messages)}", vin=vin)
        await self.rig.settle()
        self.case_id = str(self.rig.data()[-1]["case_id"])
        return self.case_id

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.rig.store.path) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    rig = Rig(tmp_path / "gateway.db")
    await rig.store.plan_sinks(
        [SinkPlan("soc", "default", "primary"), SinkPlan("spare", "default", "standby")]
    )
    await rig.store.register([Registration(vin=VIN, contacts=CONTACTS)])
    await rig.decider.open()
    desk = Desk(rig)
    people: dict[str, Role] = {"Ada": "operator", "Bo": "operator", "Cy": "supervisor", "Di": "auditor"}
    for person, role in people.items():
        await desk.hire(person, role)
    yield desk
    await desk.client.aclose()
    rig.store.close()


async def test_a_theft_from_its_alarm_to_its_end(desk: Desk) -> None:
    case_id = await desk.alarm("tamper")
    assert (await desk.do("claim"))[1]["state"] == "claimed"
    status, case = await desk.do("contact", outcome="reached", call_reference="C-1")
    assert (status, case["contacts"], case["reached"], case["next_contact"]) == (200, 1, True, 2)
    assert [(one["name"], one["phone"], one["attempts"]) for one in case["calls"]] == [
        ("Eva", "+31 1", 1),
        ("Max", "+31 2", 0),
    ]
    assert (await desk.do("confirm", note="proved by two questions"))[1]["stolen"] is True
    assert (await desk.get(f"/vehicles/{VIN}"))["stolen"] is True
    assert (await desk.do("police", reference="P-77"))[1]["police_reference"] == "P-77"
    asked = await desk.do("recover", note="found in Lille")
    assert (asked[0], asked[1]["approval"]) == (202, "pending")
    assert (await desk.do("recover", note="found in Lille"))[1] == asked[1]
    status, case = await desk.do("recover", "Bo", note="found in Lille")
    assert (status, case["state"], case["stolen"]) == (200, "recovered", False)
    assert (await desk.get(f"/vehicles/{VIN}"))["stolen"] is False
    status, case = await desk.do("close")
    assert (status, case["state"], case["disposition"], case["claimed_by"]) == (
        200,
        "closed",
        "recovered",
        None,
    )
    assert [(one["state"], one["disposition"]) for one in case["alarms"]] == [("closed", "recovered")]
    whats = [one["what"] for one in (await desk.get(f"/cases/{case_id}"))["entries"]]
    assert whats == [
        "alarm.raised",
        *("case.claim", "case.contact", "case.confirm", "case.police", "case.recover_asked", "case.recover"),
        *("case.close", "alarm.closed"),
    ]
    with sqlite3.connect(desk.rig.store.path) as connection:
        assert list(holes(connection)) == []


async def test_of_two_who_claim_at_once_one_wins_and_the_other_is_told_who(desk: Desk) -> None:
    await desk.alarm()
    answers = await asyncio.gather(desk.do("claim", "Ada"), desk.do("claim", "Bo"))
    assert sorted(status for status, _ in answers) == [200, 409]
    won = next(body["claimed_by"] for status, body in answers if status == 200)
    lost = next(body for status, body in answers if status == 409)
    assert (lost["code"], lost["by"]) == ("case_claimed", won)
    status, case = await desk.do("claim", "Cy")
    assert (status, case["claimed_by"]) == (200, "Cy"), "a supervisor may take over"
    audited = desk.rows("SELECT actor, action FROM audit WHERE action LIKE 'case.%' ORDER BY n")
    assert [action for _, action in audited] == ["case.claim", "case.refused", "case.claim"]


async def test_a_case_decides_over_its_alarms_once_it_is_decided(desk: Desk) -> None:
    await desk.alarm()
    alarm_id = desk.rig.data()[-1]["alarm_id"]
    await desk.do("claim")
    await desk.do("dismiss", disposition="user_error_card")
    headers, body = desk.headers("Ada"), {"disposition": "test"}
    answer = await desk.client.post(f"/alarms/{alarm_id}/close", headers=headers, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "case_decides")
    await desk.do("close")
    assert (await desk.get(f"/alarms/{alarm_id}"))["disposition"] == "user_error_card"
    status, body = await desk.do("note", note="too late")
    assert (status, body["code"]) == (409, "illegal_transition")


async def test_closing_without_a_call_waits_for_a_supervisor(desk: Desk) -> None:
    await desk.alarm("tamper")
    await desk.do("claim")
    await desk.do("dismiss", disposition="test")
    assert [(await desk.do("close", by))[0] for by in ("Ada", "Ada", "Cy")] == [202, 202, 200]
    assert (await desk.get(f"/cases/{desk.case_id}"))["state"] == "closed"


async def test_cases_are_listed_by_pages_and_filters(desk: Desk) -> None:
    vins = [f"XVGZZZ99ZTS{number:06}" for number in range(5)]
    ids = [await desk.alarm("tamper" if number else "tilt", vin=vin) for number, vin in enumerate(vins)]
    await desk.do("claim", "Bo", ids[2])
    assert [one["case_id"] for one in (await desk.get("/cases"))["items"]] == ids
    first = await desk.get("/cases?limit=2")
    rest = await desk.get(f"/cases?after={first['next_after']}")
    assert [one["case_id"] for one in (*first["items"], *rest["items"])] == ids
    assert rest["next_after"] is None
    await desk.rig.wait(31)
    for query, expected in (
        ("state=claimed", ids[2:3]),
        ("claimed_by=Bo", ids[2:3]),
        (f"vin={vins[4]}", ids[4:]),
        ("soc=elsewhere", []),
        ("escalated=1", [ids[1], ids[3], ids[4]]),
        ("escalated=0", [ids[0], ids[2]]),
        ("escalated=2", []),
    ):
        assert [one["case_id"] for one in (await desk.get(f"/cases?{query}"))["items"]] == expected, query


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("contact", {}),
        ("contact", {"outcome": "perhaps"}),
        ("contact", {"outcome": "reached", "contact": 9}),
        ("police", {"reference": ""}),
        ("note", {"note": "x" * (MAX_NOTE + 1)}),
        ("close", {"disposition": "aliens"}),
    ],
)
async def test_a_bad_body_changes_nothing(desk: Desk, act: str, body: dict[str, Any]) -> None:
    await desk.alarm()
    await desk.do("claim")
    before = await desk.get(f"/cases/{desk.case_id}")
    status, answer = await desk.do(act, **body)
    assert (status, answer["code"]) in {(422, "invalid_request"), (400, "malformed_request")}
    assert await desk.get(f"/cases/{desk.case_id}") == before


async def test_there_is_no_such_case(desk: Desk) -> None:
    await desk.alarm()
    assert [(await desk.do(act, case_id="nope"))[0] for act in ("claim", "close")] == [404, 404]
    assert (await desk.get("/cases/nope"))["code"] == "unknown_case"


async def test_what_people_write_stands_in_no_audit_entry(desk: Desk) -> None:
    await desk.alarm()
    await desk.do("claim", note="SECRET-1")
    await desk.do(
        "contact", outcome="voicemail", contact="SECRET-2", call_reference="SECRET-3", note="SECRET-4"
    )
    await desk.do("police", reference="SECRET-5")
    await desk.do("note", note="SECRET-6")
    trail = " ".join(details for (details,) in desk.rows("SELECT details FROM audit"))
    assert "SECRET" not in trail
    timeline = str((await desk.get(f"/cases/{desk.case_id}"))["entries"])
    assert [f"SECRET-{number}" in timeline for number in range(1, 7)] == [True] * 6


async def test_an_alarm_that_waits_goes_to_the_standby_at_once_and_says_so_once(desk: Desk) -> None:
    told: list[list[str]] = []
    desk.rig.decider.on_escalated = lambda socs: told.append(sorted(socs))
    await desk.alarm("tamper")
    await desk.rig.wait(29)
    assert desk.rows("SELECT sequence FROM deliveries WHERE sink = 'spare'") == []
    await desk.rig.restart()
    desk.rig.decider.on_messages = [desk.rig.messages.extend]
    desk.rig.decider.on_escalated = lambda socs: told.append(sorted(socs))
    await desk.rig.wait(1000)
    assert desk.rows("SELECT sequence FROM deliveries WHERE sink = 'spare' ORDER BY sequence") == [(1,), (2,)]
    said = [(one["cause"], one["note"], one["event_ids"]) for one in desk.rig.data()[1:]]
    assert said == [("tamper", "escalated:1", [])]
    assert told == [["default"]]
    case = await desk.get(f"/cases/{desk.case_id}")
    assert (case["escalated"], [one["what"] for one in case["entries"]]) == (
        1,
        ["alarm.raised", "alarm.updated", "case.escalated"],
    )
    sent = [(one["sink"], one["state"]) for one in case["entries"][0]["deliveries"]]
    assert sent == [("soc", "pending"), ("spare", "pending")]
    assert case["alarms"][0]["note"] is None, "its own note stays its own"


async def test_a_storm_of_alarms_that_wait_adds_little_to_the_feed(desk: Desk) -> None:
    for number in range(200):
        desk.rig.trigger("tamper", "e1", vin=f"XVGZZZ99ZTS{number:06}")
    await desk.rig.settle()
    await desk.rig.wait(32)
    assert len(desk.rig.messages) == 260
    assert desk.rows("SELECT COUNT(*) FROM audit WHERE action = 'alarm.escalated'") == [(200,)]
    assert desk.rows("SELECT COUNT(DISTINCT subject) FROM deliveries WHERE sink = 'spare'") == [(200,)]
    with sqlite3.connect(desk.rig.store.path) as connection:
        assert list(holes(connection)) == []


async def test_a_claim_outlives_a_restart_and_ends_on_time(desk: Desk) -> None:
    await desk.alarm()
    await desk.do("claim")
    await desk.rig.restart()
    assert (await desk.do("claim", "Bo"))[0] == 409
    await desk.rig.wait(LEASE / timedelta(seconds=1) + 1)
    assert (await desk.get(f"/cases/{desk.case_id}"))["state"] == "new"
    assert (await desk.do("claim", "Bo"))[0] == 200


async def test_nothing_of_an_act_is_kept_while_the_store_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.alarm()
    before = desk.rows("SELECT * FROM case_entries"), desk.rows("SELECT * FROM cases")

    async def fail(_decision: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(desk.rig.store, "commit", fail)
    status, body = await desk.do("claim")
    assert (status, body["code"]) == (503, "store_failing")
    monkeypatch.undo()
    assert (desk.rows("SELECT * FROM case_entries"), desk.rows("SELECT * FROM cases")) == before


async def test_the_track_of_a_stolen_car_goes_on_in_private_mode(desk: Desk) -> None:
    await desk.alarm()
    await desk.do("claim")
    await desk.do("confirm")
    now = desk.rig.clock.now()
    desk.rig.send("mode", {"event_id": "m1", "occurred_at": now, "private_mode": True})
    desk.rig.telemetry(Latitude=52.1, Longitude=4.3, Speed=50.0, IsMoving=True)
    await desk.rig.settle()
    assert len(desk.rows("SELECT * FROM tracks")) == 1


async def test_what_waits_for_a_second_person_is_told_until_it_is_done_or_too_old(desk: Desk) -> None:
    async def waiting() -> list[tuple[str, str]]:
        return [(one.what, one.asked_by) for one in await desk.rig.store.waiting("default", 10)]

    await desk.alarm()
    for act in ("claim", "confirm", "recover"):
        await desk.do(act)
    [one] = await desk.rig.store.waiting("default", 10)
    assert (one.case_id, one.what, one.asked_by) == (desk.case_id, "case.recover", "Ada")
    await desk.do("recover", by="Ada")
    assert await waiting() == [("case.recover", "Ada")]
    await desk.do("recover", by="Bo")
    assert await waiting() == []
    other = "WVWZZZ1JZXW000009"
    report = TheftReport(received_at=desk.rig.clock.now(), by="Bo", role="operator", approval_key="k")
    await desk.act(other, report)
    assert await waiting() == [("manual_report", "Bo")]
    await desk.rig.wait(601)
    assert await waiting() == []
