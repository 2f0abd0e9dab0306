"""
Delivery: from the store's outbox to the SOCs.

1. A message is durable before ``committed`` hears of it; nothing here may lose it, a crash only repeats it.
2. Per vehicle and sink: strictly in sequence order, one at a time. A parked message no longer blocks.
3. Sinks share nothing but the store: one that hangs slows neither the others nor the decider.
4. Everything held in memory is bounded: lanes and fresh bytes (``lanes``), marks not yet written (sending
   pauses), messages told directly (the newest is dropped; its vehicle will say it again).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gateway.errors import StoreError
from gateway.faults import crash_point
from gateway.pipeline.lanes import PARALLEL, Job, Key, Lane, Lanes, Pulse, Tried
from gateway.pipeline.messages import CloudEvent, feed_of
from gateway.pipeline.meters import Meters
from gateway.ports import (
    AlarmSink,
    Clock,
    Delivered,
    DeliveryMark,
    DeliveryRow,
    DeliveryState,
    Message,
    Outcome,
    Park,
    Retry,
    SinkPlan,
    Store,
)

DEFAULT_SOC = "default"

TICK_S = 0.25
PAGE = 16  # messages read at once, and sent before other vehicles get their turn
BACKLOG_PAGE = 500
WORKERS = PARALLEL + 4  # the others probe while 32 messages hang
STORE_RETRY_S = 1.0
MARKS_AT_ONCE = 1_000
MAX_MARKS = 10_000
MAX_EARLY = 10_000

BACKOFF_FROM_S = 0.5
BACKOFF_TO_S = 30.0
PARK_AFTER_S = 60.0
HEAL_WITHIN_S = 0.5
SAY_FAILING_AFTER_S = 5.0

STAND_BY_EVERY_S = 2.0
STAND_BY_AFTER = timedelta(seconds=15)
STAND_BY_AT_ONCE = 500
STAND_BY_ROUNDS = 20

TELLERS = 4
MAX_TOLD = 1_000
TELL_TRIES = 20


class Way(Struct, frozen=True):
    """A configured sink."""

    plan: SinkPlan
    sink: AlarmSink
    heartbeat: bool = False
    """Whether it wants ``gateway.heartbeat``."""


class Shared(Struct, frozen=True):
    """What all outlets use."""

    store: Store
    clock: Clock
    rng: random.Random
    meters: Meters
    log: Any
    feed_id: str
    marks: Marks


class Marks:
    """What became of deliveries, written together: one transaction for all that ended meanwhile."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[tuple[str, Key], DeliveryMark] = {}
        self._writing: dict[tuple[str, Key], DeliveryMark] = {}
        self._ended: dict[str, set[Key]] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def full(self) -> bool:
        """Whether the store is so far behind that sending on would only make repeats after a crash."""
        return len(self._new) + len(self._writing) >= MAX_MARKS

    def add(self, mark: DeliveryMark) -> None:
        """Write this soon; a later mark of the same delivery replaces it."""
        key = (mark.soc, mark.sequence)
        self._new[mark.sink, key] = mark
        if mark.state != "pending":
            self._ended.setdefault(mark.sink, set()).add(key)
        self._wake.set()

    def unwritten(self, sink: str) -> set[Key]:
        """Deliveries that ended, but that the store may still call pending."""
        return set(self._ended.get(sink, ()))

    async def run(self) -> None:
        """Write until cancelled; a failing store is tried again."""
        while True:
            await self._wake.wait()
            try:
                await self.flush()
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)

    async def flush(self) -> None:
        """Write everything. Errors: StoreError; then all is kept."""
        async with self._turn:
            while self._writing or self._new:
                while self._new and len(self._writing) < MARKS_AT_ONCE:
                    key = next(iter(self._new))
                    self._writing[key] = self._new.pop(key)
                await self._store.mark(tuple(self._writing.values()))
                for sink, delivery in self._writing:
                    self._ended.get(sink, set()).discard(delivery)
                self._writing.clear()
            self._wake.clear()


class Outlet:
    """One sink and the vehicles that wait for it."""

    def __init__(self, way: Way, shared: Shared) -> None:
        self.name = way.plan.name
        self.plan = way.plan
        self.heartbeat = way.heartbeat
        self.parked = asyncio.Event()
        self._sink = way.sink
        self._shared = shared
        self._clock = shared.clock
        self._meters = shared.meters
        self._told: asyncio.Queue[Message] = asyncio.Queue(MAX_TOLD)
        self._begin()

    def _begin(self) -> None:
        """Know nothing and read the backlog: after a restart nobody serves the lanes of before."""
        self.lanes = Lanes()
        self.pulse = Pulse(self._shared.rng)
        self._stir = asyncio.Event()
        self._backlog_wanted = asyncio.Event()
        self._backlog_wanted.set()
        self._idle: list[asyncio.Future[None]] = []
        self._newest: dict[str, int] = {}
        self._early: set[Key] = set()
        self._said_failing = False
        self._stopping = False

    # -- what comes in ------------------------------------------------------------------------------------

    def add(self, message: Message) -> None:
        """Take a message that was just committed for this sink."""
        self._newest[message.soc] = message.sequence
        if self._early and (key := (message.soc, message.sequence)) in self._early:
            self._early.discard(key)
            return
        self.lanes.add(message)
        self._stir.set()
        self._rouse(1)

    def offer(self, subject: str) -> None:
        """The store has something again for this vehicle."""
        self.lanes.offer(subject, critical=False)
        self.lanes.hurry(subject)
        self._stir.set()

    def read_backlog(self) -> None:
        """The store has something new for this sink."""
        self._backlog_wanted.set()

    def tell(self, message: Message) -> bool:
        """Send from memory, best effort, beside the lanes; False if there is no room."""
        try:
            self._told.put_nowait(message)
        except asyncio.QueueFull:
            self._count("dropped")
            return False
        return True

    @property
    def is_telling(self) -> bool:
        """Whether messages from memory wait."""
        return not self._told.empty()

    async def send(self, message: Message) -> Outcome:
        """Send one message now and note how the sink is."""
        started = self._clock.mono_s()
        number = self.pulse.begin(started)
        try:
            outcome = await self._sink.deliver(self._feed_of(message), message)
        except Exception as bug:  # noqa: BLE001  # a sink's mistake must not stop the alarms behind it
            outcome = Retry(f"{type(bug).__name__}: {bug}")
        except BaseException:
            self.pulse.dropped(number)
            raise
        if isinstance(outcome, Delivered):
            crash_point("after_sink_ok")
        self._note(number, outcome)
        return outcome

    # -- how it is ----------------------------------------------------------------------------------------

    def is_failing(self) -> bool:
        """Whether nothing has been confirmed for a while although something was sent."""
        now = self._clock.mono_s()
        return self.pulse.is_failing(now) or self.pulse.failing_for_s(now) >= SAY_FAILING_AFTER_S

    def failing_for_s(self) -> float:
        """For how long; 0 while it is well."""
        return self.pulse.failing_for_s(self._clock.mono_s())

    # -- tasks --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled; may be called again after an unexpected end."""
        self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load(), name=f"delivery {self.name} backlog")
            group.create_task(self._keep_time(), name=f"delivery {self.name} time")
            for n in range(WORKERS):
                group.create_task(self._work(), name=f"delivery {self.name} {n}")
            for n in range(TELLERS):
                group.create_task(self._tell_on(), name=f"delivery {self.name} direct {n}")

    async def rest(self, within_s: float) -> None:
        """Start nothing more, and give what is being sent some time to end."""
        self._stopping = True
        until = self._clock.mono_s() + within_s
        while self.pulse.in_flight and self._clock.mono_s() < until:  # noqa: ASYNC110  # once, at the end
            await asyncio.sleep(TICK_S / 5)

    async def _load(self) -> None:
        """Learn from the store who has something; again whenever memory may have missed someone."""
        while True:
            await self._backlog_wanted.wait()
            if len(self.lanes) and self.pulse.is_suspect(self._clock.mono_s()):
                await asyncio.sleep(TICK_S)  # it could not send more anyway
                continue
            self._backlog_wanted.clear()
            try:
                await self._load_all()
            except StoreError:
                self._backlog_wanted.set()
                await asyncio.sleep(STORE_RETRY_S)

    async def _load_all(self) -> None:
        """Errors: StoreError; then new lanes go on reading the store first."""
        store, lanes = self._shared.store, self.lanes
        lanes.complete = lanes.spilled = False
        for soc, sequence in (await store.sequences()).items():
            self._newest[soc] = max(sequence, self._newest.get(soc, 0))
        after = ""
        while page := await store.backlog(self.name, BACKLOG_PAGE, after):
            for one in page:
                lanes.offer(one.subject, critical=one.critical, rank=one.first_id)
            after = page[-1].subject
            self._stir.set()
            self._rouse(len(page))
        lanes.complete = not lanes.spilled

    async def _keep_time(self) -> None:
        """While anything waits, look four times a second who may go on; otherwise sleep."""
        while True:
            now = self._clock.mono_s()
            self.lanes.due(now)
            suspect = self.pulse.is_suspect(now)
            self._rouse(1 if suspect else self.lanes.ready)
            if self.lanes.spilled and self.lanes.has_room and not suspect:
                self._backlog_wanted.set()
            self._report()
            if len(self.lanes) or self.pulse.in_flight:
                await asyncio.sleep(TICK_S)
            else:
                self._stir.clear()
                await self._stir.wait()

    def _report(self) -> None:
        self._meters.gauge("gateway_delivery_backlog", len(self.lanes), sink=self.name)
        if not self._said_failing and self.is_failing():
            self._said_failing = True
            self._shared.log.error("delivery.failing", sink=self.name, for_s=round(self.failing_for_s(), 1))

    def _rouse(self, wanted: int) -> None:
        """Wake workers; they decide themselves whether there is something to do."""
        while wanted > 0 and self._idle:
            sleeper = self._idle.pop()
            if not sleeper.done():
                sleeper.set_result(None)
                wanted -= 1

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            lane = self._next_lane()
            if lane is not None:
                await self._serve(lane)
                continue
            sleeper = loop.create_future()
            self._idle.append(sleeper)
            await sleeper

    def _next_lane(self) -> Lane | None:
        if self._stopping or self._shared.marks.full:
            return None
        now = self._clock.mono_s()
        ready = self.lanes.next_ready()
        untried = ready is not None and ready.tried is None
        if not self.pulse.may_start(now, untried=untried, busy=self.lanes.busy):
            return None
        if ready is not None:
            return self.lanes.take()
        return self.lanes.take_waiting() if self.pulse.is_suspect(now) else None

    # -- one vehicle --------------------------------------------------------------------------------------

    async def _serve(self, lane: Lane) -> None:
        """Send this vehicle's messages until nothing is left, one must wait, or others have their turn."""
        for _ in range(PAGE):
            if not lane.fresh and not await self._fetch(lane):
                return
            if not await self._attempt(lane, lane.fresh[0]):
                return
        self.lanes.again(lane)

    async def _fetch(self, lane: Lane) -> bool:
        """Read the vehicle's next messages; False: the lane has been put aside."""
        if not lane.more:
            self.lanes.finish(lane)
            return False
        ended = self._shared.marks.unwritten(self.name)
        lane.stale = False
        try:
            rows = await self._shared.store.pending(self.name, lane.subject, PAGE)
        except StoreError:
            self.lanes.wait(lane, self._clock.mono_s() + STORE_RETRY_S)
            return False
        lane.more = lane.stale or len(rows) == PAGE
        self._remember_early(rows)
        jobs = [Job(message, row.attempts) for row, message in rows if (row.soc, row.sequence) not in ended]
        lane.critical = lane.critical or any(job.message.critical for job in jobs)
        self.lanes.fill(lane, jobs)
        return bool(jobs) or self._put_aside(lane, only_unmarked=bool(rows))

    def _put_aside(self, lane: Lane, *, only_unmarked: bool) -> bool:
        if not lane.more:
            self.lanes.finish(lane)
        elif only_unmarked:
            self.lanes.wait(lane, self._clock.mono_s() + TICK_S)
        else:
            self.lanes.again(lane)
        return False

    def _remember_early(self, rows: Iterable[tuple[DeliveryRow, Message]]) -> None:
        """Note what the store showed before ``committed`` told of it: it must not be sent for both."""
        if self.plan.role == "standby":
            return  # nobody tells these
        early = {(row.soc, row.sequence) for row, _ in rows if row.sequence > self._newest.get(row.soc, 0)}
        self._early |= early
        if len(self._early) > MAX_EARLY:
            self._early = early

    async def _attempt(self, lane: Lane, job: Job) -> bool:
        """Send one message; True if the lane may go on with the next."""
        started = self._clock.mono_s()
        outcome = await self.send(job.message)
        tried = lane.tried
        if tried is None or tried.key != (job.message.soc, job.message.sequence):
            tried = None
        attempts = (tried.attempts if tried else job.attempts) + 1
        if isinstance(outcome, Delivered):
            self._confirmed(job.message)
            self._end(lane, job.message, "done", attempts)
            return True
        if isinstance(outcome, Park):
            self._park(lane, job.message, attempts, outcome.reason)
            return True
        if started < self.pulse.well_since_mono_s:
            self._mark(job.message, "pending", attempts, outcome.reason)
            self._hold(lane, outcome)
            self.lanes.wait(lane, lane.not_before_mono_s)  # it says nothing of the healed sink
            return False
        return self._failed(lane, job.message, attempts, tried.since_mono_s if tried else started, outcome)

    def _failed(self, lane: Lane, message: Message, attempts: int, since: float, outcome: Retry) -> bool:
        now = self._clock.mono_s()
        if self._is_hopeless(since, now):
            self._park(lane, message, attempts, outcome.reason)
            return True
        lane.tried = Tried((message.soc, message.sequence), attempts, since)
        self._mark(message, "pending", attempts, outcome.reason)
        self._shared.log.info("delivery.retried", sink=self.name, attempts=attempts, reason=outcome.reason)
        self._hold(lane, outcome)
        until = now + self._pause_s(attempts, outcome.after_s)
        if now < since + PARK_AFTER_S < until:  # so that the try which may park it is on time
            until = max(since + PARK_AFTER_S, now + BACKOFF_FROM_S)
        self.lanes.wait(lane, until)
        return False

    def _hold(self, lane: Lane, outcome: Retry) -> None:
        """The shortest pause, or what the SOC asked for, holds whatever happens to the sink meanwhile."""
        pause_s = max(BACKOFF_FROM_S, min(outcome.after_s or 0.0, BACKOFF_TO_S))
        lane.not_before_mono_s = self._clock.mono_s() + pause_s

    def _is_hopeless(self, since: float, now: float) -> bool:
        """Whether it failed for 60 s while the sink was well and took others."""
        pulse = self.pulse
        since = max(since, pulse.well_since_mono_s)
        return now - since >= PARK_AFTER_S and pulse.confirmed_at_mono_s > since

    def _pause_s(self, attempts: int, after_s: float | None) -> float:
        """Full jitter; what the SOC asked for comes first, spread a little."""
        rng = self._shared.rng
        if after_s is not None:
            return min(max(after_s, BACKOFF_FROM_S), BACKOFF_TO_S) + rng.uniform(0, BACKOFF_FROM_S)
        return rng.uniform(BACKOFF_FROM_S, min(BACKOFF_TO_S, BACKOFF_FROM_S * 2.0 ** min(attempts, 10)))

    def _park(self, lane: Lane, message: Message, attempts: int, reason: str) -> None:
        ids = {"alarm_id": message.alarm_id, "sequence": message.sequence}
        self._shared.log.error("delivery.parked", sink=self.name, reason=reason, **ids)
        self._end(lane, message, "parked", attempts, reason)
        self.parked.set()

    def _confirmed(self, message: Message) -> None:
        took = (self._clock.now() - message.created_at).total_seconds()
        self._meters.observe("gateway_delivery_seconds", took, sink=self.name)
        self._shared.log.debug("delivery.done", sink=self.name, sequence=message.sequence)

    def _end(
        self, lane: Lane, message: Message, state: DeliveryState, attempts: int, error: str | None = None
    ) -> None:
        self._mark(message, state, attempts, error)
        self.lanes.sent(lane)

    def _mark(self, message: Message, state: DeliveryState, attempts: int, error: str | None) -> None:
        self._shared.marks.add(DeliveryMark(self.name, message.soc, message.sequence, state, attempts, error))

    # -- the sink as a whole ------------------------------------------------------------------------------

    def _feed_of(self, message: Message) -> str:
        return feed_of(self._shared.feed_id, message.soc)

    def _note(self, number: int, outcome: Outcome) -> None:
        now = self._clock.mono_s()
        if isinstance(outcome, Retry):
            self.pulse.failed(number, now, min(outcome.after_s or 0.0, BACKOFF_TO_S))
            self._count("retry")
            return
        self._count("delivered" if isinstance(outcome, Delivered) else "parked")
        if self.pulse.lived(number, now):
            self.lanes.release(now, HEAL_WITHIN_S, self._shared.rng)
            self._rouse(self.lanes.ready)
        if self._said_failing:
            self._said_failing = False
            self._shared.log.info("delivery.recovered", sink=self.name)

    def _count(self, outcome: str) -> None:
        self._meters.count("gateway_delivery_attempts_total", sink=self.name, outcome=outcome)

    # -- from memory --------------------------------------------------------------------------------------

    async def _tell_on(self) -> None:
        while True:
            message = await self._told.get()
            self._stir.set()
            for attempt in range(1, 2 if message.type == "gateway.heartbeat" else TELL_TRIES + 1):
                outcome = await self.send(message)
                if not isinstance(outcome, Retry):
                    break
                await asyncio.sleep(self._pause_s(attempt, outcome.after_s))


class Delivery:
    """All ways out. Implements SinkTester."""

    def __init__(
        self,
        *,
        store: Store,
        ways: Sequence[Way],
        feed_id: str,
        clock: Clock,
        rng: random.Random,
        meters: Meters,
        log: Any,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._log = log
        self._marks = Marks(store)
        shared = Shared(store, clock, rng, meters, log, feed_id, self._marks)
        self._outlets = {way.plan.name: Outlet(way, shared) for way in ways}
        if len(self._outlets) != len(ways):
            raise ValueError("Every sink needs a name of its own.")
        self._primaries = self._by_soc(role="primary")
        self._feed_id = feed_id
        self._stand_by_now = asyncio.Event()
        for outlet in self._outlets.values():
            outlet.parked = self._stand_by_now

    async def run(self) -> None:
        """Deliver until cancelled; then what ended is still marked, if the store takes it soon."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._marks.run(), name="delivery marks")
                if any(outlet.plan.role == "standby" for outlet in self._outlets.values()):
                    group.create_task(self._stand_by(), name="delivery standby")
                for outlet in self._outlets.values():
                    group.create_task(outlet.run(), name=f"delivery {outlet.name}")
        finally:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._marks.flush()

    async def rest(self, within_s: float) -> None:
        """Start nothing more and let what is being sent end: fewer repeats after a planned stop."""
        await asyncio.gather(*(outlet.rest(within_s) for outlet in self._outlets.values()))

    def committed(self, messages: Sequence[Message]) -> None:
        """These are durable, with their outbox rows. Cheap; never blocks."""
        for message in messages:
            for outlet in self._primaries_of(message.soc):
                outlet.add(message)

    def unrecorded(self, message: Message) -> bool:
        """
        The store fails: send this from memory to every sink of its SOC, rather twice than never.

        False if none of them had room: it must be told again.
        """
        outlets = self._all_of(message.soc)
        return any([outlet.tell(message) for outlet in outlets]) if outlets else True  # noqa: C419  # every one

    def heartbeat(self, body: bytes) -> None:
        """Send a ``gateway.heartbeat`` to the sinks that ask for it and are not still busy with the last."""
        for outlet in self._outlets.values():
            if outlet.heartbeat and not outlet.is_telling:
                outlet.tell(self._loose(outlet, "gateway.heartbeat", "", body))

    def sinks(self) -> list[str]:
        """Names of the configured sinks."""
        return list(self._outlets)

    def states(self) -> dict[str, Literal["ok", "failing"]]:
        """How each sink is: ``ok`` or ``failing``."""
        return {name: "failing" if outlet.is_failing() else "ok" for name, outlet in self._outlets.items()}

    def failing_for_s(self, sink: str) -> float:
        """For how long a sink has confirmed nothing; 0 while it is well."""
        return self._outlets[sink].failing_for_s()

    def poke(self, sink: str, subject: str) -> None:
        """Deliveries of this vehicle have become pending again."""
        if (outlet := self._outlets.get(sink)) is not None:
            outlet.offer(subject)

    async def test(self, sink: str) -> Outcome | None:
        """Send a marked test alarm to one sink; None if there is no such sink."""
        outlet = self._outlets.get(sink)
        if outlet is None:
            return None
        alarm_id = f"test-{self._rng.getrandbits(64):016x}"
        body = msgspec.json.encode(self._test_alarm(outlet.plan.soc, alarm_id))
        return await outlet.send(self._loose(outlet, "alarm.raised", alarm_id, body))

    # -- inside -------------------------------------------------------------------------------------------

    def _by_soc(self, role: str | None = None) -> dict[str, list[Outlet]]:
        by_soc: dict[str, list[Outlet]] = {}
        for outlet in self._outlets.values():
            if role is None or outlet.plan.role == role:
                by_soc.setdefault(outlet.plan.soc, []).append(outlet)
        return by_soc

    def _primaries_of(self, soc: str) -> list[Outlet]:
        return self._primaries.get(soc) or self._primaries.get(DEFAULT_SOC, [])

    def _all_of(self, soc: str) -> list[Outlet]:
        by_soc = self._by_soc()
        return by_soc.get(soc) or by_soc.get(DEFAULT_SOC, [])

    def _loose(self, outlet: Outlet, kind: str, alarm_id: str, body: bytes) -> Message:
        """Make a message that stands in no feed."""
        return Message(
            soc=outlet.plan.soc,
            sequence=0,
            type=kind,
            alarm_id=alarm_id,
            subject="",
            critical=False,
            body=body,
            created_at=self._clock.now(),
        )

    def _test_alarm(self, soc: str, alarm_id: str) -> CloudEvent[dict[str, Any]]:
        now = self._clock.now()
        data: dict[str, Any] = {
            "sequence": None,
            "recorded": False,
            "test": True,
            "soc": soc,
            "alarm_id": alarm_id,
            "vin": None,
            "cause": "unknown",
            "class": "technical",
            "severity": "minor",
            "state": "open",
            "silent": True,
            "raised_at": now,
            "count": 1,
            "event_ids": [],
            "note": "Test of this way to the SOC: no vehicle is concerned, nothing needs to be done.",
        }
        source = f"vehicle-gateway/{self._feed_id}"
        return CloudEvent(
            id=alarm_id, source=source, type="alarm.raised", subject=alarm_id, time=now, data=data
        )

    async def _stand_by(self) -> None:
        """Every other second, and at once when something is parked: give the standby sinks their share."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STAND_BY_EVERY_S):
                    await self._stand_by_now.wait()
            self._stand_by_now.clear()
            with contextlib.suppress(StoreError):
                await self._stand_by_once()

    async def _stand_by_once(self) -> None:
        """Errors: StoreError; what was not handed over is found again in two seconds."""
        await self._marks.flush()
        told: set[str] = set()
        for _ in range(STAND_BY_ROUNDS):
            given = await self._store.stand_by(self._clock.now() - STAND_BY_AFTER, STAND_BY_AT_ONCE)
            told.update(given)
            if not given:
                break
        for name in told & self._outlets.keys():
            self._outlets[name].read_backlog()
        if told:
            self._log.warning("delivery.stood_by", sinks=sorted(told))
