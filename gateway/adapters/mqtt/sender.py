"""What leaves by a connection: publishes and acknowledgements, by the fast way or by paho's own."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.adapters.mqtt import packets
from gateway.adapters.mqtt.reader import Reader
from gateway.adapters.mqtt.splitter import Version
from gateway.ports import Reply

MAX_IN_FLIGHT = 500


class Sender(Protocol):
    """One connection's way out."""

    window: int
    """Publishes that the broker takes before it has answered the first of them."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        expiry_s: int | None,
        reply: Reply | None = None,
    ) -> int | None:
        """Send or queue; the packet's number, or None where there is no connection."""
        ...

    def answered(self, mid: int) -> None:
        """The broker has answered this publish."""
        ...

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a received message."""
        ...


class FastSender:
    """Makes the packets itself; what one turn of the loop sends leaves as one write."""

    def __init__(self, reader: Reader, version: Version) -> None:
        self.window = MAX_IN_FLIGHT
        self._reader = reader
        self._version: Version = version
        self._properties: dict[int | None, bytes] = {}
        self._unanswered: set[int] = set()
        self._queued: deque[bytes] = deque()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        expiry_s: int | None,
        reply: Reply | None = None,
    ) -> int | None:
        mid = self._number() if qos else 0
        properties = self._properties.get(expiry_s) if reply is None else None
        if properties is None:
            properties = packets.properties(self._version, expiry_s, reply)
            if reply is None:
                self._properties[expiry_s] = properties
        packet = packets.publish(topic, payload, qos=qos, retain=retain, mid=mid, properties=properties)
        if not qos:
            self._reader.send(packet)
            return mid
        if len(self._unanswered) - len(self._queued) < self.window:
            self._reader.send(packet)
        else:
            self._queued.append(packet)
        self._unanswered.add(mid)
        return mid

    def answered(self, mid: int) -> None:
        if mid in self._unanswered:
            self._unanswered.discard(mid)
            if self._queued:
                self._reader.send(self._queued.popleft())

    def ack(self, mid: int, qos: int) -> None:
        if qos == 1:
            self._reader.send(packets.puback(mid))

    def _number(self) -> int:
        mid = self._reader.next_mid()
        while mid in self._unanswered:  # never all of them: the connection bounds what waits
            mid = self._reader.next_mid()
        return mid


class PahoSender:
    """Leaves it to the library."""

    def __init__(self, paho: Any, version: Version) -> None:
        self.window = MAX_IN_FLIGHT
        """paho keeps to its own."""
        self._paho = paho
        self._version: Version = version
        self._expiry: dict[int, Properties] = {}

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        expiry_s: int | None,
        reply: Reply | None = None,
    ) -> int | None:
        info = self._paho.publish(topic, payload, qos, retain, self._properties(expiry_s, reply))
        return int(info.mid) if info.rc == 0 else None

    def answered(self, mid: int) -> None:
        del mid  # paho has seen it first

    def ack(self, mid: int, qos: int) -> None:
        self._paho.ack(mid, qos)

    def _properties(self, expiry_s: int | None, reply: Reply | None) -> Properties | None:
        if self._version != 5:  # noqa: PLR2004  # MQTT 5
            return None
        if reply is not None:
            return _replying(reply, expiry_s)
        if expiry_s is None:
            return None
        if expiry_s not in self._expiry:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry_s
            self._expiry[expiry_s] = properties
        return self._expiry[expiry_s]


def _replying(reply: Reply, expiry_s: int | None) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if reply.topic is not None:
        properties.ResponseTopic = reply.topic
    if reply.correlation is not None:
        properties.CorrelationData = reply.correlation
    return properties
