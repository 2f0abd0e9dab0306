"""What only the fast reader can get wrong: borders of packets, one write for many, wrong bytes."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devtools.broker import Broker
from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt import connection as connection_module
from gateway.adapters.mqtt import packets, reader, sender
from gateway.adapters.mqtt.connection import Connection
from gateway.adapters.mqtt.sessions import Plan, Session
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received, Splitter
from gateway.errors import PublishUnknown
from gateway.pipeline.meters import Tally
from gateway.ports import Reply
from tests.mqtt.conftest import PATIENCE_S, TOPIC, Listener, eventually
from tests.support.certificates import self_signed

Listen = Callable[..., AbstractAsyncContextManager[Listener]]
Publish = Callable[..., None]

CONNACK = b"\x20\x03\x00\x00\x00"
PLAIN = packets.properties(5, None)


def publish(number: int) -> bytes:
    return packets.publish(TOPIC, b"%d" % number, qos=1, retain=False, mid=number, properties=PLAIN)


class Scripted:
    """A broker of a few lines: answers CONNECT with what the test says, and keeps what it hears."""

    def __init__(self, connack: bytes = CONNACK) -> None:
        self.heard: list[bytes] = []
        self.connack = connack
        self.writer: asyncio.StreamWriter | None = None
        self.gone = asyncio.Event()

    async def serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        await stream.read(1000)
        writer.write(self.connack)
        while data := await stream.read(1 << 20):
            self.heard.append(data)
        self.gone.set()
        writer.close()

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


@asynccontextmanager
async def connected(
    broker: Scripted, certificate: Path | None = None, **options: Any
) -> AsyncIterator[tuple[Connection, list[Received], list[int]]]:
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    received: list[Received] = []
    batches: list[int] = []

    def take(batch: Any) -> None:
        received.extend(batch)
        batches.append(len(batch))

    scheme, ca_file = ("mqtts", str(certificate)) if certificate else ("mqtt", None)
    settings = MqttSettings(url=f"{scheme}://127.0.0.1:{port}", ca_file=ca_file)
    try:
        async with Connection(
            settings, "x", version=5, clean=False, on_messages=take, **options
        ) as connection:
            yield connection, received, batches
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "broker.pem")


async def test_what_stands_right_behind_the_connack_is_read() -> None:
    """A resumed session sends at once: paho must not keep the beginning of a packet."""
    many = b"".join(publish(number) for number in range(1, 101))
    broker = Scripted(CONNACK + many[:-3])
    async with connected(broker) as (_, received, _batches):
        await eventually(lambda: len(received) == 99)
        broker.say(many[-3:])
        await eventually(lambda: len(received) == 100)
        assert [one.mid for one in received] == list(range(1, 101))


async def test_what_tls_holds_back_is_read(certificate: Path) -> None:
    """TLS decrypts a record at once: what stays in it, the socket never shows as readable."""
    many = b"".join(publish(number) for number in range(1, 2_001))
    broker = Scripted(CONNACK + many[:5])
    async with connected(broker, certificate) as (connection, received, _batches):
        broker.say(many[5:])
        await eventually(lambda: len(received) == 2_000)
        assert [one.mid for one in received] == list(range(1, 2_001))
        for one in received:
            connection.ack(one)
        await eventually(lambda: sum(map(len, broker.heard)) == 2_000 * 4)
        assert connection.post(TOPIC, b"x" * 200_000)
        await eventually(lambda: sum(map(len, broker.heard)) > 200_000)


async def test_a_session_of_tls_that_sends_at_once_is_read(certificate: Path) -> None:
    many = b"".join(publish(number) for number in range(1, 101))
    async with connected(Scripted(CONNACK + many), certificate) as (_connection, received, _batches):
        await eventually(lambda: len(received) == 100)


async def test_many_small_records_of_tls_are_one_batch(certificate: Path) -> None:
    """A broker writes each message by itself: one record in each 2 ms would be 500 messages a second."""
    broker = Scripted()
    async with connected(broker, certificate, coalesce_s=0.05) as (connection, received, batches):
        for number in range(1, 201):
            broker.say(publish(number))
        await eventually(lambda: len(received) == 200)
        assert len(batches) < 10
        broker.say(publish(201))
        assert broker.writer is not None
        broker.writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await connection.until_lost()
        assert len(received) == 201


async def test_a_read_is_one_batch_and_its_acknowledgements_are_one_write() -> None:
    broker = Scripted()
    async with connected(broker) as (connection, received, batches):
        broker.say(b"".join(publish(number) for number in range(1, 101)))
        await eventually(lambda: len(received) == 100)
        assert batches == [100]
        for one in received:
            connection.ack(one)
        await eventually(lambda: bool(broker.heard))
        assert broker.heard == [b"".join(packets.puback(number) for number in range(1, 101))]


async def test_acknowledgements_leave_before_the_goodbye() -> None:
    broker = Scripted()
    async with connected(broker) as (connection, received, _):
        broker.say(publish(7))
        await eventually(lambda: len(received) == 1)
        connection.ack(received[0])
    await broker.gone.wait()
    assert b"".join(broker.heard).startswith(packets.puback(7))


async def test_the_end_of_tls_behind_a_message_is_noticed(certificate: Path) -> None:
    """A goodbye of TLS need not end the socket, which then never is readable again."""
    async with connected(Scripted(), certificate) as (connection, received, _batches):
        told = iter([publish(1)])
        assert connection._reader is not None
        connection._paho._keepalive = 0  # a ping would notice it as well
        connection._reader._receive = lambda _size: next(told, b"")
        connection._reader._readable()
        async with asyncio.timeout(PATIENCE_S):
            await connection.until_lost()
        assert [one.mid for one in received] == [1]


async def test_one_read_of_tls_is_bounded(certificate: Path) -> None:
    """A broker that always has more must not keep everybody else waiting."""
    record = packets.publish(TOPIC, bytes(16_000), qos=0, retain=False, mid=0, properties=PLAIN)
    async with connected(Scripted(), certificate) as (connection, received, _batches):
        assert connection._reader is not None
        connection._reader._receive = lambda _size: record
        connection._reader._pull()
        connection._reader._receive = lambda _size: b""
        await eventually(lambda: bool(received))
        assert len(received) <= reader.READ_BYTES // len(record) + 1


async def test_all_packets_of_a_read_are_dealt_with() -> None:
    broker = Scripted()
    async with connected(broker) as (connection, _received, _batches):
        broker.say(b"\xd0\x00" * 3 + b"\xe0\x02\x8e\x00")  # of pings, and: taken over
        async with asyncio.timeout(PATIENCE_S):
            assert "taken over" in await connection.until_lost()


async def test_where_to_answer_is_told_once() -> None:
    """One person's answer carries nothing of another's."""
    broker = Scripted()
    async with connected(broker) as (connection, _received, _batches):
        assert connection.post(TOPIC, b"{}", 60, Reply(None, b"mine"))
        assert connection.post(TOPIC, b"{}", 60)
        assert connection.post(TOPIC, b"{}", 60, Reply(None, b"other"))
        await eventually(lambda: b"".join(broker.heard).count(TOPIC.encode()) == 3)
    split = Splitter(5).feed(b"".join(broker.heard))
    assert [packets.correlation(one.properties) for one in split.messages] == [b"mine", None, b"other"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x30\xff\xff\xff\xff\x01",  # lengths that the splitter refuses
        b"\x90\x02\x00\x01",  # a SUBACK that nobody asked for and that paho can't read
        b"\xf3\x00",  # a packet that does not exist
        b"\x90\x00",  # a packet without what it must have
    ],
)
async def test_wrong_bytes_end_the_connection(wrong: bytes) -> None:
    broker = Scripted()
    async with connected(broker) as (connection, _received, _batches):
        broker.say(wrong + publish(1))
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.until_lost()
        assert connection.lost
        await broker.gone.wait()


async def test_nothing_is_handed_on_after_the_end() -> None:
    broker = Scripted()
    async with connected(broker) as (connection, received, _):
        broker.say(publish(1))
        connection.abort()
        async with asyncio.timeout(PATIENCE_S):
            await connection.until_lost()
        assert received == []


async def test_no_more_is_in_flight_than_the_broker_wants() -> None:
    """Receive Maximum in the CONNACK: a strict broker ends the connection of a client that passes it."""
    broker = Scripted(b"\x20\x06\x00\x00\x03\x21\x00\x02")
    async with connected(broker) as (connection, _received, _batches):
        for _ in range(5):
            assert connection.post(TOPIC, b"{}")
        await eventually(lambda: bool(broker.heard))
        one = packets.publish(TOPIC, b"{}", qos=1, retain=False, mid=1, properties=PLAIN)
        assert len(b"".join(broker.heard)) == 2 * len(one)
        broker.say(b"\x40\x02\x00\x01\x40\x02\x00\x02")
        await eventually(lambda: len(b"".join(broker.heard)) == 4 * len(one))


async def test_each_refusal_is_reported() -> None:
    broker, codes = Scripted(), list[int]()
    async with connected(broker) as (connection, _received, _batches):
        connection.on_refused = codes.append
        for _ in range(3):
            assert connection.post(TOPIC, b"{}")
        await eventually(lambda: bool(broker.heard))
        broker.say(b"\x40\x03\x00\x01\x80\x40\x03\x00\x02\x10\x40\x04\x00\x03\x97\x00")
        await eventually(lambda: not connection._waiting)
        assert codes == [0x80, 0x97]


async def test_numbers_in_use_are_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PUBLISH_TIMEOUT_S", 0.05)
    broker = Scripted()
    async with connected(broker) as (connection, _received, _batches):
        with pytest.raises(PublishUnknown):
            await connection.publish(TOPIC, b"first")
        (mid,) = connection._waiting
        connection._paho._last_mid = mid - 1
        assert connection.post(TOPIC, b"second")
        assert len(connection._waiting) == 2


async def test_beyond_the_bound_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_WAITING", 3)
    async with connected(Scripted()) as (connection, _received, _batches):
        assert [connection.post(TOPIC, b"{}") for _ in range(4)] == [True, True, True, False]


async def test_a_full_socket_is_waited_for() -> None:
    """More than the socket holds: the rest leaves when there is room."""
    broker = Scripted()
    async with connected(broker) as (connection, _received, _batches):
        for _ in range(400):
            assert connection.post(TOPIC, b"x" * 50_000)
        await eventually(lambda: sum(map(len, broker.heard)) > 400 * 50_000)


async def test_telemetry_is_read_together() -> None:
    broker, loop = Scripted(), asyncio.get_running_loop()
    async with connected(broker, coalesce_s=0.05) as (_connection, received, batches):
        begun_s = loop.time()
        for number in range(1, 21):
            broker.say(publish(number))
            await asyncio.sleep(0.002)
        await eventually(lambda: len(received) == 20)
        assert len(batches) <= 2 + (loop.time() - begun_s) / 0.05, "one read in each 50 ms"


async def test_a_connection_that_ends_while_it_rests_ends() -> None:
    broker = Scripted()
    async with connected(broker, coalesce_s=0.05) as (connection, received, _):
        broker.say(publish(1))
        await eventually(lambda: len(received) == 1)
        assert broker.writer is not None
        broker.writer.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.until_lost()


async def test_without_a_private_name_paho_reads(
    monkeypatch: pytest.MonkeyPatch, own_broker: Broker, vehicle: Publish
) -> None:
    monkeypatch.setattr(reader, "PRIVATE_NAMES", (*reader.PRIVATE_NAMES, "_renamed"))
    arrived: list[Received] = []
    async with Connection(
        MqttSettings(url=own_broker.url()),
        "renamed",
        version=5,
        clean=True,
        on_messages=arrived.extend,
    ) as connection:
        assert not connection.is_fast
        assert connection.missing == ["_renamed"]
        await connection.subscribe([TOPIC], 1)
        vehicle(b"slow")
        await eventually(lambda: [one.payload for one in arrived] == [b"slow"])


async def test_a_session_says_that_paho_reads(monkeypatch: pytest.MonkeyPatch, own_broker: Broker) -> None:
    monkeypatch.setattr(reader, "PRIVATE_NAMES", (*reader.PRIVATE_NAMES, "_renamed"))
    said: list[tuple[str, object]] = []

    class Log:
        def info(self, event: str, **fields: object) -> None:
            """Not looked at."""

        error = info

        def warning(self, event: str, **fields: object) -> None:
            said.append((event, fields.get("missing")))

    tally = Tally()
    session = Session(
        Plan("events", (TOPIC,), 1, lambda _batch: True, lambda _topic: False),
        MqttSettings(url=own_broker.url()),
        client_id="gateway-slow",
        clock=SystemClock(),
        rng=random.Random(1),
        meters=tally,
        log=Log(),
    )
    task = asyncio.create_task(session.run())
    await session.subscribed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said == [("mqtt.slow_reader", ["_renamed"])]
    assert tally.gauges["gateway_mqtt_fast_reader/events"] == 0


def test_the_private_names_are_there() -> None:
    """A library update that renames one must not go unnoticed."""
    paho = pytest.importorskip("paho.mqtt.client")
    assert reader.missing_names(paho.Client(paho.CallbackAPIVersion.VERSION2)) == []


async def test_many_receipts_are_one_write(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as listener:
        if not listener.connection.is_fast:
            return
        written: list[bytes] = []
        fast = listener.connection._reader
        assert fast is not None
        queue = fast._queue

        def note(command: int, packet: bytes, *rest: int) -> object:
            written.append(packet)
            return queue(command, packet, *rest)

        fast._queue = note
        for number in range(50):
            assert listener.connection.post(f"v1/vehicles/CANARY0000000{number:04}/receipt", b"{}")
        await eventually(lambda: not listener.connection._waiting)
        assert len(written) == 1
        assert isinstance(listener.connection._sender, sender.FastSender)
