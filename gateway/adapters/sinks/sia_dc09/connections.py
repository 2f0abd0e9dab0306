"""
One exchange with a receiver at a time: a frame out, its answer in. TCP kept open, or UDP.

An answer to an earlier frame (late, or sent twice) is passed over. After anything but a whole answer the
connection is closed, so what still comes on it can't be taken for the answer to the next frame.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from gateway.adapters.sinks.sia_dc09.frame import MAX_ANSWER, Answer, BadAnswer, Frame, decode
from gateway.faults import crash_point

MAX_PASSED_OVER: Final = 16
BARE_NAK: Final = b'"NAK"'
"""What a widely used receiver says, without a frame around it, to an account that it does not know."""
MAX_IDLE_S: Final = 30.0  # a connection idle for longer may be dead without saying so, behind a firewall


class NoAnswer(Exception):
    """The receiver did not answer as it should; the text says how."""


class Busy(NoAnswer):
    """All connections were in use for the whole time; that says nothing of the receiver."""


class Ended(NoAnswer):
    """It closed the connection without a word: a kept one may have been closed long before."""


class Connection(Protocol):
    """What a path needs of TCP and UDP."""

    async def exchange(self, sent: bytes, frame: Frame, key: bytes | None) -> Answer:
        """Send the bytes of ``frame`` and read its answer. Errors: NoAnswer, OSError."""
        ...

    @property
    def usable(self) -> bool:
        """Whether another exchange may be tried on it."""
        ...

    def close(self) -> None:
        """At once."""
        ...


class Tcp:
    """A stream; it may serve many exchanges."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._used_s = self._loop.time()

    @property
    def usable(self) -> bool:
        fresh = self._loop.time() - self._used_s < MAX_IDLE_S
        return fresh and not self._writer.is_closing() and not self._reader.at_eof()

    async def exchange(self, sent: bytes, frame: Frame, key: bytes | None) -> Answer:
        self._writer.write(sent)
        crash_point("mid_sink_call")
        await self._writer.drain()
        for _ in range(MAX_PASSED_OVER):
            answer = read_answer(await self._line(), key)
            if answer.is_for(frame):
                self._used_s = self._loop.time()
                return answer
        raise NoAnswer("only answers to other messages")

    async def _line(self) -> bytes:
        first = b""
        try:
            first = await self._reader.readexactly(1)
            if first == b"\r":
                return first
            return first + await self._reader.readuntil(b'"' if first == b'"' else b"\r")
        except asyncio.IncompleteReadError as error:
            if error.partial or first:
                raise NoAnswer("half an answer") from error
            raise Ended("connection closed without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise NoAnswer("the answer is too long") from error

    def close(self) -> None:
        self._writer.transport.abort()


class Udp(asyncio.DatagramProtocol):
    """A socket of its own for one exchange: nothing late can reach the next."""

    usable = False

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._heard: asyncio.Queue[bytes | Exception] = asyncio.Queue(MAX_PASSED_OVER)

    async def exchange(self, sent: bytes, frame: Frame, key: bytes | None) -> Answer:
        assert self._transport is not None  # noqa: S101  # the endpoint is made
        self._transport.sendto(sent)
        crash_point("mid_sink_call")
        for _ in range(MAX_PASSED_OVER):
            heard = await self._heard.get()
            if isinstance(heard, Exception):
                raise heard
            answer = read_answer(heard, key)
            if answer.is_for(frame):
                return answer
        raise NoAnswer("only answers to other messages")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- for asyncio --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked for its class: before Python 3.12 asyncio's own is no DatagramTransport.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr  # the socket is connected: only the receiver is heard
        self._hear(data[:MAX_ANSWER])

    def error_received(self, exc: Exception) -> None:
        self._hear(exc)

    def _hear(self, what: bytes | Exception) -> None:
        if not self._heard.full():
            self._heard.put_nowait(what)


def read_answer(received: bytes, key: bytes | None) -> Answer:
    """
    Read an answer; with a key a plain ``ACK`` is none, for anybody on the way could have written it.

    Errors: NoAnswer.
    """
    if received == BARE_NAK:
        return Answer("NAK", 0, account=None, at=None, encrypted=False)
    try:
        answer = decode(received, key)
    except BadAnswer as error:
        raise NoAnswer(f"unreadable answer: {error}") from error
    if key is not None and answer.identity == "ACK" and not answer.encrypted:
        raise NoAnswer("plain ACK to an encrypted message")
    return answer


async def connect(scheme: str, host: str, port: int) -> Connection:
    """
    Open a way to a receiver; ``scheme`` is ``tcp`` or ``udp``.

    Errors: OSError, UnicodeError (a host that can't be one).
    """
    if scheme == "udp":
        loop = asyncio.get_running_loop()
        _, udp = await loop.create_datagram_endpoint(Udp, remote_addr=(host, port))
        return udp
    return Tcp(*await asyncio.open_connection(host, port, limit=MAX_ANSWER))
