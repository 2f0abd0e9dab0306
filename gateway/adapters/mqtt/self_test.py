"""
Proof, at each start, that manual acknowledgement works with the installed libraries and this broker.

Publish to ourselves, do not acknowledge, reconnect: it must come again. Acknowledge, reconnect: it must not.
Without that proof every alarm would hang on a private name that a library update may have changed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import msgspec

from gateway.adapters.mqtt.connection import FAILURE, Connection, Refused
from gateway.adapters.mqtt.sessions import BAD_CREDENTIALS, UNSUPPORTED_VERSION
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received, Version
from gateway.errors import LinkDown, PublishRefused, PublishUnknown, StartError
from gateway.wire import self_test as message
from gateway.wire.topics import gateway_topic

COMES_WITHIN_S = 3.0
STAYS_AWAY_FOR_S = 0.15
EXPIRY_S = 60


async def self_test(settings: MqttSettings, instance: str) -> Version:
    """
    Prove manual acknowledgement; returns the MQTT version that the broker speaks.

    Errors:  StartError with a sentence for the operator; LinkDown if the broker can't be reached (try again).
    """
    try:
        try:
            await _prove(settings, instance, 5)
        except Refused as error:
            if error.reason_code not in UNSUPPORTED_VERSION:
                raise
            await _prove(settings, instance, 3)
            return 3
    except Refused as error:
        raise StartError(_sentence(error, settings)) from error
    return 5


async def _prove(settings: MqttSettings, instance: str, version: Version) -> None:
    topic = gateway_topic(instance, message.KIND)
    marker = _message(secrets.token_hex(8))
    inbox: asyncio.Queue[Received] = asyncio.Queue()

    def connection(*, clean: bool) -> Connection:
        def take(batch: Sequence[Received]) -> None:
            for one in batch:
                if one.payload == marker:
                    inbox.put_nowait(one)

        return Connection(
            settings,
            f"{instance}-self-test",
            version=version,
            clean=clean,
            on_messages=take,
            session_expiry_s=EXPIRY_S,
        )

    if version == 3:  # noqa: PLR2004  # MQTT 3.1.1 clears a session only by a clean connection
        async with connection(clean=True):
            pass
    async with connection(clean=version == 5) as first:  # noqa: PLR2004  # MQTT 5
        granted = await first.subscribe([topic], qos=1)
        if granted[0] >= FAILURE:
            raise StartError(f"the broker does not grant the gateway a subscription to {topic}")
        await _publish(first, topic, marker)
        await _expect(first, inbox, topic)
    async with connection(clean=False) as second:
        again = await _expect(second, inbox, topic)
        second.ack(again)
        # A round trip behind the acknowledgement, so that the broker has it before the connection ends.
        await _publish(second, topic, _message("flush"))
    async with connection(clean=False):
        await asyncio.sleep(STAYS_AWAY_FOR_S)
        if not inbox.empty():
            raise StartError("an acknowledged message came again: acknowledgements do not reach the broker")
    async with connection(clean=True):
        pass


def _message(marker: str) -> bytes:
    return msgspec.json.encode(message.Payload(marker))


async def _publish(connection: Connection, topic: str, payload: bytes) -> None:
    try:
        await connection.publish(topic, payload)
    except PublishRefused as error:
        raise StartError(f"the broker does not let the gateway publish to its own topic: {error}") from error
    except PublishUnknown as error:
        raise LinkDown(str(error)) from error


async def _expect(connection: Connection, inbox: asyncio.Queue[Received], topic: str) -> Received:
    try:
        async with asyncio.timeout(COMES_WITHIN_S):
            return await inbox.get()
    except TimeoutError as error:
        if connection.lost:
            raise LinkDown("the connection was lost during the self-test") from error
        raise StartError(
            f"the self-test message on {topic} did not arrive, or not again after it was left "
            "unacknowledged: either the broker's access list hides the topic from the gateway's user, "
            "or manual acknowledgement does not work with the installed MQTT library"
        ) from error


def _sentence(error: Refused, settings: MqttSettings) -> str:
    address = settings.address
    where = f"{address.host}:{address.port}"
    if error.reason_code in BAD_CREDENTIALS:
        return f"the broker at {where} refuses user {address.username!r} or its password"
    return f"the broker at {where} refuses the gateway: {error}"
