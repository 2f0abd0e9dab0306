"""The feed over a real socket: resuming, gaps, readers that don't read, and the end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gateway.domain.signals import ActOnCase
from gateway.errors import StoreError
from tests.api.doubles import NOW, OTHER, VIN, Gateway
from tests.api.serving import PATIENCE_S, quickest, served


class Reader:
    """Reads events as any client would."""

    def __init__(self, answer: httpx.Response) -> None:
        self.headers = answer.headers
        self._lines = answer.aiter_lines()

    async def block(self) -> list[str]:
        block: list[str] = []
        async for line in self._lines:
            if not line:
                return block
            block.append(line)
        raise EOFError

    async def event(self) -> dict[str, Any]:
        while True:
            block = await asyncio.wait_for(self.block(), timeout=PATIENCE_S)
            fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
            if fields:
                place = {"id": int(fields["id"])} if "id" in fields else {}
                return {**place, "event": fields["event"], "data": json.loads(fields["data"])}


@asynccontextmanager
async def reading(
    gateway: Gateway, url: str, query: str = "", last_event_id: str | None = None
) -> AsyncIterator[Reader]:
    headers = gateway.bearer("operator")
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S) as client,
        client.stream("GET", f"{url}/api/v1/feed{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


async def refused(gateway: Gateway, url: str, query: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        answer = await client.get(f"{url}/api/v1/feed{query}", headers=gateway.bearer("operator"))
        return answer.status_code, answer.json()


async def test_a_live_reader_gets_what_comes_from_now_on(gateway: Gateway) -> None:
    await gateway.trigger("tilt")
    async with served(gateway) as url, reading(gateway, url) as reader:
        assert reader.headers["feed-after"] == "1"
        await reader.block()
        await gateway.trigger("tamper")
        event = await reader.event()
    assert event == {"id": 2, "event": "alarm.raised", "data": json.loads(gateway.store.feed[1].body)}


@pytest.mark.parametrize(
    ("query", "last_event_id", "ids"),
    [
        ("?after=0", None, [1, 2, 3]),
        ("?after=2", None, [3]),
        ("", "1", [2, 3]),
        ("?after=0", "2", [3]),
        ("?after=1", "", [2, 3]),
    ],
)
async def test_a_reader_goes_on_where_it_was(
    gateway: Gateway, query: str, last_event_id: str | None, ids: list[int]
) -> None:
    for cause in ("tilt", "tamper", "hold_up"):
        await gateway.trigger(cause)
    async with served(gateway) as url, reading(gateway, url, query, last_event_id) as reader:
        assert [(await reader.event())["id"] for _ in ids] == ids


async def test_what_is_purged_is_gone_and_says_what_is_left(gateway: Gateway) -> None:
    for cause in ("tilt", "tamper", "hold_up"):
        await gateway.trigger(cause)
    gateway.store.oldest = 3
    async with served(gateway) as url:
        status, body = await refused(gateway, url, "?after=1")
        assert (status, body["code"], body["oldest"]) == (410, "purged", 3)
        async with reading(gateway, url, "?after=2") as reader:
            assert (await reader.event())["id"] == 3


async def test_a_reader_goes_on_with_changed_cases_where_it_was(gateway: Gateway) -> None:
    async def change() -> dict[str, Any]:
        while "id" in (event := await reader.event()):
            pass
        assert event["event"] == "case.changed"
        return dict(event["data"])

    await gateway.trigger("tilt")
    case = gateway.store.states[VIN].case
    assert case is not None
    claim = ActOnCase(received_at=NOW, case_id=case.case_id, act="claim", by="kim", role="operator")
    async with served(gateway) as url:
        async with reading(gateway, url, "?cases=true") as reader:
            begun = int(reader.headers["feed-cases-after"])
            await gateway.act(VIN, claim)
            told = await change()
            assert (told["change"], told["claimed_by"], told["vin"]) == (begun + 1, "kim", VIN)
        await gateway.trigger("tamper", OTHER)
        async with reading(gateway, url, f"?cases=true&cases_after={begun + 1}") as reader:
            assert (await change())["vin"] == OTHER
        status, body = await refused(gateway, url, f"?cases=true&cases_after={begun + 9}")
        assert (status, body["code"]) == (410, "feed_ahead")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/api/v1/feed?cases=true", headers=gateway.bearer("auditor"))
            assert answer.status_code == 403


async def test_a_store_that_fails_costs_no_changed_case(gateway: Gateway) -> None:
    async with served(gateway) as url, reading(gateway, url, "?cases=true&cases_after=0") as reader:
        gateway.store.fails = StoreError("disk full")
        await gateway.trigger("tilt")
        await asyncio.sleep(0.3)
        gateway.store.fails = None
        gateway.feed.grow()
        while (event := await reader.event())["event"] != "case.changed":
            pass
        assert event["data"]["change"] == 1


async def test_a_reader_of_another_feed_is_not_left_waiting(gateway: Gateway) -> None:
    await gateway.trigger()
    async with served(gateway) as url:
        status, body = await refused(gateway, url, "?after=7")
    assert (status, body["code"]) == (410, "feed_ahead")


async def test_a_hole_ends_the_stream_instead_of_being_skipped(gateway: Gateway) -> None:
    async with served(gateway) as url, reading(gateway, url) as reader:
        await reader.block()
        await gateway.trigger("tilt")
        gateway.store.feed[0] = replace(gateway.store.feed[0], sequence=2)
        gateway.feed.grow()
        with pytest.raises(EOFError):
            await reader.event()


async def test_comments_keep_a_quiet_stream_alive(gateway: Gateway) -> None:
    async with served(gateway, comment_every_s=0.05) as url, reading(gateway, url) as reader:
        assert await reader.block() == [": connected"]
        assert await asyncio.wait_for(reader.block(), timeout=PATIENCE_S) == [": still here"]


async def test_a_reader_that_does_not_read_costs_nobody_anything(gateway: Gateway) -> None:
    for number in range(2000):
        await gateway.trigger(vin=f"WVWZZZ1JZXW{number:06}", detail="x" * 200)
    async with (
        served(gateway) as url,
        reading(gateway, url, "?after=0"),
        reading(gateway, url, "?after=0") as reader,
    ):
        for expected in range(1, 2001):
            assert (await reader.event())["id"] == expected
        assert gateway.feed.reads < 25  # the idle one stopped after what the socket holds


async def test_readers_are_bounded(gateway: Gateway) -> None:
    async with served(gateway, max_readers=1) as url:
        async with reading(gateway, url) as reader:
            await reader.block()
            status, body = await refused(gateway, url, "")
            assert (status, body["code"]) == (503, "too_many_readers")
        async with asyncio.timeout(PATIENCE_S):
            while gateway.readers[-1]:  # noqa: ASYNC110  # a list has no event
                await asyncio.sleep(0.05)
        async with reading(gateway, url) as reader:
            await reader.block()


async def test_a_revoked_token_ends_the_stream(gateway: Gateway) -> None:
    async with served(gateway) as url, reading(gateway, url) as reader:
        await reader.block()
        gateway.store.kept.clear()
        with pytest.raises(EOFError):
            await reader.event()


async def test_a_stream_survives_a_failing_store(gateway: Gateway) -> None:
    async with served(gateway) as url, reading(gateway, url) as reader:
        await reader.block()
        gateway.store.fails = StoreError("disk full")
        await gateway.trigger()
        await asyncio.sleep(0.1)
        gateway.store.fails = None
        assert (await reader.event())["id"] == 1


async def test_stopping_takes_no_longer_than_two_seconds_with_open_streams(gateway: Gateway) -> None:
    for number in range(3000):
        await gateway.trigger(vin=f"WVWZZZ1JZXW{number:06}", detail="x" * 200)
    loop = asyncio.get_running_loop()

    async def stop_s() -> float:
        async with AsyncExitStack() as readers:
            async with served(gateway) as url:
                quiet = await readers.enter_async_context(reading(gateway, url))
                await readers.enter_async_context(
                    reading(gateway, url, "?after=0")
                )  # never reads: its socket is full
                await quiet.block()
                begun = loop.time()
            took_s = loop.time() - begun
            with pytest.raises((EOFError, httpx.RemoteProtocolError)):
                await quiet.event()
        return took_s

    assert await quickest(stop_s, 2) < 2


async def take_little(url: str, headers: dict[str, str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as a reader whose buffers hold next to nothing, and read nothing."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taken.setblocking(False)
    host, _, port = url.removeprefix("http://").partition(":")
    await asyncio.get_running_loop().sock_connect(taken, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=taken, limit=1024)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET /api/v1/feed?after=0 HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
    return reader, writer


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What had been sent until the connection broke."""
    found = b""
    with suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(65536), PATIENCE_S):
            found += data
    return found


async def test_a_reader_that_takes_nothing_is_cut_off_and_goes_on_where_it_was(gateway: Gateway) -> None:
    many, padding = 600, b'{"pad":"%s",' % (b"x" * 30_000)  # more than the buffers of both ends hold
    for number in range(many):
        await gateway.trigger(vin=f"WVWZZZ1JZXW{number:06}")
    gateway.store.feed[:] = [replace(one, body=padding + one.body[1:]) for one in gateway.store.feed]
    cut_off = asyncio.Event()
    async with (
        served(gateway, serving={"cut_off_s": 0.5, "on_cut_off": cut_off.set}) as url,
        reading(gateway, url, "?after=0") as other,
    ):
        slow, writer = await take_little(url, gateway.bearer("operator"))
        ids = [(await other.event())["id"] for _ in range(many)]
        await asyncio.wait_for(cut_off.wait(), PATIENCE_S)
        seen = [
            int(one)
            for one in re.findall(rb"(?<=\n)id: (\d+)\n[^\n]*\ndata: [^\n]*\n\n", await rest_of(slow))
        ]
        writer.close()
        async with reading(gateway, url, "", str(seen[-1])) as again:
            seen += [(await again.event())["id"] for _ in range(many - seen[-1])]
        await gateway.trigger(vin="WVWZZZ1JZXW999999")
        ids.append((await other.event())["id"])
    assert seen == list(range(1, many + 1))
    assert ids == list(range(1, many + 2))
