"""Commands through decider and store: what leaves after which commit, what is written down, what is lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.api.grants import decode_vehicle
from gateway.domain.offline import is_online
from gateway.domain.security_code import key_of, response
from gateway.domain.signals import Registration
from gateway.pipeline.commanding import Commanding
from gateway.pipeline.quota import BURST, MAX_PEOPLE, Quota
from gateway.pipeline.requests import Requests
from gateway.ports import AuditEntry, Inbound
from gateway.testing import ClearSeal
from tests.pipeline.conftest import VIN, Rig

KEY = key_of("1234", "5a17", 10)
ENTRY = Registration(
    vin=VIN,
    main_user="anna",
    security_code_key={"salt": "5a17", "rounds": 10, "key": KEY.hex()},
    services={"remote_access": {"until": "2030-01-01T00:00:00Z"}},
)


class Remote:
    """The rig with people: they ask by MQTT, and what was published is theirs or the vehicle's."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._count = 0
        self.connect()

    def connect(self) -> None:
        """Join the parts, as a start does."""
        rig = self.rig
        self.requests = Requests(
            rig.inbox,
            rig.intake,
            rig.link,
            clock=rig.clock,
            meters=rig.tally,
            log=rig.log,
            new_challenge=lambda: f"{self._count:064x}",
            seal=ClearSeal(),
        )
        rig.ingest.on_request = self.requests.take
        rig.decider.stated = self.requests.stated
        self.commanding = Commanding(rig.link, rig.clock, rig.tally, rig.log)
        rig.decider.on_leaving = self.commanding.send

    async def ready(self) -> None:
        rig, now = self.rig, self.rig.clock.now()
        await rig.store.register([ENTRY])
        rig.send("mode", {"event_id": "m-1", "occurred_at": now, "remote_access_enabled": True})
        rig.send("connection", {"online": True, "at": now})
        rig.telemetry(Speed=0, LowVoltageSystemState="OFF")
        await rig.settle()

    def ask(self, action: str, *, user: str = "anna", vin: str = VIN, **more: Any) -> str:
        self._count += 1
        request_id = f"r-{self._count}"
        body = {"request_id": request_id, "action": action, "issued_at": self.rig.clock.now().isoformat()}
        self.send({**body, **more}, user=user, vin=vin)
        return str(more.get("request_id", request_id))

    def send(self, body: Any, *, user: str = "anna", vin: str = VIN) -> None:
        topic = f"v1/users/{user}/vehicles/{vin}/remote-access/request"
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._sent = getattr(self, "_sent", 1000) + 1
        number = self._sent
        ack = self.rig.acks_in_order.place(lambda: self.rig.acks.append(number))
        self.rig.ingest.take([Inbound(topic, payload, self.rig.clock.now(), ack)])

    async def asked(self, action: str, **more: Any) -> list[tuple[str, str | None]]:
        """Ask, decide, and give what was answered."""
        request_id = self.ask(action, **more)
        await self.rig.settle()
        return self.told(request_id)

    async def proof(self, code: str = "1234") -> str:
        request_id = self.ask("challenge", params={"purpose": "unlock"})
        await self.rig.settle()
        given = next(one for one in self.answers if one["request_id"] == request_id)
        return response(
            key_of(code, given["salt"], given["rounds"]), given["challenge"], "anna", VIN, "unlock"
        )

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(body) for topic, body in self.rig.link.published if topic.endswith("/response")]

    def told(self, request_id: str) -> list[tuple[str, str | None]]:
        return [(one["status"], one["reason"]) for one in self.answers if one["request_id"] == request_id]

    @property
    def commands(self) -> list[dict[str, Any]]:
        return [json.loads(body) for topic, body in self.rig.link.published if topic.endswith("/command")]


@pytest.fixture
async def remote(rig: Rig) -> Remote:
    remote = Remote(rig)
    await remote.ready()
    return remote


async def test_a_command_is_committed_as_sent_before_it_is_published(remote: Remote) -> None:
    rig = remote.rig
    seen: list[list[Any]] = []
    send = rig.decider.on_leaving

    def look(leaving: Any) -> None:
        seen.append([one.effect.command.status for one in leaving])
        assert remote.commands == []
        send(leaving)

    rig.decider.on_leaving = look
    assert await remote.asked("lock") == [("accepted", None), ("sent", None)]
    assert seen == [["accepted", "sent"]]
    (command,) = remote.commands
    row = await rig.store.command(command["command_id"])
    assert row is not None
    assert (row.vin, row.user, row.request_id, row.action, row.status) == (VIN, "anna", "r-1", "lock", "sent")
    assert await rig.store.command("nothing") is None


async def test_what_the_store_could_not_take_is_decided_again_when_it_is_too_late(remote: Remote) -> None:
    rig = remote.rig
    rig.failing = True
    request_id = remote.ask("lock")
    await rig.settle()
    assert remote.commands == remote.answers == []
    rig.failing = False
    rig.clock.advance(61)
    await rig.settle()
    assert remote.told(request_id) == [("refused", "expired")]
    assert remote.commands == []
    assert rig.acks[-1] == 1001


async def test_a_publish_that_finds_no_room_is_lost_and_ends_as_unknown(remote: Remote) -> None:
    rig = remote.rig
    rig.link.full = True
    request_id = remote.ask("lock")
    await rig.settle()
    assert rig.tally.totals["gateway_commands_lost_total"] == 1
    assert "command.not_published" in rig.log.events
    rig.link.full = False
    await rig.wait(120)
    assert remote.told(request_id) == [("accepted", None), ("sent", None), ("unknown", None)]
    assert remote.commands == []


async def test_answers_wait_for_room_in_their_order_and_bounded_in_number(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pipeline.commanding.MAX_ANSWERS", 3)
    remote.rig.link.full = True
    for _ in range(5):
        remote.ask("sing")
    await remote.rig.settle()
    assert remote.answers == []
    remote.rig.link.full = False
    remote.commanding._flush()
    assert [one["request_id"] for one in remote.answers] == ["r-3", "r-4", "r-5"]
    assert remote.rig.tally.totals["gateway_answers_dropped_total"] == 2


async def test_after_a_kill_nothing_is_sent_again(remote: Remote) -> None:
    rig = remote.rig
    rig.decider.on_leaving = lambda _leaving: None  # it dies between commit and publish
    request_id = remote.ask("lock")
    await rig.settle()
    await rig.restart()
    remote.connect()
    rig.telemetry(Speed=0)
    remote.ask("lock", request_id=request_id)
    await rig.wait(120)
    assert remote.commands == []
    assert remote.told(request_id)[-1] == ("unknown", None)


async def test_a_car_that_comes_back_with_an_open_door_is_not_locked(remote: Remote) -> None:
    rig = remote.rig
    rig.clock.advance(1)
    rig.send("connection", {"online": False})
    await rig.settle()
    request_id = remote.ask("lock")
    await rig.settle()
    assert remote.told(request_id) == [("accepted", None)]
    rig.clock.advance(1)
    body = {"occurred_at": rig.clock.now(), "signals": {"Vehicle.Cabin.Door.Row1.DriverSide.IsOpen": True}}
    rig.send("telemetry", body)
    await rig.settle()
    assert remote.told(request_id)[-1] == ("failed", "door_open")
    assert remote.commands == []


async def test_a_vehicle_that_says_nothing_new_is_heard_and_gets_what_waits_for_it(remote: Remote) -> None:
    rig = remote.rig
    rig.clock.advance(1)
    rig.send("connection", {"online": False})
    assert await remote.asked("climate_start") == [("accepted", None)]
    rig.clock.advance(1)
    rig.telemetry(Speed=0, LowVoltageSystemState="OFF")
    await rig.settle()
    assert [one["action"] for one in remote.commands] == ["climate_start"]
    seen = await rig.store.known((), [VIN], ())
    assert is_online(decode_vehicle(VIN, seen.vehicles[VIN])) is True


async def test_no_answer_to_a_challenge_is_written_down_anywhere(remote: Remote) -> None:
    proof = await remote.proof()
    assert await remote.asked("unlock", challenge_response=proof) == [("accepted", None), ("sent", None)]
    wrong = await remote.proof("9999")
    assert await remote.asked("unlock", challenge_response=wrong) == [("refused", "security_code_wrong")]
    rows = (await remote.rig.store.audit_page(0, 100)).items
    assert rows
    remote.rig.store.close()
    for path in remote.rig.store.path.parent.iterdir():
        kept = path.read_bytes()
        assert proof.encode() not in kept
        assert wrong.encode() not in kept


async def test_a_stranger_and_an_unknown_vehicle_leave_only_an_audit_entry(remote: Remote) -> None:
    other = "XVGZZZ99ZTS000009"
    before = await remote.rig.store.vehicle(VIN)
    assert await remote.asked("lock", user="eve") == [("refused", "unknown_vehicle")]
    assert await remote.asked("lock", vin=other) == [("refused", "unknown_vehicle")]
    assert await remote.rig.store.vehicle(VIN) == before
    assert await remote.rig.store.vehicle(other) is None
    trail = [
        one for one in (await remote.rig.store.audit_page(0, 100)).items if one["action"] == "command.refused"
    ]
    assert [one["details"]["cause"] for one in trail] == ["no role on the vehicle", "not registered"]


async def test_a_right_that_was_taken_back_counts_at_once(remote: Remote) -> None:
    await remote.rig.store.register([replace(ENTRY, main_user="carl")])
    assert await remote.asked("lock") == [("refused", "unknown_vehicle")]


async def test_doors_and_movement_come_from_the_newest_telemetry(remote: Remote) -> None:
    rig = remote.rig
    rig.send(
        "telemetry",
        {
            "occurred_at": rig.clock.now().isoformat(),
            "signals": {"Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen": True},
        },
    )
    assert await remote.asked("lock") == [("refused", "door_open")]
    rig.telemetry(Speed=10)
    unlock = await remote.asked("unlock", challenge_response=await remote.proof())
    assert unlock == [("refused", "vehicle_moving")]


async def test_in_private_mode_no_telemetry_stands_in_the_journal(remote: Remote) -> None:
    rig = remote.rig
    rig.send("mode", {"event_id": "m-2", "occurred_at": rig.clock.now(), "private_mode": True})
    await rig.settle()
    assert await remote.asked("lock") == [("refused", "private_mode")]
    rig.store.close()
    kept = b"".join(path.read_bytes() for path in rig.store.path.parent.iterdir())
    assert b'"fact":"commandrequested"' in kept
    assert b'"door_open"' not in kept
    assert b'"moving_at"' not in kept


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b"", None),
        (b"[]", None),
        (b'{"request_id": "r-9", "action": 7}', "r-9"),
        (b'{"request_id": "r-9", "action": "lock"}', "r-9"),
        (b'{"request_id": "", "action": "lock", "issued_at": "2026-11-22T09:30:00Z"}', None),
        (
            b'{"request_id": "r-9", "action": "lock", "issued_at": "2026-11-22T09:30:00Z", "params": [1]}',
            "r-9",
        ),
        (
            b'{"request_id": "r-9", "action": "a", "issued_at": "2026-11-22T09:30:00Z", "params": {"a": {}}}',
            "r-9",
        ),
        (b'{"request_id": "r-9", "action": "challenge", "issued_at": "2026-11-22T09:30:00Z"}', "r-9"),
        (b"\xff\xfe", None),
        (b"[" * 30_000, None),
        (b'{"request_id": "r-9", "pad": "' + b"x" * 33_000 + b'"}', None),
    ],
)
async def test_what_can_not_be_read_is_refused_and_stops_nothing(
    remote: Remote, body: bytes, request_id: str | None
) -> None:
    remote.send(body)
    await remote.rig.settle()
    assert remote.answers[-1] == {
        "request_id": request_id,
        "command_id": None,
        "status": "refused",
        "reason": "malformed",
    }
    assert await remote.asked("lock") == [("accepted", None), ("sent", None)]


@pytest.mark.parametrize(
    "topic",
    [
        f"v1/users/gateway/vehicles/{VIN}/remote-access/request",
        f"v1/users/{VIN}/vehicles/{VIN}/remote-access/request",
        f"v1/users/{'a' * 65}/vehicles/{VIN}/remote-access/request",
        "v1/users/anna/vehicles/NOVIN/remote-access/request",
        f"v1/users/anna/vehicles/{VIN}/remote-access/response",
        f"v1/users/a b/vehicles/{VIN}/remote-access/request",
    ],
)
async def test_a_topic_that_names_no_person_is_quarantined_and_answered_to_nobody(
    remote: Remote, topic: str
) -> None:
    body = {"request_id": "r-1", "action": "lock", "issued_at": remote.rig.clock.now().isoformat()}
    remote.rig.ingest.take([Inbound(topic, json.dumps(body).encode(), remote.rig.clock.now(), lambda: None)])
    await remote.rig.settle()
    assert remote.answers == remote.commands == []
    assert remote.rig.tally.totals["gateway_quarantined_total"] == 1


async def test_beyond_the_quota_a_person_hears_so_once_a_second_and_others_go_on(remote: Remote) -> None:
    for _ in range(3 * BURST):
        remote.ask("locate")
    await remote.rig.settle()
    reasons = [one["reason"] for one in remote.answers]
    assert reasons.count("too_many_requests") == 1
    assert len([one for one in remote.answers if one["status"] == "accepted"]) == 15
    assert reasons.count("wake_budget") == BURST - 15
    assert sorted(remote.rig.acks[-3 * BURST :]) == remote.rig.acks[-3 * BURST :]
    assert await remote.asked("locate", user="eve") == [("refused", "unknown_vehicle")]


def test_a_quota_fills_by_the_second_and_is_bounded_in_people() -> None:
    quota = Quota(burst=2, per_s=0.5)
    assert [quota.takes("anna", 0.0) for _ in range(3)] == [True, True, False]
    assert not quota.takes("anna", 1.9)
    assert quota.takes("anna", 4.0)
    for number in range(MAX_PEOPLE + 10):
        quota.takes(f"u-{number}", 5.0)
    assert len(quota._left) == MAX_PEOPLE


async def test_a_persons_commands_are_shown_to_that_person_and_erased_with_the_account(
    remote: Remote,
) -> None:
    await remote.asked("lock")
    (held,) = (await remote.rig.store.held_of("anna"))["commands"]
    assert (held["vin"], held["action"], held["status"]) == (VIN, "lock", "sent")
    await remote.rig.store.erase(
        "anna", (), AuditEntry(remote.rig.clock.now(), "anna", "user.erased", "anna")
    )
    assert (await remote.rig.store.held_of("anna"))["commands"] == []


async def test_old_commands_are_deleted_and_new_ones_kept(remote: Remote) -> None:
    await remote.asked("lock")
    command_id = remote.commands[0]["command_id"]
    now = remote.rig.clock.now()
    await remote.rig.store.prune(now + timedelta(days=89))
    assert await remote.rig.store.command(command_id) is not None
    await remote.rig.store.prune(now + timedelta(days=91))
    assert await remote.rig.store.command(command_id) is None
