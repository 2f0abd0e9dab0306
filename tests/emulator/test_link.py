"""A link on a real broker."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from devtools.broker import HOST, Broker
from devtools.mosquitto import Mosquitto
from vehicle_emulator import codec
from vehicle_emulator.codec import Version
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station
from vehicle_emulator.tape import Tape

VIN = "XVGTESTLNK0000001"
OTHER = "XVGTESTLNK0000002"
PASSWORD = "secret"
PATIENCE_S = 60.0


class Ear:
    """Listens, and lets a test wait for what it hears."""

    def __init__(self, name: str, topics: tuple[str, ...], password: str = PASSWORD) -> None:
        self.name, self.heard_topics, self.password = name, topics, password
        self.messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.ups = asyncio.Semaphore(0)
        self.downs = asyncio.Semaphore(0)
        self.rooms = asyncio.Semaphore(0)

    def greeting(self) -> codec.Greeting:
        will_topic = f"v1/vehicles/{self.name}/connection"
        return codec.Greeting(self.name, self.name, self.password, will_topic, b'{"online":false}', 60)

    def topics(self) -> tuple[str, ...]:
        return self.heard_topics

    def link_up(self) -> None:
        self.ups.release()

    def link_down(self) -> None:
        self.downs.release()

    def link_message(self, topic: str, payload: bytes) -> None:
        self.messages.put_nowait((topic, payload))

    def link_room(self) -> None:
        self.rooms.release()

    async def next(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self.messages.get(), PATIENCE_S)


@pytest.fixture(scope="module")
def access(broker: Broker) -> Broker:
    broker.add("vehicles", passwords={VIN: PASSWORD, OTHER: PASSWORD})
    return broker


def vehicle_link(broker: Broker, ear: Ear, version: Version = Version.V5) -> Link:
    return Link(Station(HOST, broker.ports["vehicles"], Dice(1), version=version), ear)


async def close(link: Link) -> None:
    link.close()
    async with asyncio.timeout(PATIENCE_S):
        while not link.is_gone:  # noqa: ASYNC110  # a link has no event for it
            await asyncio.sleep(0.001)


def vehicle_ear(name: str = VIN, password: str = PASSWORD) -> Ear:
    return Ear(name, (f"v1/vehicles/{name}/receipt",), password)


@pytest.fixture
async def gateway(access: Broker) -> AsyncIterator[tuple[Link, Ear]]:
    topics = tuple(f"v1/vehicles/{VIN}/{kind}" for kind in ("theft-sensor", "telemetry"))
    ear = Ear("gateway", topics, access.passwords["gateways"]["gateway"])
    link = Link(Station(HOST, access.ports["gateways"], Dice(2)), ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    yield link, ear
    await close(link)


@pytest.mark.parametrize("version", Version)
async def test_messages_pass_in_both_directions(
    access: Broker, gateway: tuple[Link, Ear], version: Version
) -> None:
    ear = vehicle_ear()
    link = vehicle_link(access, ear, version)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    assert link.publish(f"v1/vehicles/{VIN}/telemetry", b'{"n":0}')
    assert link.publish_surely(f"v1/vehicles/{VIN}/theft-sensor", b'{"n":1}')
    heard = {await gateway[1].next(), await gateway[1].next()}
    assert heard == {
        (f"v1/vehicles/{VIN}/telemetry", b'{"n":0}'),
        (f"v1/vehicles/{VIN}/theft-sensor", b'{"n":1}'),
    }
    gateway[0].publish_surely(f"v1/vehicles/{VIN}/receipt", b"{}")
    assert await ear.next() == (f"v1/vehicles/{VIN}/receipt", b"{}")
    await close(link)


async def test_a_cut_publishes_the_will_and_a_close_does_not(
    access: Broker, gateway: tuple[Link, Ear]
) -> None:
    will = f"v1/vehicles/{VIN}/connection"
    gateway[1].heard_topics += (will,)
    gateway[0].cut()
    gateway[0].open()
    await asyncio.wait_for(gateway[1].ups.acquire(), PATIENCE_S)
    ear = vehicle_ear()
    link = vehicle_link(access, ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    link.cut()
    assert await gateway[1].next() == (f"v1/vehicles/{VIN}/connection", b'{"online":false}')
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    link.publish_surely(f"v1/vehicles/{VIN}/theft-sensor", b'{"last":1}')
    link.close()
    await asyncio.wait_for(ear.downs.acquire(), PATIENCE_S)
    assert await gateway[1].next() == (f"v1/vehicles/{VIN}/theft-sensor", b'{"last":1}')
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    link.publish_surely(f"v1/vehicles/{VIN}/theft-sensor", b'{"next":1}')
    assert await gateway[1].next() == (f"v1/vehicles/{VIN}/theft-sensor", b'{"next":1}'), "and no will before"
    await close(link)


async def test_a_tape_has_the_will_of_a_cut_and_none_of_a_close(access: Broker) -> None:
    file, ear = io.BytesIO(), vehicle_ear()
    link = vehicle_link(access, ear)
    link._station.tape = Tape(file, lambda: datetime(2026, 11, 20, tzinfo=UTC))
    for leave in (link.cut, link.close):
        link.open()
        await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
        leave()
        await asyncio.wait_for(ear.downs.acquire(), PATIENCE_S)
    said = [msgspec.json.decode(line) for line in file.getvalue().splitlines()[1:]]
    assert [(one["topic"], one["payload"], one["qos"], one["retain"]) for one in said] == [
        (f"v1/vehicles/{VIN}/connection", '{"online":false}', 1, True)
    ]


async def test_a_full_window_refuses_and_tells_when_there_is_room(access: Broker) -> None:
    ear = vehicle_ear()
    link = vehicle_link(access, ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    sent = 0
    while link.publish_surely(f"v1/vehicles/{VIN}/mode", b"{}"):
        sent += 1
    assert (sent, link.room) == (20, 0)
    await asyncio.wait_for(ear.rooms.acquire(), PATIENCE_S)
    assert link.room > 0
    await close(link)


async def test_a_puback_without_a_receiver_is_counted(access: Broker) -> None:
    ear = vehicle_ear(OTHER)
    station = Station(HOST, access.ports["vehicles"], Dice(1))
    link = Link(station, ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    link.publish_surely(f"v1/vehicles/{OTHER}/mode", b"{}")
    async with asyncio.timeout(PATIENCE_S):
        while not station.counts["puback_reason_16"]:  # noqa: ASYNC110  # a counter has no event
            await asyncio.sleep(0.01)
    await close(link)


async def test_a_wrong_password_is_counted_and_tried_again(access: Broker) -> None:
    ear = vehicle_ear(password="wrong")
    station = Station(HOST, access.ports["vehicles"], Dice(1))
    link = Link(station, ear)
    link.open()
    async with asyncio.timeout(PATIENCE_S):
        while station.counts["connect_refused (not authorised)"] < 2:  # noqa: ASYNC110  # a counter has no event
            await asyncio.sleep(0.01)
    assert not link.is_up
    await close(link)


async def test_a_server_that_hangs_up_without_a_word_is_counted() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, HOST, 0) as server:
        station = Station(HOST, server.sockets[0].getsockname()[1], Dice(1))
        link = Link(station, vehicle_ear(OTHER))
        link.open()
        async with asyncio.timeout(PATIENCE_S):
            while station.counts["dial_failed (closed without an answer)"] < 2:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        await close(link)


@pytest.fixture
def own_broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    with Broker(mosquitto=mosquitto, persistence=False) as own:
        own.add("vehicles", passwords={VIN: PASSWORD})
        yield own


async def test_a_link_comes_back_after_the_broker(own_broker: Broker) -> None:
    ear = vehicle_ear()
    link = vehicle_link(own_broker, ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    await asyncio.to_thread(own_broker.kill)
    await asyncio.wait_for(ear.downs.acquire(), PATIENCE_S)
    assert (link.is_up, link.room) == (False, 0)
    assert not link.publish("t", b"")
    await asyncio.to_thread(own_broker.start)
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    await close(link)


async def test_a_frozen_broker_is_noticed_by_its_silence(own_broker: Broker) -> None:
    ear = vehicle_ear()
    link = vehicle_link(own_broker, ear)
    link.open()
    await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
    link.keep_alive()
    for _ in range(2):
        link.keep_alive()
        assert link._is_unanswered
        async with asyncio.timeout(PATIENCE_S):
            while link._is_unanswered:  # noqa: ASYNC110  # a link has no event for it
                await asyncio.sleep(0.01)
    assert link.is_up, "an answered ping is no reason to leave"
    own_broker.pause()
    link.keep_alive()
    link.keep_alive()
    await asyncio.wait_for(ear.downs.acquire(), PATIENCE_S)
    own_broker.resume()
    await close(link)


def test_backoff_is_full_jitter_below_a_doubling_cap() -> None:
    station = Station("h", 1, Dice(1))
    for failures, cap_s in ((0, 1), (1, 2), (3, 8), (9, 30), (500, 30)):
        delays = [station.backoff_s(failures) for _ in range(200)]
        assert 0.0 <= min(delays) < cap_s * 0.2
        assert cap_s * 0.8 < max(delays) <= cap_s
