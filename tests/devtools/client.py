"""A small blocking MQTT client that tells what the broker answered."""

from __future__ import annotations

import queue
import socket
from types import TracebackType
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from devtools.broker import HOST, Broker, Party

ANSWER_S = 60.0


class RefusedError(Exception):
    """The broker refused the connection."""


class Client:
    """One connection of ``name`` at the listener of ``party``; closed at the end of its with block."""

    def __init__(
        self, broker: Broker, party: Party, name: str, *, password: str | None = None, client_id: str = "",
        session_s: int = 0, will: str | None = None,
    ) -> None:  # fmt: skip
        # The callbacks hold queues and not this object: in a cycle paho's sockets would outlive its clean-up.
        connacks: queue.Queue[ReasonCode] = queue.Queue()
        pubacks: queue.Queue[ReasonCode] = queue.Queue()
        subacks: queue.Queue[None] = queue.Queue()
        messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._pubacks, self._subacks, self.messages = pubacks, subacks, messages
        self._mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._mqtt.on_connect = lambda _c, _u, _f, code, _p: connacks.put(code)
        self._mqtt.on_publish = lambda _c, _u, _m, code, _p: pubacks.put(code)
        self._mqtt.on_disconnect = lambda _c, _u, _f, code, _p: pubacks.put(code)
        self._mqtt.on_subscribe = lambda _c, _u, _m, _r, _p: subacks.put(None)
        self._mqtt.on_message = lambda _c, _u, message: messages.put((message.topic, bytes(message.payload)))
        self._mqtt.username_pw_set(
            name, broker.passwords[party].get(name, "") if password is None else password
        )
        if will:
            self._mqtt.will_set(will, b"{}", qos=1)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = session_s
        self._mqtt.connect(
            HOST, broker.ports[party], keepalive=10, clean_start=not session_s, properties=session
        )
        self._mqtt.loop_start()
        answer = connacks.get(timeout=ANSWER_S)
        if answer.is_failure:
            self.cut()
            raise RefusedError(str(answer))

    def __enter__(self) -> Self:
        """Nothing to do: it is connected."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def cut(self) -> None:
        """Lose the connection without a goodbye, so that the will is published."""
        if connection := self._mqtt.socket():
            assert isinstance(connection, socket.socket)
            connection.shutdown(socket.SHUT_RDWR)
        self._mqtt.loop_stop()

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> bool:
        """Publish and tell whether the broker took it, rather than refuse it or hang up."""
        self._mqtt.publish(topic, payload, qos=1, retain=retain)
        return not self._pubacks.get(timeout=ANSWER_S).is_failure

    def subscribe(self, *filters: str) -> None:
        """Subscribe and wait for the answer, which is "granted" even where the ACL then delivers nothing."""
        self._mqtt.subscribe([(one, SubscribeOptions(qos=1)) for one in filters])
        self._subacks.get(timeout=ANSWER_S)

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe; what is received next comes after it."""
        self._mqtt.unsubscribe(list(filters))

    def received(self) -> list[tuple[str, bytes]]:
        """Everything that arrived so far: an answer asked for now comes after all that was sent before."""
        self.subscribe("nothing/is/published/here")
        return [self.messages.get() for _ in range(self.messages.qsize())]
