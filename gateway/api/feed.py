"""
The live feed as server-sent events.

1. A reader is a cursor: it holds the last sequence it was sent and reads pages of the feed that all share.
   There is no queue per reader, so one that reads slowly costs nothing; one that takes nothing for long is
   cut off by the server, and goes on after the last event that it has seen.
2. Only n+1 follows n. If the store can't give it any more, the stream ends and the reader is told when it
   asks again (410), instead of a gap that nobody sees.
3. A stream ends by itself when its token is revoked or the gateway stops.
4. Who asks for it is also told which cases have changed, and what waits for a second person. Such an event
   has no id: it is no feed message.
5. Readers take turns, and each of them gathers what comes within some milliseconds: no alarm waits until all
   of them have been told of the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter, SkipValidation
from litestar.response import Stream

from gateway.api.auth import Authenticator
from gateway.api.case_bodies import CaseChangeView, WaitingView, line
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.paging import MAX_SEQUENCE
from gateway.api.policy import POLICY
from gateway.api.problems import Problem, problems
from gateway.errors import StoreError
from gateway.ports import LiveCases, Message, StoredCase, Token, Waiting

PAGE = 200
GATHER_S = 0.05
"""A reader is told at most so often, and of all that came meanwhile at once."""
TURN_S = 0.002
"""So much later than the reader before it is each one told."""
TURNS = 25
LOOK_UP_S = 1.0
"""How often a quiet stream looks whether its token still holds."""

Sequence = Annotated[
    int | None, QueryParameter(ge=0, le=MAX_SEQUENCE, description="Go on after this sequence.")
]
LastEventId = Annotated[
    str,
    HeaderParameter(
        name="Last-Event-ID", pattern=r"^[0-9]{0,19}$", description="Wins over `after`; empty: none."
    ),
]
WithCases = Annotated[bool, QueryParameter(name="cases", description="Tell of changed cases as well.")]
Change = Annotated[
    int | None,
    QueryParameter(name="cases_after", ge=0, le=MAX_SEQUENCE, description="Cases changed after this change."),
]
Soc = Annotated[str, QueryParameter(min_length=1, max_length=64)]


class Streams:
    """Every open stream: how many there are, and how to end them all."""

    def __init__(self, on_readers: Callable[[int], None]) -> None:
        self.closing = asyncio.Event()
        self.readers = 0
        self._turn = 0
        self._on_readers = on_readers

    @contextmanager
    def reader(self) -> Iterator[float]:
        """Count one reader; gives how many seconds after the first one it is told."""
        self._count(1)
        self._turn = (self._turn + 1) % TURNS
        try:
            yield self._turn * TURN_S
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.readers += change
        self._on_readers(self.readers)

    async def wait(self, *somethings: asyncio.Future[None]) -> None:
        """Until one of ``somethings``, the end, or the next look at the token."""
        waited: set[asyncio.Future[Any]] = {asyncio.ensure_future(self.closing.wait()), *somethings}
        try:
            await asyncio.wait(waited, timeout=LOOK_UP_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waited:
                one.cancel()


class CaseCursor:
    """One reader of what changes in cases."""

    def __init__(self, cases: LiveCases, soc: str, after: int) -> None:
        self._cases = cases
        self._soc = soc
        self._after = after
        self._turn = -1
        self._waiting: list[Waiting] = []

    def turned(self) -> asyncio.Future[None]:
        """Done when there may be something new."""
        return asyncio.ensure_future(self._cases.turned(self._turn))

    async def frames(self) -> bytes:
        """What is new. Errors: StoreError; nothing is missed by it."""
        turn = self._cases.turn
        if turn == self._turn:
            return b""
        found = await self._cases.read(self._soc, self._after, PAGE)
        self._after = found.after
        if found.whole:
            self._turn = turn
        told = b"".join(case_frame(n, stored) for n, stored in found.cases)
        waiting = await self._cases.waiting(self._soc)
        if waiting != self._waiting:
            self._waiting = waiting
            told += waiting_frame(waiting)
        return told


class Cursor:
    """One reader of one feed."""

    def __init__(self, deps: Deps, streams: Streams, valid: Authenticator, token: Token) -> None:
        self._deps = deps
        self._streams = streams
        self._authenticator = valid
        self._token = token
        self._turn_s = 0.0

    async def stream(self, soc: str, after: int, cases: CaseCursor | None = None) -> AsyncIterator[bytes]:
        """Frames until the reader goes, the token ends, the feed has a hole, or the gateway stops."""
        clock = self._deps.clock
        with self._streams.reader() as self._turn_s:
            yield b": connected\n\n"
            comment_at = clock.mono_s() + self._deps.comment_every_s
            while await self._may_go_on():
                messages = await self._next(soc, after, cases)
                if not follow_on(messages, after):
                    return
                if messages:
                    after = messages[-1].sequence
                    yield b"".join(map(frame, messages))
                    if self._deps.feed.latest(soc) - after < PAGE:
                        await asyncio.sleep(GATHER_S)
                if cases is not None and (changed := await self._changed(cases)):
                    yield changed
                if clock.mono_s() >= comment_at:
                    comment_at = clock.mono_s() + self._deps.comment_every_s
                    yield b": still here\n\n"

    async def _may_go_on(self) -> bool:
        if self._streams.closing.is_set():
            return False
        try:
            return await self._authenticator.still_valid(self._token)
        except StoreError:
            # Who was let in stays in while the store fails: alarms may still be in memory.
            return True

    async def _next(self, soc: str, after: int, cases: CaseCursor | None) -> list[Message]:
        if self._deps.feed.latest(soc) <= after:
            grown = asyncio.ensure_future(self._deps.feed.grown(soc, after))
            await self._streams.wait(grown, *([] if cases is None else [cases.turned()]))
            if self._deps.feed.latest(soc) <= after:
                return []
            await asyncio.sleep(self._turn_s)
        try:
            messages = await self._deps.feed.read(soc, after, PAGE)
        except StoreError:
            messages = []
        if not messages:
            # Visible but not readable now: look again in a while, never in a tight loop.
            await self._streams.wait()
        return messages

    async def _changed(self, cases: CaseCursor) -> bytes:
        try:
            return await cases.frames()
        except StoreError:
            await self._streams.wait()  # look again in a while, never in a tight loop
            return b""


def follow_on(messages: list[Message], after: int) -> bool:
    """Whether the messages are exactly the ones that come next."""
    return all(message.sequence == after + place for place, message in enumerate(messages, 1))


def frame(message: Message) -> bytes:
    """One message as a server-sent event."""
    data = message.body.replace(b"\n", b"\ndata: ")
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (message.sequence, message.type.encode(), data)


def case_frame(n: int, stored: StoredCase) -> bytes:
    """A changed case as a server-sent event; without an id, so that the reader's place in the feed stays."""
    view = CaseChangeView(**line(stored), change=n)
    return b"event: case.changed\ndata: %b\n\n" % msgspec.json.encode(view)


def waiting_frame(waiting: list[Waiting]) -> bytes:
    """All that waits for a second person, as a server-sent event without an id."""
    return b"event: approvals.waiting\ndata: %b\n\n" % msgspec.json.encode(WaitingView(waiting))


async def start_after(deps: Deps, soc: str, after: int | None) -> int:
    """Where a reader begins; a Problem if it can't have everything after that."""
    latest = deps.feed.latest(soc)
    if after is None:
        return latest
    if after > latest:
        # The store was restored from a backup, or it is another feed: silence would look like peace.
        raise Problem(
            410, "feed_ahead", f"This feed ends at {latest}; it never had a message {after}.", oldest=None
        )
    oldest = await deps.store.oldest_sequence(soc)
    if oldest is not None and after + 1 < oldest:
        raise Problem(410, "purged", f"The oldest message that is still kept is {oldest}.", oldest=oldest)
    return after


async def cases_after(deps: Deps, who: Token, after: int | None) -> int:
    """After which entry of timelines a reader is told of cases; a Problem if it may not be told."""
    if who.role not in POLICY["GET /api/v1/cases"]:
        raise Problem(403, "forbidden", f"The role {who.role} may not read cases.")
    newest = await deps.cases.newest()
    if after is not None and after > newest:
        detail = f"Timelines end at {newest}; there never was an entry {after}."
        raise Problem(410, "feed_ahead", detail, oldest=None)
    return newest if after is None else after


EVENT_STREAM = ResponseSpec(
    data_container=str,
    description="Events: `id` is the sequence, `event` the type, `data` the message as a CloudEvent.",
    media_type="text/event-stream",
    generate_examples=False,
)


@get(
    "/feed",
    operation_id="readFeed",
    summary="Follow the feed",
    responses={200: EVENT_STREAM, **problems(410, 422)},
    tags=["alarms"],
)
async def read_feed(
    *,
    deps: FromApp,
    who: Caller,
    streams: NamedDependency[SkipValidation[Streams]],
    authenticator: NamedDependency[SkipValidation[Authenticator]],
    soc: Soc = "default",
    after: Sequence = None,
    last_event_id: LastEventId = "",
    with_cases: WithCases = False,
    after_change: Change = None,
) -> Stream:
    """
    Server-sent events, live from now, or everything after ``after`` or ``Last-Event-ID``.

    A comment comes every 15 s, so that a dead connection is noticed. With ``cases=true`` an event
    ``case.changed`` tells which case has changed, and how it stands, and ``approvals.waiting`` all that waits
    for a second person, at the beginning too if there is any; neither has an ``id``.
    """
    if streams.readers >= deps.max_readers:
        detail = f"{deps.max_readers} readers are connected already; try again."
        raise Problem(503, "too_many_readers", detail, headers={"Retry-After": "5"})
    begin = await start_after(deps, soc, int(last_event_id) if last_event_id else after)
    cursor, cases = Cursor(deps, streams, authenticator, who), None
    # A reader that loses the connection before its first message must know where it had begun.
    headers = {"Feed-After": str(begin), "X-Accel-Buffering": "no"}
    if with_cases:
        change = await cases_after(deps, who, after_change)
        cases, headers["Feed-Cases-After"] = CaseCursor(deps.cases, soc, change), str(change)
    return Stream(cursor.stream(soc, begin, cases), media_type="text/event-stream", headers=headers)


routes = Router("/", route_handlers=[read_feed])
