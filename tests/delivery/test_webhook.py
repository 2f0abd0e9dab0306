"""The webhook over real HTTP, against every way in which a SOC can be ill."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import h11
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gateway.adapters.clock import SystemClock
from gateway.adapters.sinks.webhook import WebhookSettings, WebhookSink, webhook_id
from gateway.adapters.sinks.webhook.http1 import (
    MAX_ANSWER,
    Answer,
    Broken,
    Connection,
    NotUsual,
    Unusual,
    usual_answer,
)
from gateway.ports import Delivered, Outcome, Park, Retry
from gateway.testing import FakeClock
from tests.delivery.memory import message_of
from tests.support.soc import FakeSoc, Mode

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = message_of("WVWZZZ1JZXW000001", 42)


def sink_to(soc: FakeSoc, **more: Any) -> WebhookSink:
    settings = WebhookSettings(name="soc", url=soc.url, secret=SECRET, **{"timeout_s": 30, **more})
    return WebhookSink(settings, SystemClock())


async def deliver(mode: Mode, **more: Any) -> Outcome:
    async with FakeSoc(secret=SECRET) as soc:
        soc.mode = mode
        sink = sink_to(soc, **more)
        try:
            return await sink.deliver("feed", MESSAGE)
        finally:
            await sink.close()


async def test_the_request_is_a_signed_cloud_event() -> None:
    async with FakeSoc(secret=SECRET) as soc:
        sink = sink_to(soc)
        assert await sink.deliver("feed", MESSAGE) == Delivered()
        await sink.close()
    request = soc.requests[0]
    assert (request.method, request.path, request.body) == ("POST", "/alarms", MESSAGE.body)
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["webhook-id"] == "feed.42"
    assert Webhook(SECRET).verify(request.body, request.headers)["data"]["sequence"] == 42


async def test_each_try_keeps_the_id_and_is_signed_anew() -> None:
    class Later(SystemClock):
        seconds = 0.0

        def now(self) -> datetime:
            return super().now() + timedelta(seconds=self.seconds)

    async with FakeSoc(secret=SECRET) as soc:
        clock = Later()
        sink = WebhookSink(WebhookSettings(name="soc", url=soc.url, secret=SECRET), clock)
        await sink.deliver("feed", MESSAGE)
        clock.seconds = 2
        await sink.deliver("feed", MESSAGE)
        await sink.close()
    first, second = (request.headers for request in soc.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) >= int(first["webhook-timestamp"]) + 2
    assert first["webhook-signature"] != second["webhook-signature"]
    assert [arrival.signed for arrival in soc.arrivals] == [True, True]


@pytest.mark.parametrize(
    ("mode", "confirm", "expected"),
    [
        ("ok", "status", Delivered()),
        ("ok", "echo", Delivered()),
        ("chunked", "status", Delivered()),
        ("chunked", "echo", Delivered()),
        ("close", "echo", Delivered()),
        ("no-content", "status", Delivered()),
        ("huge", "status", Delivered()),
        ("wrong-echo", "status", Delivered()),
        ("wrong-echo", "echo", Retry("HTTP 200, but the answer does not repeat the alarm_id")),
        ("no-content", "echo", Retry("HTTP 204, but the answer does not repeat the alarm_id")),
        ("huge", "echo", Retry("HTTP 200, but the answer does not repeat the alarm_id")),
        ("500", "status", Retry("HTTP 500")),
        ("429", "status", Retry("HTTP 429", 2.0)),
        ("redirect", "status", Retry("HTTP 307")),
        ("400", "status", Park("HTTP 400")),
        ("413", "status", Park("HTTP 413")),
        ("415", "status", Park("HTTP 415")),
        ("422", "status", Park("HTTP 422")),
        ("401", "status", Retry("HTTP 401")),
        ("404", "status", Retry("HTTP 404")),
    ],
)
async def test_what_each_answer_means(mode: Mode, confirm: str, expected: Outcome) -> None:
    assert await deliver(mode, confirm=confirm) == expected


@pytest.mark.parametrize("mode", ["reset", "reset-after-200", "garbage"])
async def test_half_an_answer_is_no_confirmation(mode: Mode) -> None:
    outcome = await deliver(mode)
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith(("connection", "not HTTP"))


@pytest.mark.parametrize("mode", ["hang", "slow-drip"])
async def test_one_time_limit_covers_the_whole_answer(mode: Mode) -> None:
    async with asyncio.timeout(30):  # a limit between two bytes would let the drip go on for hours
        assert await deliver(mode, timeout_s=1) == Retry("no whole answer in time")


async def test_a_soc_that_is_down_is_tried_again_and_found_again() -> None:
    async with FakeSoc(secret=SECRET) as soc:
        sink = sink_to(soc)
        assert await sink.deliver("feed", MESSAGE) == Delivered()
        await soc.down()
        outcome = await sink.deliver("feed", MESSAGE)
        assert isinstance(outcome, Retry)
        await soc.up()
        assert await sink.deliver("feed", MESSAGE) == Delivered()
        await sink.close()


async def test_a_kept_connection_that_the_soc_has_closed_costs_no_failure() -> None:
    async with FakeSoc(secret=SECRET) as soc:
        sink = sink_to(soc)
        for _ in range(3):
            assert await sink.deliver("feed", MESSAGE) == Delivered()
            for conversation in list(soc.connections):
                conversation.transport.close()
        await sink.close()
    assert soc.accepted == 3


@pytest.mark.parametrize("mode", ["ok", "chunked", "500", "no-content"])
async def test_connections_are_kept_and_bounded(mode: Mode) -> None:
    async with FakeSoc(secret=SECRET, delay_s=0.001) as soc:
        soc.mode = mode
        sink = sink_to(soc)
        await asyncio.gather(*(sink.deliver("feed", MESSAGE) for _ in range(300)))
        assert len(soc.requests) == 300
        assert soc.most_connections <= 64
        assert len(soc.connections) == soc.most_connections
        await sink.close()


async def test_a_delivery_that_is_given_up_leaves_no_answer_for_the_next() -> None:
    async with FakeSoc(secret=SECRET, delay_s=0.2) as soc:
        sink = sink_to(soc, confirm="echo")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sink.deliver("feed", MESSAGE), 0.05)
        assert await sink.deliver("feed", message_of("other", 43)) == Delivered()
        await sink.close()


@pytest.mark.parametrize(
    ("stated", "after_s"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("3600", 30.0),
        ("99999999999999999999", 30.0),
        ("soon", None),
        ("-1", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_up_to_thirty(stated: str, after_s: float | None) -> None:
    sink = WebhookSink(WebhookSettings(name="soc", url="http://soc/"), SystemClock())
    assert sink._after_s(stated) == after_s


@pytest.mark.parametrize(("ahead_s", "after_s"), [(10, 10), (-100, 0), (500, 30)])
def test_retry_after_may_be_a_date(ahead_s: int, after_s: float) -> None:
    clock = FakeClock()
    sink = WebhookSink(WebhookSettings(name="soc", url="http://soc/"), clock)
    assert sink._after_s(format_datetime(clock.now() + timedelta(seconds=ahead_s), usegmt=True)) == after_s


def test_messages_outside_the_feed_have_stable_ids_of_their_own() -> None:
    unrecorded = message_of("A", 0, type="alarm.unrecorded")
    other = msgspec.structs.replace(unrecorded, body=unrecorded.body + b" ")
    heartbeat = msgspec.structs.replace(unrecorded, type="gateway.heartbeat", alarm_id="")
    ids = [webhook_id("feed", message) for message in (unrecorded, other, heartbeat)]
    assert ids[0] == webhook_id("feed", unrecorded)
    assert ids[0].startswith("feed.unrecorded.a-A-0.")
    assert ids[2].startswith("feed.heartbeat.")
    assert len(set(ids)) == 3
    assert webhook_id("feed-a\r\nb", MESSAGE) == "feed-a%0D%0Ab.42"


async def test_a_heartbeat_needs_no_echo() -> None:
    async with FakeSoc(secret=SECRET) as soc:
        sink = sink_to(soc, confirm="echo")
        heartbeat = msgspec.structs.replace(
            MESSAGE,
            sequence=0,
            type="gateway.heartbeat",
            alarm_id="",
            body=b'{"type":"gateway.heartbeat","data":{}}',
        )
        assert await sink.deliver("feed", heartbeat) == Delivered()
        await sink.close()


# -- the short cut reads what h11 reads ---------------------------------------------------------------------

status_lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 500 ",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 100 Continue",
    ]
)
fields = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 5",
            b"content-length:0",
            b"Content-Length: 7",
            b"Content-Length: +5",
            b"Content-Length: 5, 5",
            b"Transfer-Encoding: chunked",
            b"Connection: keep-alive",
            b"Connection: close",
            b"X-Content-Length: 9",
            b"Retry-After: 3",
            b" folded: 1",
            b"Server: x",
        ]
    ),
    max_size=4,
)
bodies = st.sampled_from(
    [b"", b"12345", b"1234567", b"5\r\n12345\r\n0\r\n\r\n", b"12345HTTP/1.1 200 OK\r\n\r\n"]
)


def as_h11_reads(data: bytes) -> Answer | type[Exception] | None:
    try:
        return Unusual().feed(data)
    except h11.RemoteProtocolError:
        return h11.RemoteProtocolError


@given(status_lines, fields, bodies)
def test_the_short_cut_never_says_anything_but_what_h11_says(
    status: bytes, head: list[bytes], body: bytes
) -> None:
    data = b"\r\n".join([status, *head]) + b"\r\n\r\n" + body
    try:
        answer = usual_answer(data)
    except NotUsual:
        return
    assert answer == as_h11_reads(data)


class Pipe(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = False

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


DATE = "Sun, 22 Nov 2026 09:30:00 GMT"
WHOLE_ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Answer(200, None, b"ok")),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Answer(200, None, b"ok"),
    ),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 X\r\n\r\n", Answer(204, None, b"")),
    "http-1.0": (b"HTTP/1.0 503 X\r\nRetry-After: %s\r\n\r\nno" % DATE.encode(), Answer(503, DATE, b"no")),
    "retry-after": (
        b"HTTP/1.1 429 X\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n",
        Answer(429, "9", b""),
    ),
    "long": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        Answer(200, None, b"x" * MAX_ANSWER),
    ),
}


@pytest.mark.parametrize("piece", [1, 2, 7, 1_000])
@pytest.mark.parametrize(("data", "expected"), WHOLE_ANSWERS.values(), ids=WHOLE_ANSWERS)
async def test_an_answer_is_the_same_in_whatever_pieces_it_comes(
    piece: int, data: bytes, expected: Answer
) -> None:
    loop = asyncio.get_running_loop()
    connection = Connection(loop)
    connection.connection_made(Pipe())
    asking = asyncio.create_task(connection.exchange(b"POST", loop.time() + 20))
    await asyncio.sleep(0)
    piece = max(piece, len(data) // 2_000)
    for start in range(0, len(data), piece):
        if not asking.done():
            connection.data_received(data[start : start + piece])
            await asyncio.sleep(0)
    if not asking.done():
        connection.eof_received()
        connection.connection_lost(None)
    assert await asking == expected


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    pipe = Pipe()
    connection = Connection(asyncio.get_running_loop())
    connection.connection_made(pipe)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert pipe.closing


async def test_an_endless_head_is_refused() -> None:
    loop = asyncio.get_running_loop()
    connection = Connection(loop)
    connection.connection_made(Pipe())
    asking = asyncio.create_task(connection.exchange(b"POST", loop.time() + 20))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000)
    with pytest.raises(Broken, match="not HTTP"):
        await asking
