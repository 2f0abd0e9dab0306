"""
A security operations centre to deliver to: a small HTTP server that remembers what it got and can be ill.

In a test: ``async with FakeSoc(secret=...) as soc``. As a process of its own, with a ledger of JSON lines:
``python -m tests.support.soc --port P --ledger FILE``; its illness is then set by ``POST /mode/<mode>``.

It answers as fast as plain asyncio can, because it shares the machine with what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, get_args

import msgspec
from msgspec import Struct, field

from devtools.broker import free_ports

Mode = Literal[
    "ok",
    "hang",
    "slow-drip",
    "no-content",
    "400",
    "401",
    "404",
    "413",
    "415",
    "422",
    "429",
    "500",
    "redirect",
    "wrong-echo",
    "reset",
    "reset-after-200",
    "chunked",
    "huge",
    "garbage",
    "close",
]
DRIP_EVERY_S = 0.2
RETRY_AFTER_S = 2


class Data(Struct):
    """What the SOC looks at in a message."""

    alarm_id: str = ""
    sequence: int | None = None
    vin: str | None = None
    cause: str | None = None
    event_ids: list[str] = []
    state: str = ""
    alarm_class: str = field(name="class", default="")
    severity: str = ""


class CloudEvent(Struct):
    """The envelope."""

    type: str
    data: Data


class Arrival(Struct):
    """One request that reached the SOC, whatever it answered."""

    at: float
    webhook_id: str
    type: str
    alarm_id: str
    sequence: int | None
    vin: str | None
    cause: str | None
    event_ids: list[str]
    signed: bool
    mode: str
    state: str = ""
    alarm_class: str = ""
    severity: str = ""


class Request(Struct):
    """A request as it came, for tests that look closer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakeSoc:
    """The server. ``mode`` is how it behaves now; ``choose`` may decide otherwise for single messages."""

    def __init__(
        self,
        *,
        secret: str | None = None,
        port: int = 0,
        ledger: IO[bytes] | None = None,
        keep: bool = True,
        delay_s: float = 0.0,
    ) -> None:
        self.mode: Mode = "ok"
        self.choose: Callable[[Arrival], Mode | None] = lambda _: None
        self.arrivals: list[Arrival] = []
        self.requests: list[Request] = []
        self.accepted = 0
        self.connections: set[Conversation] = set()
        self.most_connections = 0
        self.port = port
        self.ledger = ledger
        self.keep = keep
        self.delay_s = delay_s
        self._key = base64.b64decode(secret.removeprefix("whsec_")) if secret else None
        self._server: asyncio.Server | None = None
        self._decode = msgspec.json.Decoder(CloudEvent).decode
        self._encode = msgspec.json.Encoder().encode

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alarms"

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen, on the same port as before: one that no outgoing connection is given meanwhile."""
        loop = asyncio.get_running_loop()
        self.port = self.port or free_ports(1)[0]
        self._server = await loop.create_server(
            lambda: Conversation(self), "127.0.0.1", self.port, reuse_address=True, backlog=1024
        )

    async def down(self) -> None:
        """Refuse connections and break those that are open."""
        if self._server:
            self._server.close()
            self._server = None
        for conversation in list(self.connections):
            conversation.abort()
        await asyncio.sleep(0)

    def take(self, request: Request) -> tuple[Arrival, Mode]:
        """Remember a request and decide how to treat it."""
        arrival = self._arrival(request)
        mode = self.choose(arrival) or self.mode
        if self._key and not arrival.signed:
            mode = "400"
        arrival.mode = mode
        if mode in {"ok", "no-content", "chunked", "close", "huge"}:
            self.accepted += 1
        if self.keep:
            self.arrivals.append(arrival)
            self.requests.append(request)
        if self.ledger:
            self.ledger.write(self._encode(arrival) + b"\n")
        return arrival, mode

    def _arrival(self, request: Request) -> Arrival:
        event = self._decode(request.body)
        return Arrival(
            at=time.time(),
            webhook_id=request.headers.get("webhook-id", ""),
            type=event.type,
            alarm_id=event.data.alarm_id,
            sequence=event.data.sequence,
            vin=event.data.vin,
            cause=event.data.cause,
            event_ids=event.data.event_ids,
            signed=self._is_signed(request),
            mode="ok",
            state=event.data.state,
            alarm_class=event.data.alarm_class,
            severity=event.data.severity,
        )

    def _is_signed(self, request: Request) -> bool:
        if self._key is None:
            return False
        headers = request.headers
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + request.body
        mac = base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        return hmac.compare_digest(f"v1,{mac}", headers.get("webhook-signature", ""))


class Conversation(asyncio.Protocol):
    """One connection: requests in, answers out, one after the other."""

    def __init__(self, soc: FakeSoc) -> None:
        self.soc = soc
        self.buffer = b""
        self.transport: asyncio.Transport
        self.drip: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.soc.connections.add(self)
        self.soc.most_connections = max(self.soc.most_connections, len(self.soc.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self.soc.connections.discard(self)
        if self.drip:
            self.drip.cancel()

    def abort(self) -> None:
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (request := self._next_request()) is not None:
            if request.path.startswith("/mode/"):
                self._set_mode(request.path.removeprefix("/mode/"))
            else:
                self._answer(*self.soc.take(request))

    def _next_request(self) -> Request | None:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        method, path, _ = first.split(" ")
        return Request(method, path, headers, rest[:length])

    def _set_mode(self, mode: str) -> None:
        if mode in get_args(Mode):
            self.soc.mode = mode  # type: ignore[assignment]
        self._send(204, b"")

    def _answer(self, arrival: Arrival, mode: Mode) -> None:
        body = b'{"alarm_id":"%s"}' % arrival.alarm_id.encode()
        match mode:
            case "ok" if self.soc.delay_s:
                asyncio.get_running_loop().call_later(self.soc.delay_s, self._send, 200, body)
            case "ok":
                self._send(200, body)
            case "no-content":
                self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            case "400" | "401" | "404" | "413" | "415" | "422" | "500":
                self._send(int(mode), b"no")
            case "429":
                self._send(429, b"later", b"Retry-After: %d\r\n" % RETRY_AFTER_S)
            case "redirect":
                self._send(307, b"", b"Location: http://127.0.0.1:%d/elsewhere\r\n" % self.soc.port)
            case "wrong-echo":
                self._send(200, b'{"alarm_id":"another"}')
            case _:
                self._misbehave(mode, body)

    def _misbehave(self, mode: Mode, body: bytes) -> None:
        write = self.transport.write
        match mode:
            case "hang":
                pass
            case "slow-drip":
                write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                self._drip()
            case "reset":
                self.transport.abort()
            case "reset-after-200":
                write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                asyncio.get_running_loop().call_later(0.05, self.abort)
            case "chunked":
                write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            case "huge":
                write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b" " * 200_000)
            case "garbage":
                write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            case "close":
                write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
                self.transport.close()

    def _drip(self) -> None:
        self.transport.write(b" ")
        self.drip = asyncio.get_running_loop().call_later(DRIP_EVERY_S, self._drip)

    def _send(self, status: int, body: bytes, extra: bytes = b"") -> None:
        self.transport.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
            % (status, len(body), extra, body)
        )


async def serve(soc: FakeSoc) -> None:
    """Serve until SIGTERM; what is in the ledger by then is all that was received."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with soc:
        sys.stdout.write(f"listening on {soc.port}\n")
        sys.stdout.flush()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), 0.2)
            if soc.ledger:
                soc.ledger.flush()


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--ledger", type=Path)
    options.add_argument("--secret")
    options.add_argument("--mode", choices=get_args(Mode), default="ok")
    options.add_argument("--delay-s", type=float, default=0.0)
    given = options.parse_args()
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(given.ledger.open("ab")) if given.ledger else None
        soc = FakeSoc(secret=given.secret, port=given.port, ledger=ledger, keep=False, delay_s=given.delay_s)
        soc.mode = given.mode
        asyncio.run(serve(soc))


if __name__ == "__main__":
    main()
