"""The measured traps of aiomqtt, paho and Mosquitto, each with the test that fails without its cure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from devtools.broker import Broker
from gateway.adapters.mqtt import connection as connection_module
from gateway.adapters.mqtt.connection import Connection, Refused
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.errors import LinkDown, PublishRefused, PublishUnknown
from tests.mqtt.conftest import PATIENCE_S, TOPIC, Listener, eventually

Listen = Callable[..., AbstractAsyncContextManager[Listener]]
Publish = Callable[..., None]


async def test_what_was_not_acknowledged_comes_again(listening: Listen, vehicle: Publish) -> None:
    """Trap 1: aiomqtt alone would have acknowledged it before anyone saw it."""
    async with listening() as first:
        vehicle(b"alarm")
        await first.until(1)
    async with listening() as second:
        again = await second.until(1)
    assert [one.payload for one in again] == [b"alarm"]


async def test_what_was_acknowledged_does_not_come_again(listening: Listen, vehicle: Publish) -> None:
    async with listening() as first:
        vehicle(b"alarm")
        first.connection.ack((await first.until(1))[0])
    vehicle(b"next")
    async with listening() as second:
        assert [one.payload for one in await second.until(1)] == [b"next"]


async def test_a_qos_2_publish_is_delivered_at_qos_1(listening: Listen, vehicle: Publish) -> None:
    """Trap 2: at QoS 2 the broker is told before the application has seen anything."""
    async with listening() as first:
        vehicle(b"alarm", qos=2)
        assert (await first.until(1))[0].qos == 1
    async with listening() as second:
        assert [one.payload for one in await second.until(1)] == [b"alarm"]


async def test_an_old_acknowledgement_never_acknowledges_a_new_message(
    listening: Listen, vehicle: Publish
) -> None:
    """Trap 3: numbers start again with each connection; 10 stale acks once lost 10 new messages."""
    async with listening(clean=True) as first:
        for number in range(10):
            vehicle(b"old %d" % number)
        stale = list(await first.until(10))
    async with listening(clean=True) as second:
        for number in range(10):
            vehicle(b"new %d" % number)
        new = list(await second.until(10))
        assert {one.mid for one in stale} & {one.mid for one in new}, (
            "numbers repeat, or this test proves nothing"
        )
        for one in stale:
            first.connection.ack(one)
        await asyncio.sleep(0.1)
    async with listening() as third:
        assert {one.payload for one in await third.until(10)} == {b"new %d" % number for number in range(10)}


async def test_each_connection_is_a_new_client(own_broker: Broker, client_id: str, fast_reader: bool) -> None:
    """Trap 3: a Client that is entered again keeps stale messages and may not wait for CONNACK."""
    settings = MqttSettings(url=own_broker.url(), fast_reader=fast_reader)
    made = [
        Connection(settings, client_id, version=5, clean=True, on_messages=lambda _batch: None)
        for _ in range(2)
    ]
    assert made[0]._client is not made[1]._client
    source = Path(connection_module.__file__).with_name("sessions.py").read_text()
    once = source[source.index("async def _once") : source.index("async def _subscribe")]
    assert "Connection(" in once


async def test_a_burst_beyond_every_queue_loses_nothing(listening: Listen, vehicle: Publish) -> None:
    """Trap 4: aiomqtt's bounded queue drops what it has acknowledged; ours waits at the broker."""
    async with listening(receive_maximum=50) as listener:
        for number in range(600):
            vehicle(b"%d" % number)
        outstanding = len(await listener.quiet())
        assert outstanding < 600, "unacknowledged messages must hold the broker back"
        done = 0
        while done < 600:
            for one in list(await listener.until(done + 1))[done:]:
                listener.connection.ack(one)
                done += 1
        assert [one.payload for one in listener.received] == [b"%d" % number for number in range(600)]


async def test_a_refused_publish_is_an_error(listening: Listen, own_broker: Broker) -> None:
    """Trap 5: aiomqtt's publish() returns normally when the PUBACK says "not authorised"."""
    async with listening() as listener:
        with pytest.raises(PublishRefused) as refused:
            await listener.connection.publish(f"v1/vehicles/{'X' * 17}/telemetry", b"{}")
        assert refused.value.reason_code == 0x87
        codes: list[int] = []
        listener.connection.on_refused = codes.append
        assert listener.connection.post(f"v1/vehicles/{'X' * 17}/telemetry", b"{}")
        await eventually(lambda: bool(codes))
        assert codes == [0x87]
    assert own_broker.running


async def test_a_publish_that_nobody_gets_is_an_error(listening: Listen) -> None:
    """Trap 6: the broker takes a message for nobody and says success to MQTT 3.1.1."""
    async with listening() as listener:
        with pytest.raises(PublishRefused) as refused:
            await listener.connection.publish("v1/soc/nobody/alarms", b"{}")
        assert refused.value.reason_code == 0x10


def test_shared_subscriptions_are_not_used() -> None:
    """Trap 8: a dead member with a session keeps half."""
    used = [path for path in Path("gateway").rglob("*.py") if "$share" in path.read_text()]
    assert used == []


async def test_the_session_keeps_messages_while_we_are_away(listening: Listen, vehicle: Publish) -> None:
    """Trap 11: clean_start=False without Session Expiry keeps nothing."""
    async with listening():
        pass
    vehicle(b"while away")
    async with listening() as back:
        assert back.connection.session_present
        assert [one.payload for one in await back.until(1)] == [b"while away"]


async def test_mqtt_3_keeps_them_as_well(listening: Listen, vehicle: Publish) -> None:
    async with listening(version=3):
        pass
    vehicle(b"while away")
    async with listening(version=3) as back:
        assert [one.payload for one in await back.until(1)] == [b"while away"]


def test_a_frozen_broker_is_noticed_within_20_seconds() -> None:
    """Trap 11: keepalive 60 s means 120 s of deafness."""
    assert MqttSettings().keepalive_s == 10


async def test_only_a_replayed_retained_message_carries_the_flag(listening: Listen, vehicle: Publish) -> None:
    """Trap 11: a live message with a wrong retain flag still counts as live."""
    async with listening(clean=True) as live:
        vehicle(b"x", retain=True)
        assert not (await live.until(1))[0].retained
    async with listening(clean=True) as later:
        assert (await later.until(1))[0].retained
    vehicle(b"", retain=True)


async def test_a_publish_without_an_answer_is_unknown(
    listening: Listen, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 12: it may have happened, and may still happen."""
    monkeypatch.setattr(connection_module, "PUBLISH_TIMEOUT_S", 0.3)
    async with listening() as listener:
        own_broker.pause()
        try:
            with pytest.raises(PublishUnknown) as unknown:
                await listener.connection.publish(TOPIC, b"{}")
        finally:
            own_broker.resume()
        assert unknown.value.may_have_happened


async def test_nothing_is_sent_twice_by_a_new_connection(listening: Listen) -> None:
    """Trap 12: paho repeats its outbox when a Client is entered again; a new one has none."""
    receipt = "v1/vehicles/CANARY00000000001/receipt"
    async with listening("v1/vehicles/+/receipt") as first:
        assert first.connection.post(receipt, b"1")
        first.connection.abort()
    async with listening("v1/vehicles/+/receipt") as second:
        await second.connection.publish(receipt, b"last")
        await eventually(lambda: bool(second.received) and second.received[-1].payload == b"last")
        assert len(second.received) <= 2


async def test_bad_credentials_are_named(own_broker: Broker, fast_reader: bool) -> None:
    url = own_broker.url().replace(own_broker.passwords["gateways"]["gateway"], "wrong")
    with pytest.raises(Refused) as refused:
        async with Connection(
            MqttSettings(url=url, fast_reader=fast_reader),
            "x",
            version=5,
            clean=True,
            on_messages=lambda _batch: None,
        ):
            pass
    assert refused.value.reason_code in (134, 135)


async def test_a_broker_that_is_away_is_down(fast_reader: bool) -> None:
    with pytest.raises(LinkDown):
        async with Connection(
            MqttSettings(url="mqtt://127.0.0.1:1", fast_reader=fast_reader),
            "x",
            version=5,
            clean=True,
            on_messages=lambda _batch: None,
        ):
            pass


async def test_an_aborted_connection_ends(listening: Listen) -> None:
    async with listening() as listener:
        listener.connection.abort()
        async with asyncio.timeout(PATIENCE_S):
            assert await listener.connection.until_lost()


def test_no_cancelled_iterator_and_no_qos_2_in_the_code() -> None:
    """Traps 2 and 4 as a rule over the whole tree."""
    forbidden = re.compile(r"wait_for\(\s*anext|qos\s*=\s*2|QOS_2")
    found: list[Any] = [path for path in Path("gateway").rglob("*.py") if forbidden.search(path.read_text())]
    assert found == []
