"""
A client that speaks MQTT 3.1.1 byte by byte and never stops to think whether it may.

It sends everything at once and asks for nothing but to know that it was read: what the broker made of it,
only an onlooker can tell. Libraries check topics, wait for answers and take a thread each.
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from devtools.broker import HOST
from tests.devtools.client import ANSWER_S, RefusedError

CONNACK, PINGRESP = 0x20, 0xD0
USER, PASSWORD, CLEAN, WILL, WILL_RETAIN = 0x80, 0x40, 0x02, 0x04, 0x20
QOS_SHIFT = 3


class Author:
    """One connection; ``name`` None: without a name. A will is (topic, payload, retain)."""

    def __init__(
        self, port: int, name: str | None, password: str = "", *, will: tuple[str, bytes, bool] | None = None
    ) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=ANSWER_S)
        self._socket.sendall(_connect(name, password, will))
        answer = self._read(4)
        if answer[0] != CONNACK or answer[3] != 0:
            self.cut()
            raise RefusedError(f"return code {answer[3:]!r}")

    def __enter__(self) -> Self:
        """Nothing to do: it is connected."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        self._socket.sendall(b"\xe0\x00")
        self.cut()

    def publish(self, topics: list[str], payload: bytes, *, qos: int, retain: bool = False) -> None:
        """Publish to all of them and return when the broker has read it."""
        sent = bytearray()
        for number, topic in enumerate(topics, 1):
            mid = number.to_bytes(2, "big")
            flags = 0x30 | qos << 1 | retain
            sent += _packet(flags, _text(topic) + (mid if qos else b"") + payload)
            if qos == 2:
                sent += _packet(0x62, mid)  # it may have the second half without asking
        self._socket.sendall(sent + b"\xc0\x00")
        self._until_pong()

    def cut(self) -> None:
        """Lose the connection without a goodbye, so that the will is published."""
        self._socket.close()

    def _until_pong(self) -> None:
        while True:
            first, length = self._read(2)
            self._read(length)  # answers to what was published are short
            if first == PINGRESP:
                return

    def _read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = self._socket.recv(count - len(got))
            if not more:
                self.cut()
                raise RefusedError("the broker hung up")
            got += more
        return got


def _connect(name: str | None, password: str, will: tuple[str, bytes, bool] | None) -> bytes:
    flags, body = CLEAN, _text("")
    if will is not None:
        topic, payload, retain = will
        flags |= WILL | 1 << QOS_SHIFT | (WILL_RETAIN if retain else 0)
        body += _text(topic) + len(payload).to_bytes(2, "big") + payload
    if name is not None:
        flags |= USER | PASSWORD
        body += _text(name) + _text(password)
    return _packet(0x10, _text("MQTT") + bytes([4, flags]) + (60).to_bytes(2, "big") + body)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(first: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, part = divmod(left, 128)
        length.append(part | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(length) + body
