"""
HTTP/1.1 over asyncio, no more than a webhook needs: one POST at a time on a kept connection.

A general client takes 80 to 1,200 µs of CPU for one request, which would be most of what an alarm costs. So:

1. The request is one ``write``; the caller makes its bytes.
2. The usual answer (HTTP/1.1, one Content-Length or 204, kept alive, all there) is read by ``usual_answer``.
   Everything else is given to h11 from its first byte, so no rule of RFC 9112 is guessed here.
3. One deadline covers connecting, sending and the whole answer. At most 64 KiB of an answer are read.
4. No redirect is followed, no proxy used, no cookie kept.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final

import h11
from msgspec import Struct

from gateway.faults import crash_point

MAX_ANSWER: Final = 64 * 1024
MAX_CONNECTIONS: Final = 64
MAX_IDLE_S: Final = 30.0  # a connection idle for longer may be dead without saying so, behind a firewall
MAX_LENGTH_DIGITS: Final = 9

_STATUS = re.compile(rb"http/1\.1 ([2-5][0-9][0-9])[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)")
_UNUSUAL = re.compile(
    rb"\r\n(?:transfer-encoding:|upgrade:|[ \t]|connection:(?![ \t]*keep-alive[ \t]*\r\n))|(?<!\r)\n"
)
NO_CONTENT: Final = b"204"
NOT_MODIFIED: Final = b"304"


class Answer(Struct, frozen=True):
    """What the server said."""

    status: int
    retry_after: str | None
    body: bytes
    """At most 64 KiB; the rest was not read."""


class Broken(Exception):
    """No whole answer. ``stale``: a kept connection ended before it said anything; a new one may do."""

    def __init__(self, reason: str, *, stale: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale


class NotUsual(Exception):
    """h11 must read this answer."""


def usual_answer(data: bytes) -> Answer | None:
    """
    Read an answer of the usual kind; None while it is not all there.

    Errors: NotUsual, as soon as that is clear.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_ANSWER or not b"HTTP/1.1 ".startswith(data[:9]):
            raise NotUsual
        return None
    head = data[: end + 2].lower()
    status = _STATUS.match(head)
    if status is None or _UNUSUAL.search(head):
        raise NotUsual
    length = _length(status[1], head)
    missing = end + 4 + length - len(data)
    if missing < 0 or length > MAX_ANSWER:
        raise NotUsual
    after = retry_after(data[:end]) if b"\r\nretry-after:" in head else None
    return None if missing else Answer(int(status[1]), after, data[end + 4 :])


def _length(status: bytes, head: bytes) -> int:
    """How long the body is. Errors: NotUsual where that is not said once and plainly."""
    stated = head.count(b"content-length")
    if status == NO_CONTENT and not stated:
        return 0
    length = _LENGTH.search(head)
    if length is None or stated != 1 or status in {NO_CONTENT, NOT_MODIFIED}:
        raise NotUsual
    return int(length[1])


def retry_after(head: bytes) -> str | None:
    """The field's value in its own case: month names matter."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return value.strip().decode("latin-1")
    return None


class Unusual:
    """An answer that h11 reads."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT)
        # h11 must believe that it sent the request itself.
        self._h11.send(
            h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")])
        )
        self._h11.send(h11.EndOfMessage())
        self._head: h11.Response | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> Answer | None:
        """
        Take bytes (empty: the server has closed); the answer once it is whole or 64 KiB long.

        Errors: h11.RemoteProtocolError.
        """
        self._h11.receive_data(data)
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) >= MAX_ANSWER:
                    return self._answer()
            elif isinstance(event, h11.EndOfMessage):
                return self._answer()
            elif event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may serve again."""
        http = self._h11
        return http.our_state is h11.DONE and http.their_state is h11.DONE and not http.trailing_data[0]

    def _answer(self) -> Answer:
        if self._head is None:
            raise h11.RemoteProtocolError("no status line")
        after = next((value for name, value in self._head.headers if name == b"retry-after"), None)
        return Answer(
            self._head.status_code, after.decode("latin-1") if after else None, bytes(self._body[:MAX_ANSWER])
        )


class Connection(asyncio.Protocol):
    """One connection, used for one exchange after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._received = b""
        self._unusual: Unusual | None = None
        self._served = 0
        self.idle_since_s = 0.0

    # -- for the client -----------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether another exchange may be tried on it."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._loop.time() - self.idle_since_s < MAX_IDLE_S
        )

    async def exchange(self, request: bytes, deadline_s: float) -> Answer:
        """Send a request and read its answer until the loop's time ``deadline_s``. Errors: Broken."""
        assert self._transport is not None  # noqa: S101  # the client uses connections that are made
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._received, self._unusual = b"", None
        timer = self._loop.call_at(deadline_s, self._fail, "no whole answer in time")
        self._transport.write(request)
        crash_point("mid_sink_call")
        try:
            answer = await waiter
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None
        self._served += 1
        self.idle_since_s = self._loop.time()
        return answer

    def close(self) -> None:
        """At once: nothing that is still on its way matters."""
        if self._transport is not None:
            self._transport.abort()

    # -- for asyncio --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # asyncio's word for TCP and TLS
        self._transport = transport
        self.idle_since_s = self._loop.time()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody asked: whatever this is, it must not become the next answer
            return
        if self._unusual is not None:
            self._read_unusual(data)
            return
        self._received += data
        try:
            answer = usual_answer(self._received)
        except NotUsual:
            self._unusual = Unusual()
            self._read_unusual(self._received)
            return
        if answer is not None:
            self._waiter.set_result(answer)

    def eof_received(self) -> bool:
        if self._waiter is not None and not self._waiter.done() and self._received:
            if self._unusual is None:
                self._unusual = Unusual()
                self._read_unusual(self._received)
            self._read_unusual(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        stale = self._served > 0 and not self._received
        self._fail(f"connection lost: {exc}" if exc else "connection closed before the answer", stale=stale)

    # -- inside -------------------------------------------------------------------------------------------

    def _read_unusual(self, data: bytes) -> None:
        unusual = self._unusual
        if unusual is None or self._waiter is None or self._waiter.done():
            return
        try:
            answer = unusual.feed(data)
        except h11.RemoteProtocolError as wrong:
            self._fail(f"not HTTP: {wrong}")
            return
        if answer is not None:
            self._waiter.set_result(answer)
            if not unusual.keeps_alive:
                self.close()

    def _fail(self, reason: str, *, stale: bool = False) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Broken(reason, stale=stale))
        self.close()


class Client:
    """Connections to one server: at most 64, kept for the next request."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def post(self, request: bytes, timeout_s: float) -> Answer:
        """Send the request and return the answer, all within ``timeout_s``. Errors: Broken."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        if self._free.locked():
            await self._wait_for_room(deadline_s)
        else:
            await self._free.acquire()
        try:
            return await self._post(request, deadline_s)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle; what is in use ends with its exchange."""
        while self._idle:
            self._idle.pop().close()

    async def _wait_for_room(self, deadline_s: float) -> None:
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._free.acquire()
        except TimeoutError:
            raise Broken("no connection became free in time") from None

    async def _post(self, request: bytes, deadline_s: float) -> Answer:
        if (kept := self._kept()) is not None:
            try:
                return await self._exchange(kept, request, deadline_s)
            except Broken as broken:
                # The server closed it just before: sending again is safe, the webhook-id says so.
                if not broken.stale:
                    raise
        return await self._exchange(await self._connect(deadline_s), request, deadline_s)

    def _kept(self) -> Connection | None:
        """The connection used last: the others may grow old and go."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    async def _exchange(self, connection: Connection, request: bytes, deadline_s: float) -> Answer:
        answer = await connection.exchange(request, deadline_s)
        if connection.usable:
            self._idle.append(connection)
        return answer

    async def _connect(self, deadline_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise Broken("no connection in time") from None
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise Broken(f"no connection: {error}") from error
        return connection
