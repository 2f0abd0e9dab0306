"""Alarm receivers: one of another author on a real socket, and a small one that answers as it is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self, cast

from pysiaalarm.account import SIAAccount
from pysiaalarm.aio.client import SIAClient, SIAClientTCP, SIAClientUDP
from pysiaalarm.event import SIAEvent
from pysiaalarm.utils.enums import CommunicationsProtocol

from gateway.adapters.sinks.sia_dc09.frame import crc

_SENT = re.compile(r'\n([0-9A-F]{4})0([0-9A-F]{3})"(\*?)([A-Z-]+)"(\d{4})([^\[]*)\[(.*)\r', re.DOTALL)


class Peer:
    """pysiaalarm: what it has acknowledged, as it reads it."""

    def __init__(self) -> None:
        self.port = 0
        self.events: list[SIAEvent] = []


@asynccontextmanager
async def peer(account: str, *, key: str | None = None, udp: bool = False) -> AsyncIterator[Peer]:
    """Run pysiaalarm with one account. Its keys are text: their bytes are the AES key."""
    found = Peer()

    async def take(event: SIAEvent) -> None:
        found.events.append(event)

    accounts = [SIAAccount(account, key)]
    protocol = CommunicationsProtocol.UDP if udp else CommunicationsProtocol.TCP
    make: Any = SIAClient  # it gives a class of its own for the protocol
    client = make("127.0.0.1", 0, accounts, take, protocol=protocol)
    await client.async_start()
    if isinstance(client, SIAClientUDP):
        assert client.transport is not None
        client.sia_server.transport = cast("asyncio.DatagramTransport", client.transport)  # it took none
        found.port = client.transport.get_extra_info("sockname")[1]
    elif isinstance(client, SIAClientTCP):
        assert client.server is not None
        found.port = client.server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        for _ in range(10):
            await asyncio.sleep(0)  # it must see that the sink has gone, or its tasks end with the loop
        await client.async_stop()


class Heard:
    """One frame, as a receiver that checks only its CRC sees it."""

    def __init__(self, received: bytes) -> None:
        parts = _SENT.fullmatch(received.decode("ascii"))
        assert parts, received
        body = received[9:-1]
        assert (int(parts[1], 16), int(parts[2], 16)) == (crc(body), len(body))
        self.encrypted, self.identity, self.number = bool(parts[3]), parts[4], int(parts[5])
        self.address, self.content = parts[6], parts[7]

    @property
    def at(self) -> datetime:
        """The time that it bears."""
        return datetime.strptime(self.content.rpartition("_")[2], "%H:%M:%S,%m-%d-%Y").replace(tzinfo=UTC)


def framed(body: str) -> bytes:
    """Bytes of an answer."""
    data = body.encode("ascii")
    return b"\n%04X0%03X%s\r" % (crc(data), len(data), data)


def answer(identity: str, heard: Heard, *, number: int | None = None, at: datetime | None = None) -> bytes:
    """Answer a frame; a time only where it is given."""
    time = "" if at is None else f"_{at:%H:%M:%S,%m-%d-%Y}"
    return framed(f'"{identity}"{heard.number if number is None else number:04d}{heard.address}[]{time}')


Says = Callable[[Heard], bytes | None]


class Receiver:
    """Answers each frame with what ``says`` gives; None is silence, b"" closes the connection."""

    def __init__(self, says: Says = lambda heard: answer("ACK", heard)) -> None:
        self.says = says
        self.heard: list[Heard] = []
        self.accepted = 0
        self.most_at_once = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen; on the port of before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse and cut every connection."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def cut(self) -> None:
        """End every connection from this side."""
        for writer in self._open:
            writer.close()

    @property
    def numbers(self) -> list[int]:
        """Of the frames, in order."""
        return [heard.number for heard in self.heard]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        self.most_at_once = max(self.most_at_once, len(self._open))
        try:
            while True:
                heard = Heard(await reader.readuntil(b"\r"))
                self.heard.append(heard)
                said = self.says(heard)
                if said == b"":
                    break
                if said is not None:
                    writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
