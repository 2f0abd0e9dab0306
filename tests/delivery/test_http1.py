"""Which connection serves again, and whose failure is worth another try at once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.adapters.sinks.webhook.http1 import MAX_IDLE_S, Answer, Broken, Connection
from tests.delivery.test_webhook import Pipe

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


def connected() -> tuple[Connection, Pipe]:
    connection, pipe = Connection(asyncio.get_running_loop()), Pipe()
    connection.connection_made(pipe)
    return connection, pipe


async def ask(connection: Connection) -> asyncio.Task[Answer]:
    asking = asyncio.create_task(connection.exchange(b"POST", asyncio.get_running_loop().time() + 60))
    await asyncio.sleep(0)
    return asking


async def exchange(connection: Connection, *pieces: bytes) -> Answer:
    asking = await ask(connection)
    for piece in pieces:
        connection.data_received(piece)
    return await asking


@pytest.mark.parametrize(
    ("answer", "serves_again"),
    [
        (OK, True),
        (CHUNKED, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1), False),
        (OK.replace(b"1.1", b"1.0"), False),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + OK, False),
        (CHUNKED + OK, False),
    ],
)
async def test_a_connection_serves_again_only_after_a_whole_answer_and_nothing_else(
    answer: bytes, serves_again: bool
) -> None:
    connection, pipe = connected()
    assert (await exchange(connection, answer)).status in {200, 204}
    assert connection.usable is serves_again
    assert pipe.closing is not serves_again


async def test_one_that_was_idle_for_long_may_be_dead() -> None:
    connection, _pipe = connected()
    assert connection.usable
    connection.idle_since_s -= MAX_IDLE_S
    assert not connection.usable


@pytest.mark.parametrize(
    ("before", "said", "stale"), [((OK,), b"", True), ((), b"", False), ((OK,), b"HTTP/1.1 2", False)]
)
async def test_only_a_kept_connection_that_said_nothing_is_stale(
    before: tuple[bytes, ...], said: bytes, stale: bool
) -> None:
    """Anything else may have reached the receiver: then the pause before the next try is due."""
    connection, _pipe = connected()
    for answer in before:
        await exchange(connection, answer)
    asking = await ask(connection)
    if said:
        connection.data_received(said)
    connection.connection_lost(None)
    with pytest.raises(Broken) as broken:
        await asking
    assert broken.value.stale is stale


async def test_an_exchange_that_is_given_up_closes_its_connection() -> None:
    connection, pipe = connected()
    asking = await ask(connection)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert pipe.closing
