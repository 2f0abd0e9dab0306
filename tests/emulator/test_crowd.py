"""People and their cars on a real broker, with a gateway that passes every wish on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import msgspec
import pytest

from devtools.broker import HOST, Broker
from tests.emulator.receipting import ReceiptingGateway
from vehicle_emulator import codec, messages
from vehicle_emulator.crowd import Crowd
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.link import Link, Station
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.owner import Owner
from vehicle_emulator.report import Commands, Tally
from vehicle_emulator.unit import Clock, Depot

SEED = 79
CARS = 4
LIFE_MS = 60_000


class ObligingGateway(ReceiptingGateway):
    """Sends a command for each new request; the first of each it leaves unanswered, as if it was lost."""

    def __init__(self, *where: Any, **who: Any) -> None:
        super().__init__(*where, **who)
        self.people = Link(self.station, _People(self))
        self.asked: dict[str, tuple[str, str]] = {}
        self.tries: Counter[str] = Counter()
        self.commands: list[str] = []

    async def start(self) -> None:
        await super().start()
        self.people.open()
        while not self.people.is_up:  # noqa: ASYNC110  # a link has no event for it
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.people.close()
        await super().stop()

    def take(self, topic: str, body: dict[str, Any]) -> None:
        _, _, user, _, vin, _ = topic.split("/", 5)
        request_id = body["request_id"]
        self.tries[request_id] += 1
        if self.tries[request_id] == 1:
            return
        if body["action"] == "challenge":
            self._tell(user, vin, {"request_id": request_id, "challenge": "ab", "salt": "s", "rounds": 10})
        elif request_id not in self.asked:
            self.asked[request_id] = (user, vin)
            self._tell(user, vin, {"request_id": request_id, "command_id": request_id, "status": "accepted"})
            self._command(vin, body)

    def link_message(self, topic: str, payload: bytes) -> None:
        super().link_message(topic, payload)
        body = msgspec.json.decode(payload)
        if topic.endswith(messages.RESULT):
            user, vin = self.asked[body["command_id"]]
            answer = {"request_id": body["command_id"], "command_id": body["command_id"]}
            status = "failed" if body["status"] == "refused" else body["status"]
            self._tell(user, vin, answer | {"status": status, "reason": body.get("reason")})

    def _command(self, vin: str, body: dict[str, Any]) -> None:
        self.commands.append(body["action"])
        now_ms = int(time.time() * 1_000)
        command = {
            "command_id": body["request_id"], "action": body["action"], "params": {},
            "counter": len(self.commands), "issued_at": rfc3339(now_ms),
            "expires_at": rfc3339(now_ms + LIFE_MS),
        }  # fmt: skip
        for _ in range(2):  # the broker may repeat it
            self.say(vin, messages.COMMAND, msgspec.json.encode(command))

    def _tell(self, user: str, vin: str, body: dict[str, Any]) -> None:
        topic = f"v1/users/{user}/vehicles/{vin}/remote-access/response"
        self.link.publish(topic, msgspec.json.encode(body))


class _People:
    """The gateway's second session, for what people say."""

    def __init__(self, gateway: ObligingGateway) -> None:
        self.gateway = gateway

    def greeting(self) -> codec.Greeting:
        own = self.gateway
        return codec.Greeting("gateway-people", own.username, own.password, "", b"", 60)

    def topics(self) -> tuple[str, ...]:
        return ("v1/users/+/vehicles/+/remote-access/request",)

    def link_up(self) -> None:
        pass

    def link_down(self) -> None:
        pass

    def link_room(self) -> None:
        pass

    def link_message(self, topic: str, payload: bytes) -> None:
        self.gateway.take(topic, msgspec.json.decode(payload))


@pytest.fixture
def people(broker: Broker) -> list[tuple[str, Owner]]:
    users = [f"crowd-{number}" for number in range(CARS)]
    broker.add("vehicles", *vins(SEED, CARS))
    passwords = broker.add("users", *users)
    owners = (Owner(user, security_code="1234", password=passwords[user]) for user in users)
    return list(zip(vins(SEED, CARS), owners, strict=True))


async def test_what_was_lost_is_asked_again_and_done_once(
    broker: Broker, people: list[tuple[str, Owner]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vehicle_emulator.person.ASK_AGAIN_MS", 300.0)
    monkeypatch.setattr("vehicle_emulator.life.LEFT_LONG_AGO", 0.0)
    gateway = ObligingGateway(
        HOST, broker.ports["gateways"], password=broker.passwords["gateways"]["gateway"]
    )
    await gateway.start()
    clock = Clock(time.time() * 1_000)
    apps = Station(HOST, broker.ports["users"], Dice(SEED, "apps"))
    crowd = Crowd(people, apps, clock, seed=SEED, rate_per_s=6.0)
    cars = Station(HOST, broker.ports["vehicles"], Dice(SEED))
    depot = Depot(cars, clock, Tally(), lambda vin: (vin, broker.passwords["vehicles"][vin]))
    fleet = Fleet(Plan(vehicles=CARS, seed=SEED, duration_s=0.0, driving_share=0.0), depot, crowd=crowd)
    running = asyncio.create_task(fleet.run())

    def performed(told: Commands) -> Counter[str]:
        return Counter({one.action: one.count for one in told.outcomes if one.status == "performed"})

    async with asyncio.timeout(60):
        while (done := performed(crowd.report())).total() < 5 or not done["unlock"]:  # noqa: ASYNC110  # counts
            await asyncio.sleep(0.02)
    for phone in crowd.phones:
        phone.link.cut()
        phone.link.open()
    before = performed(crowd.report()).total()
    async with asyncio.timeout(60):
        while performed(crowd.report()).total() < before + 3:  # noqa: ASYNC110  # counts
            await asyncio.sleep(0.02)
    fleet.stopping.set()
    told = (await running).commands
    await gateway.stop()
    assert told is not None
    assert (told.contradicted, told.stray, told.unreadable) == (0, 0, 0)
    assert told.asked_again > 5
    assert told.connections["connects"] == 2 * CARS
    assert performed(told) <= Counter(gateway.commands)
    assert told.performed_ms.count == performed(told).total()
    assert told.performed_ms.p50 >= 300.0
    answered = {body["command_id"] for _, kind, body in gateway.heard if kind == messages.RESULT}
    assert answered <= set(gateway.asked)
