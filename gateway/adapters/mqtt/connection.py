"""
One MQTT connection: a new aiomqtt ``Client`` for each, never entered twice.

Rules of this file, each with a test that fails without it:

1. aiomqtt acknowledges before anyone has seen a message; so ``manual_ack`` is on, and an acknowledgement
   leaves only when its owner calls ``ack``. The one private name that this takes is ``_client``; the start-up
   self-test proves at each start that it still works.
2. Messages are taken from paho's own callback. aiomqtt's queue stays empty: a bounded one throws away what
   is acknowledged already, and a cancelled ``anext`` loses what it had taken.
3. Subscribe at QoS 1: at QoS 2 the broker is told before the application sees anything.
4. ``publish()`` of aiomqtt returns normally when the broker refuses: reason codes come from paho's callback.
5. An acknowledgement belongs to its connection. After a reconnect the same number is another message.

Both ways of reading keep these rules: ``reader.Reader``, and paho's own where a private name is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.adapters.mqtt.reader import Reader, missing_names
from gateway.adapters.mqtt.sender import MAX_IN_FLIGHT, FastSender, PahoSender, Sender
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received, Version
from gateway.errors import LinkDown, PublishRefused, PublishUnknown
from gateway.ports import Reply

SESSION_EXPIRY_S = 7 * 24 * 3600
"""MQTT 5 keeps a session only for as long as this says; without it, not at all."""
FAILURE = 0x80
NO_MATCHING_SUBSCRIBERS = 0x10
MAX_WAITING = 5_000
"""Publishes without their PUBACK; beyond it the caller is told that the link is full."""
PUBLISH_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
SUBSCRIBE_TIMEOUT_S = 120.0
"""The broker answers behind all that it has kept for a resumed session."""

_quiet = logging.getLogger("gateway.paho")
_quiet.setLevel(logging.CRITICAL)


class Will(Struct, frozen=True):
    """What the broker says for us when we are gone."""

    topic: str
    payload: bytes


class Refused(Exception):
    """The broker refused CONNECT or SUBSCRIBE."""

    def __init__(self, reason_code: int, reason: str) -> None:
        super().__init__(f"{reason} (reason code {reason_code})")
        self.reason_code = reason_code
        self.reason = reason


class Connection:
    """One connection of one session. ``on_messages`` gets what arrived since the loop last turned."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        version: Version,
        clean: bool,
        on_messages: Callable[[Sequence[Received]], None],
        will: Will | None = None,
        session_expiry_s: int = SESSION_EXPIRY_S,
        coalesce_s: float = 0.0,
    ) -> None:
        self.version = version
        self.session_present = False
        self.lost = False
        self._on_messages = on_messages
        self._batch: list[Received] = []
        self._waiting: dict[int, asyncio.Future[int] | None] = {}
        self._loop = asyncio.get_running_loop()
        self._client = _client(
            settings, client_id, version, clean=clean, will=will, expiry_s=session_expiry_s
        )
        self._paho: Any = self._client._client  # noqa: SLF001  # the one private name, see rule 1
        self._paho.manual_ack_set(True)
        self._paho.on_message = self._received
        self._paho.on_publish = self._published
        self._paho.on_connect = self._connected(self._paho.on_connect)
        self.on_refused: Callable[[int], None] = lambda _reason_code: None
        self.missing = missing_names(self._paho)
        """Private names that the fast reader would need; then paho reads."""
        self._reader: Reader | None = None
        self._sender: Sender = PahoSender(self._paho, version)
        if settings.fast_reader and not self.missing:
            self._reader = Reader(
                self._paho, version, arrived=self._arrived, answered=self._answered, coalesce_s=coalesce_s
            )
            self._sender = FastSender(self._reader, version)

    @property
    def is_fast(self) -> bool:
        """Whether our own loop reads, or paho's."""
        return self._reader is not None

    async def __aenter__(self) -> Self:
        """
        Connect.

        Errors:  Refused, LinkDown.
        """
        try:
            await self._client.__aenter__()
        except MqttConnectError as error:
            raise Refused(_code(error.rc), str(error)) from error
        except aiomqtt.MqttError as error:
            raise LinkDown(str(error)) from error
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Disconnect politely; the broker keeps the session."""
        if self._reader is not None:
            self._reader.flush()
        self.lost = True
        with contextlib.suppress(aiomqtt.MqttError):  # it was gone already
            await self._client.__aexit__(None, None, None)
        for future in self._waiting.values():
            if future is not None and not future.done():
                future.set_exception(PublishUnknown("the connection was lost before the broker answered"))

    async def subscribe(self, filters: Sequence[str], qos: int) -> list[int]:
        """
        Subscribe, and say what the broker granted for each filter (0x80 and above: not granted).

        Retained messages are replayed, so that they can be seen and counted; with ``retainAsPublished`` off,
        a live message never carries the flag, whatever its publisher set.
        """
        topics: list[tuple[str, Any]] = [(one, qos) for one in filters]
        if self.version == 5:  # noqa: PLR2004  # MQTT 5
            topics = [
                (one, SubscribeOptions(qos=qos, retainAsPublished=False, retainHandling=0)) for one in filters
            ]
        try:
            granted = await self._client.subscribe(topics, timeout=SUBSCRIBE_TIMEOUT_S)
        except aiomqtt.MqttError as error:
            raise LinkDown(str(error)) from error
        return [_code(one) for one in granted]

    async def until_lost(self) -> str:
        """Wait for the end of the connection; returns why."""
        try:
            async for _never in self._client.messages:  # its queue stays empty: see rule 2
                pass
        except aiomqtt.MqttError as error:
            self.lost = True
            wrong = self._reader.why if self._reader is not None else ""
            return wrong or str(error.__cause__ or error)
        return "closed"

    def ack(self, message: Received) -> None:
        """Acknowledge a message of this connection. It is a hint to the broker, never a proof."""
        if message.qos and not self.lost:
            self._sender.ack(message.mid, message.qos)

    def pause(self) -> bool:
        """Read no more until ``resume``; False where the library reads by itself."""
        if self._reader is not None:
            self._reader.pause()
        return self._reader is not None

    def resume(self) -> None:
        """Read on."""
        if self._reader is not None and not self.lost:
            self._reader.resume()

    def abort(self) -> None:
        """End the connection at once, without a word."""
        self.lost = True
        sock = self._paho.socket()
        if sock is not None:
            # Not close(): the loop still watches the descriptor and reads the end from it.
            sock.shutdown(socket.SHUT_RDWR)

    def post(
        self, topic: str, payload: bytes, expiry_s: int | None = None, reply: Reply | None = None
    ) -> bool:
        """Publish at QoS 1 and forget, but for a refusal, which is reported to ``on_refused``."""
        if self.lost or len(self._waiting) >= MAX_WAITING:
            return False
        mid = self._sender.publish(topic, payload, qos=1, retain=False, expiry_s=expiry_s, reply=reply)
        if mid is None:
            return False
        self._waiting[mid] = None
        return True

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """
        Publish and wait for the broker's answer.

        Errors:  LinkDown, PublishUnknown, PublishRefused.
        """
        if self.lost or len(self._waiting) >= MAX_WAITING:
            raise LinkDown("not connected, or too many publishes wait for their answer")
        mid = self._sender.publish(topic, payload, qos=qos, retain=retain, expiry_s=expiry_s)
        if mid is None:
            raise LinkDown("not sent: the library knows of no connection")
        if qos == 0:
            return
        answer: asyncio.Future[int] = self._loop.create_future()
        self._waiting[mid] = answer
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                reason_code = await answer
        except TimeoutError as error:
            raise PublishUnknown(f"{topic}: no answer within {PUBLISH_TIMEOUT_S:g} s") from error
        finally:
            if mid in self._waiting:  # the number is not free before the broker has answered
                self._waiting[mid] = None
        if reason_code >= FAILURE or reason_code == NO_MATCHING_SUBSCRIBERS:
            raise PublishRefused(topic, reason_code, _reason(reason_code))

    # -- what comes in: this runs on the loop and must not raise ---------------------------------------------

    def _received(self, _client: object, _userdata: object, message: Any) -> None:
        given = message.properties
        properties = b"" if given is None or given.isEmpty() else given.pack()
        retained = bool(message.retain)
        self._arrived(
            [Received(message.topic, message.payload, retained, message.mid, message.qos, properties)]
        )

    def _arrived(self, messages: list[Received]) -> None:
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch += messages

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not self.lost:  # what came after the end comes again
            self._on_messages(batch)

    def _published(
        self, _client: object, _userdata: object, mid: int, reason_code: Any, *_rest: object
    ) -> None:
        self._answered(mid, _code(reason_code))

    def _answered(self, mid: int, reason_code: int) -> None:
        self._sender.answered(mid)
        answer = self._waiting.pop(mid, None)
        if answer is None:
            if reason_code >= FAILURE:
                self.on_refused(reason_code)
        elif not answer.done():
            answer.set_result(reason_code)

    def _connected(self, inner: Any) -> Callable[..., None]:
        def connected(
            client: object, userdata: object, flags: Any, reason_code: Any, properties: Any = None
        ) -> None:
            self.session_present = bool(flags.session_present)
            self._sender.window = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
            if self._reader is not None and _code(reason_code) == 0:
                self._reader.begin()
            inner(client, userdata, flags, reason_code, properties)

        return connected


def _client(
    settings: MqttSettings, client_id: str, version: Version, *, clean: bool, will: Will | None, expiry_s: int
) -> aiomqtt.Client:
    address = settings.address
    options: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": clean}
    if version == 5:  # noqa: PLR2004  # MQTT 5
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = expiry_s
        properties.ReceiveMaximum = settings.receive_maximum
        options = {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": clean, "properties": properties}
    return aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=client_id,
        keepalive=settings.keepalive_s,
        timeout=CONNECT_TIMEOUT_S,
        tls_context=settings.tls(),
        max_inflight_messages=MAX_IN_FLIGHT,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        will=None if will is None else aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        logger=_quiet,
        **options,
    )


def _code(reason: Any) -> int:
    """A reason code as its number, whatever form paho gives it."""
    return int(getattr(reason, "value", reason))


def _reason(code: int) -> str:
    known = {
        NO_MATCHING_SUBSCRIBERS: "nobody has subscribed",
        0x87: "not authorised",
        0x97: "quota exceeded",
        0x99: "payload format invalid",
    }
    return known.get(code, "refused by the broker")
