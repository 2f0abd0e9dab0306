"""
The desk meter: how the alarms of one feed load those who answer them, in the words of ISA-18.2.

It is worked out from the feed's newest messages, a page at a time, so that it never holds anything up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Literal

import msgspec
from litestar import Router, get
from litestar.params import QueryParameter
from msgspec import Struct, field

from gateway.api.deps import Deps, FromApp
from gateway.api.feed import Soc
from gateway.api.problems import problems
from gateway.ports import AlarmFilter

PERIOD = timedelta(minutes=10)
FLOOD = 10
"""More alarms than this for one operator in ten minutes: nobody answers them all."""
STALE = timedelta(hours=24)
MAX_MESSAGES = 50_000
PAGE = 1000
RANKED = 10
FALSE = frozenset(
    {"user_error_card", "user_error_mode", "workshop", "transport", "battery", "radio_fault", "test"}
)

Hours = Annotated[int, QueryParameter(ge=1, le=168, description="How far back.")]


class _Data(Struct, frozen=True):
    alarm_id: str
    vin: str | None
    cause: str
    severity: str
    acknowledged_by: str | None = None
    disposition: str | None = None


class _Event(Struct, frozen=True):
    type: str
    time: datetime
    data: _Data


class Period(Struct, frozen=True):
    """
    Ten minutes: alarms raised, critical ones among them, and operators who acknowledged any.

    ``p80_s`` and ``p98_5_s``: how long those had waited that were acknowledged in it; null: none was.
    """

    at: datetime
    raised: int
    critical: int
    operators: int
    flood: bool
    """More than ten alarms for each operator."""
    acknowledged: int
    p80_s: float | None
    p98_5_s: float | None


class Answered(Struct, frozen=True):
    """Seconds from raised to acknowledged: so many of a hundred were answered within them; null: none yet."""

    severity: Literal["critical", "other"]
    count: int
    p80_s: float | None
    p98_5_s: float | None


class Nuisance(Struct, frozen=True):
    """A vehicle and how many alarms it raised."""

    vin: str
    alarms: int


class FalseShare(Struct, frozen=True):
    """Of the closed alarms of a cause: how many were no theft and no attempt."""

    cause: str
    closed: int
    false: int


class DeskView(Struct, frozen=True, kw_only=True):
    """How the desk is loaded."""

    since: datetime
    whole: bool
    """Whether the feed's messages reach back so far; else ``since`` is later than was asked for."""
    periods: list[Period]
    floods: int
    """Periods with more than ten alarms for each operator."""
    answered: list[Answered]
    stale: int
    """Alarms that have not been closed for more than 24 hours; 1,000 of a state are counted at most."""
    nuisance: list[Nuisance]
    false_share: list[FalseShare]


_decoder = msgspec.json.Decoder(_Event)


class Tally(Struct):
    """What is counted while the messages go by."""

    raised: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    periods: dict[datetime, Counter[str]] = field(default_factory=dict)
    people: dict[datetime, set[str]] = field(default_factory=dict)
    waited_s: dict[str, list[float]] = field(default_factory=lambda: {"critical": [], "other": []})
    answered_s: dict[datetime, list[float]] = field(default_factory=dict)
    cars: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)

    def take(self, event: _Event) -> None:
        """Count one message."""
        data, at = event.data, period_of(event.time)
        if event.type == "alarm.raised":
            self.raised[data.alarm_id] = (event.time, data.severity)
            self.periods.setdefault(at, Counter()).update(["all", data.severity])
            self.cars.update([data.vin] if data.vin is not None else [])
        elif event.type == "alarm.acknowledged":
            self.people.setdefault(at, set()).add(data.acknowledged_by or "")
            if (raised := self.raised.pop(data.alarm_id, None)) is not None:
                kind = "critical" if raised[1] == "critical" else "other"
                waited_s = (event.time - raised[0]).total_seconds()
                self.waited_s[kind].append(waited_s)
                self.answered_s.setdefault(at, []).append(waited_s)
        elif event.type == "alarm.closed":
            self.closed[data.cause] += 1
            self.false[data.cause] += data.disposition in FALSE


def period_of(at: datetime) -> datetime:
    """The beginning of the ten minutes that a time is in."""
    return at.replace(minute=at.minute - at.minute % 10, second=0, microsecond=0)


def share_s(waited_s: Iterable[float], percent: float) -> float | None:
    """The time within which so many of a hundred were answered (nearest rank)."""
    ordered = sorted(waited_s)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def view(tally: Tally, since: datetime, now: datetime, *, whole: bool, stale: int) -> DeskView:
    """Put the counts into what the desk reads; every period is there, also the quiet ones."""
    periods, at = [], period_of(since)
    while at <= now:
        periods.append(_period(tally, at))
        at += PERIOD
    return DeskView(
        since=since,
        whole=whole,
        periods=periods,
        floods=sum(one.flood for one in periods),
        answered=[
            Answered(kind, len(waited_s), share_s(waited_s, 80), share_s(waited_s, 98.5))  # type: ignore[arg-type]  # its two keys
            for kind, waited_s in tally.waited_s.items()
        ],
        stale=stale,
        nuisance=[Nuisance(vin, count) for vin, count in tally.cars.most_common(RANKED) if count > 1],
        false_share=[FalseShare(cause, n, tally.false[cause]) for cause, n in tally.closed.most_common()],
    )


def _period(tally: Tally, at: datetime) -> Period:
    counts, operators = tally.periods.get(at, Counter()), len(tally.people.get(at, ()))
    waited_s = tally.answered_s.get(at, [])
    return Period(
        at=at,
        raised=counts["all"],
        critical=counts["critical"],
        operators=operators,
        flood=counts["all"] > FLOOD * max(1, operators),
        acknowledged=len(waited_s),
        p80_s=share_s(waited_s, 80),
        p98_5_s=share_s(waited_s, 98.5),
    )


@get("/desk-meter", operation_id="readDeskMeter", summary="Read the desk meter", responses=problems(422))
async def read_meter(deps: FromApp, soc: Soc = "default", hours: Hours = 8) -> DeskView:
    """How many alarms each operator had in ten minutes, how soon they were answered, and which were false."""
    now, tally = deps.clock.now(), Tally()
    since, begin = now - timedelta(hours=hours), max(0, deps.feed.latest(soc) - MAX_MESSAGES)
    first = await _time(deps, soc, begin)
    whole = begin == 0 or (first is not None and first <= since)
    after = await _before(deps, soc, since, begin)
    while messages := await deps.store.messages(soc, after, PAGE):
        after = messages[-1].sequence
        for event in map(_decoder.decode, (one.body for one in messages)):
            if event.time >= since:
                tally.take(event)
        await asyncio.sleep(0)  # alarms go first
    return view(
        tally,
        since if whole or first is None else first,
        now,
        whole=whole,
        stale=await _stale(deps, soc, now),
    )


async def _before(deps: Deps, soc: str, since: datetime, begin: int) -> int:
    """The sequence after which messages are of that time or later: found by halving, not by reading them."""
    end = max(begin, deps.feed.latest(soc))
    while begin < end:
        middle = (begin + end) // 2
        at = await _time(deps, soc, middle)
        if at is None or at >= since:
            end = middle
        else:
            begin = middle + 1
    return begin


async def _time(deps: Deps, soc: str, after: int) -> datetime | None:
    """The time of the first message after a sequence; None if there is none."""
    messages = await deps.store.messages(soc, after, 1)
    return _decoder.decode(messages[0].body).time if messages else None


async def _stale(deps: Deps, soc: str, now: datetime) -> int:
    count = 0
    for state in ("open", "acknowledged"):
        oldest = await deps.store.alarms(AlarmFilter(state=state, soc=soc), 0, PAGE)
        times = (msgspec.json.decode(one.body)["raised_at"] for one in oldest)
        count += sum(now - datetime.fromisoformat(at) > STALE for at in times)
    return count


routes = Router("/", route_handlers=[read_meter], tags=["control"])
