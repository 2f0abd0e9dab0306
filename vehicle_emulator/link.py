"""
One vehicle's MQTT connection, small enough to hold thousands of them in one process.

1. One ``Link`` lives as long as its vehicle and is the protocol of each connection in turn; it dials again
   only after ``connection_lost`` of the one before, so bytes of two connections never mix.
2. It is *up* when the SUBACK granted every topic: before that a receipt could pass unheard.
3. It keeps no clock and no queue. QoS 1 has a window (the server's Receive Maximum); whoever publishes asks
   ``room`` first. Packets in flight are forgotten with the connection: the outbox repeats, not the link.
4. ``cut`` drops the connection without DISCONNECT, so that the broker publishes the last will.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, Final, Protocol

from vehicle_emulator import codec

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice
    from vehicle_emulator.tape import Tape

# Mosquitto's own default; an MQTT 5 server that grants less says so in CONNACK.
WINDOW: Final = 20
PACKET_LIMIT_BYTES: Final = 256 * 1024
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 30.0
HANDSHAKE_TIMEOUT_S: Final = 10.0
# Handshakes under way at a time: a broker's listen backlog is about 100, beyond it a connect waits for a
# whole second.
HANDSHAKES: Final = 64
# Python's socket module has no name for it before 3.12. Source: Linux, include/uapi/linux/in.h.
_IP_BIND_ADDRESS_NO_PORT = 24
_PACKET_ID_MAX = 65_535
_BACKOFF_DOUBLINGS_MAX = 8


# None, one for all, or one of its own for each user name.
Tls = ssl.SSLContext | Callable[[str], ssl.SSLContext] | None


class Listener(Protocol):
    """Who owns a link. Called from the event loop; must not block."""

    def greeting(self) -> codec.Greeting:
        """Who is calling: asked at each connect."""

    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def link_up(self) -> None:
        """The vehicle may publish."""

    def link_down(self) -> None:
        """The connection is gone; what was in flight is unknown."""

    def link_message(self, topic: str, payload: bytes) -> None:
        """A message arrived; it is acknowledged after the return."""

    def link_room(self) -> None:
        """The window was full and has room again."""


class Radio(Protocol):
    """A connection that comes back, as vehicles and apps use it; ``Link`` is one over the network."""

    @property
    def is_up(self) -> bool:
        """Whether the vehicle may publish."""

    @property
    def room(self) -> int:
        """How many QoS 1 messages may be published now."""

    @property
    def is_gone(self) -> bool:
        """Whether there is no connection, and none in the making."""

    def open(self) -> None:
        """Connect, and connect again whenever the connection is lost."""

    def cut(self) -> None:
        """Vanish from the air: no DISCONNECT, no reconnect until ``open``."""

    def close(self) -> None:
        """Leave politely."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0. False if it was dropped."""

    def publish_surely(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """QoS 1. False if the window is full or the link is down."""

    def keep_alive(self) -> None:
        """Ping, and notice that nobody answers."""


class Carrier(Protocol):
    """Where radios come from; ``Station`` is the one over the network."""

    version: codec.Version
    counts: Counter[str]

    def link(self, listener: Listener) -> Radio:
        """A connection of its own for a vehicle or an app, closed until it is opened."""


class Station:
    """What all links of a fleet share: where the broker is, how to speak to it, and what happened."""

    def __init__(
        self,
        host: str,
        port: int,
        dice: Dice,
        *,
        version: codec.Version = codec.Version.V5,
        tls: Tls = None,
        sources: tuple[str, ...] = (),
    ) -> None:
        """Nothing is opened here. ``sources``: IPv4 addresses to call from in turn; none: the system's."""
        self.host, self.port, self.version, self.tls = host, port, version, tls
        self.dice = dice
        self.gate = asyncio.Semaphore(HANDSHAKES)
        self.counts: Counter[str] = Counter()
        self.tape: Tape | None = None
        self._sources = cycle(sources) if sources else None

    def link(self, listener: Listener) -> Link:
        """See ``Carrier``."""
        return Link(self, listener)

    async def connect(self, link: Link, username: str) -> None:
        """
        One TCP connection, and TLS where wanted.

        Errors:  OSError.
        """
        loop, where = asyncio.get_running_loop(), (self.host, self.port)
        tls = self.tls(username) if callable(self.tls) else self.tls
        if self._sources is None:
            await loop.create_connection(lambda: link, *where, ssl=tls)
            return
        call = _call_from(next(self._sources))
        try:
            await loop.sock_connect(call, where)
        except BaseException:
            call.close()
            raise
        name = self.host if tls else None
        await loop.create_connection(lambda: link, sock=call, ssl=tls, server_hostname=name)

    def backoff_s(self, failures: int) -> float:
        """Full jitter: anything between nothing and the doubled, capped delay."""
        doublings = min(failures, _BACKOFF_DOUBLINGS_MAX)
        return self.dice.between(0.0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**doublings))


def _reason(error: BaseException) -> str:
    """A few words, the same for the same mistake."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError | socket.gaierror):
        return error.strerror or type(error).__name__
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


def _call_from(source: str) -> socket.socket:
    """
    A socket at an address of one's own, whose port is chosen when it connects.

    Chosen at once it must be free for all destinations: each search then takes longer than the one before.
    """
    call = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        call.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        call.bind((source, 0))
    except OSError:
        call.close()
        raise
    return call


class Link(asyncio.Protocol):
    """A connection that comes back."""

    __slots__ = (
        "_failures", "_greeted", "_has_left", "_in_flight", "_is_quiet", "_is_unanswered", "_is_wanted",
        "_listener", "_packet_id", "_paused", "_rest", "_retry", "_station", "_task", "_transport",
        "_window", "is_up",
    )  # fmt: skip

    def __init__(self, station: Station, listener: Listener) -> None:
        """Make a link that is closed until ``open`` is called."""
        self._station, self._listener = station, listener
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._greeted: asyncio.Future[None] | None = None
        self._in_flight: set[int] = set()
        self._rest = b""
        self._packet_id = self._failures = 0
        self._window = WINDOW
        self._has_left = False
        self._is_wanted = self._is_quiet = self._is_unanswered = self._paused = False
        self.is_up = False

    @property
    def room(self) -> int:
        """How many QoS 1 messages may be published now."""
        return self._window - len(self._in_flight) if self.is_up else 0

    @property
    def in_flight(self) -> int:
        """How many QoS 1 messages the broker has not acknowledged."""
        return len(self._in_flight)

    @property
    def is_gone(self) -> bool:
        """Whether there is no connection, and none in the making."""
        return self._transport is None and self._task is None

    def open(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        if not self._is_wanted:
            self._is_wanted = True
            self._dial_soon()

    def cut(self) -> None:
        """Vanish from the air: no DISCONNECT, no reconnect until ``open``."""
        self._give_up()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Leave politely: DISCONNECT, which keeps the last will unpublished."""
        self._give_up()
        self._has_left = True
        if self._transport is not None:
            self._transport.write(codec.DISCONNECT)
            self._transport.close()

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0. False if it was dropped, because the link is down or the broker does not read."""
        if not self.is_up or self._paused:
            return False
        self._write(codec.encode_publish(self._station.version, topic, payload))
        self._record(topic, payload, qos=0)
        return True

    def publish_surely(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """QoS 1. False if the window is full or the link is down. True proves nothing about delivery."""
        if self.room <= 0:
            return False
        packet_id = self._next_packet_id()
        self._in_flight.add(packet_id)
        self._write(
            codec.encode_publish(self._station.version, topic, payload, packet_id=packet_id, retain=retain)
        )
        self._record(topic, payload, qos=1, retain=retain)
        return True

    def stop_reading(self) -> None:
        """Hear nothing any more, though the connection stays open."""
        if self._transport is not None:
            self._transport.pause_reading()

    def keep_alive(self) -> None:
        """
        Ping a link that was quiet since the last call; drop one whose ping was not answered.

        Call it three times per keepalive, for each link: ten thousand links share one sweep and own no timer.
        """
        if not self.is_up or self._transport is None:
            return
        if self._is_unanswered:
            self._station.counts["ping_unanswered"] += 1
            self._transport.abort()
        elif self._is_quiet:
            self._transport.write(codec.PINGREQ)
            self._is_unanswered = True
        self._is_quiet = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who is calling."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker; TCP and TLS are
        self._transport = transport
        self._rest, self._window, self._has_left = b"", WINDOW, False
        self._is_quiet = self._is_unanswered = self._paused = False
        transport.write(codec.encode_connect(self._station.version, self._listener.greeting()))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # why it went makes no difference
        """Forget the connection, tell the vehicle, dial again."""
        was_up, self.is_up, self._transport = self.is_up, False, None
        self._in_flight.clear()
        if self._is_wanted and self._greeted is not None and not self._greeted.done():
            self._station.counts["dial_failed (closed without an answer)"] += 1
        self._greet()
        if was_up:
            self._speak_will()
            self._station.counts["disconnects" if self._is_wanted else "hang_ups"] += 1
            self._listener.link_down()
        if self._is_wanted:
            self._dial_later()

    def data_received(self, data: bytes) -> None:
        """Take in what the broker sent; bytes that are no MQTT cost the connection."""
        self._is_unanswered = False
        try:
            packets, self._rest = codec.split(self._rest + data if self._rest else data, PACKET_LIMIT_BYTES)
            for packet in packets:
                self._take(packet)
        except (codec.MalformedPacketError, UnicodeDecodeError):
            self._station.counts["malformed"] += 1
            self._abort()

    def pause_writing(self) -> None:
        """Drop telemetry while the broker does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """The broker reads again."""
        self._paused = False

    def _record(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        if (tape := self._station.tape) is not None:
            tape.take(topic, payload, qos=qos, retain=retain)

    def _speak_will(self) -> None:
        """As the broker does for who leaves without a word."""
        if self._station.tape is None or self._has_left:
            return
        if (will := self._listener.greeting()).will_topic:
            self._record(will.will_topic, will.will_payload, qos=1, retain=True)

    def _take(self, packet: codec.Packet) -> None:
        kind = packet.first >> 4
        if kind == codec.Kind.PUBLISH:
            self._take_publish(packet)
        elif kind == codec.Kind.PUBACK:
            self._take_puback(packet.body)
        elif kind == codec.Kind.CONNACK:
            self._take_connack(packet.body)
        elif kind == codec.Kind.SUBACK:
            self._take_suback(packet.body)
        elif kind == codec.Kind.DISCONNECT:
            reason = packet.body[0] if packet.body else 0
            self._station.counts[f"disconnect_reason_{reason}"] += 1

    def _take_publish(self, packet: codec.Packet) -> None:
        message = codec.decode_publish(self._station.version, packet)
        self._listener.link_message(message.topic, message.payload)
        if message.qos:
            self._write(codec.encode_puback(message.packet_id))

    def _take_puback(self, body: bytes) -> None:
        packet_id, reason = codec.decode_puback(body)
        was_full = self.room <= 0
        self._in_flight.discard(packet_id)
        if codec.is_failure(reason):
            self._station.counts[f"puback_reason_{reason}"] += 1
        if was_full:
            self._listener.link_room()

    def _take_connack(self, body: bytes) -> None:
        connack = codec.decode_connack(self._station.version, body)
        if connack.reason:
            why = codec.REFUSALS.get(connack.reason, str(connack.reason))
            self._station.counts[f"connect_refused ({why})"] += 1
            self._abort()
            return
        self._window = min(WINDOW, connack.receive_maximum)
        subscribe = codec.encode_subscribe(
            self._station.version, self._next_packet_id(), self._listener.topics()
        )
        self._write(subscribe)

    def _take_suback(self, body: bytes) -> None:
        reasons = codec.decode_suback(self._station.version, body)
        if any(codec.is_failure(reason) for reason in reasons):
            self._station.counts["subscribe_refused"] += 1
            self._abort()
            return
        self.is_up, self._failures = True, 0
        self._station.counts["connects"] += 1
        self._greet()
        self._listener.link_up()

    def _dial_later(self) -> None:
        delay_s = self._station.backoff_s(self._failures)
        self._failures += 1
        self._retry = asyncio.get_running_loop().call_later(delay_s, self._dial_soon)

    def _dial_soon(self) -> None:
        self._retry = None
        if self._transport is None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._dial(), name="link.dial")
            self._task.add_done_callback(self._dialled)

    async def _dial(self) -> None:
        """One handshake, TCP to SUBACK, within its time and holding a place at the gate."""
        station, loop = self._station, asyncio.get_running_loop()
        async with station.gate:
            self._greeted = loop.create_future()
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await station.connect(self, self._listener.greeting().username)
                await self._greeted

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._task = self._greeted = None
        failed = None if task.cancelled() else task.exception()
        if failed is not None:
            self._station.counts["dial_failed"] += 1
            self._station.counts[f"dial_failed ({_reason(failed)})"] += 1
        if self._transport is not None:
            if failed is not None or not self._is_wanted:
                self._transport.abort()
        elif self._is_wanted and self._retry is None:
            self._dial_later()

    def _greet(self) -> None:
        if self._greeted is not None and not self._greeted.done():
            self._greeted.set_result(None)

    def _give_up(self) -> None:
        self._is_wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._task is not None:
            self._task.cancel()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
            self._is_quiet = False

    def _abort(self) -> None:
        self._greet()  # whoever dials need not wait: it is counted why
        if self._transport is not None:
            self._transport.abort()

    def _next_packet_id(self) -> int:
        self._packet_id = self._packet_id % _PACKET_ID_MAX + 1
        return self._packet_id
