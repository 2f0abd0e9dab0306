"""
One sink and the vehicles that wait for it.

1. Per vehicle: strictly in sequence order, one at a time. A parked message no longer blocks.
2. A failure is the message's or the sink's (``lanes.Pulse`` tells): while the sink is ill, one probes it.
3. Everything held in memory is bounded: lanes and fresh bytes (``lanes``), marks not yet written (sending
   pauses), messages told directly (the newest is dropped; its vehicle will say it again).
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from msgspec import Struct

from gateway.errors import StoreError
from gateway.faults import crash_point
from gateway.pipeline.backoff import BACKOFF_FROM_S, BACKOFF_TO_S, least_s, pause_s
from gateway.pipeline.early import Early
from gateway.pipeline.lanes import PARALLEL, Job, Lane, Lanes, Pulse, Tried
from gateway.pipeline.marks import STORE_RETRY_S, Marks
from gateway.pipeline.messages import feed_of
from gateway.pipeline.meters import Meters
from gateway.ports import (
    AlarmSink,
    Clock,
    Delivered,
    DeliveryMark,
    DeliveryState,
    Message,
    Outcome,
    Park,
    Retry,
    SinkPlan,
    Store,
)

TICK_S = 0.25
PAGE = 16  # messages read at once, and sent before other vehicles get their turn
BACKLOG_PAGE = 500
WORKERS = PARALLEL + 4  # the others probe while 32 messages hang

PARK_AFTER_S = 60.0
HEAL_WITHIN_S = 0.5
SAY_FAILING_AFTER_S = 5.0

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


class Outlet:
    """Delivers to one sink, from the store's outbox and from memory."""

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
        self._early = Early()
        self._said_failing = False
        self._stopping = False

    # -- what comes in ------------------------------------------------------------------------------------

    def add(self, message: Message) -> None:
        """Take a message that was just committed for this sink."""
        if self._early.is_told(message):
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
            outcome = await self._sink.deliver(feed_of(self._shared.feed_id, message.soc), message)
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
            self._early.stands_at(soc, sequence)
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
            await self._shared.marks.flush()  # else the page may be what has just been sent
            rows = await self._shared.store.pending(self.name, lane.subject, PAGE)
        except StoreError:
            self.lanes.wait(lane, self._clock.mono_s() + STORE_RETRY_S)
            return False
        lane.more = lane.stale or len(rows) == PAGE
        if self.plan.role == "primary":  # nobody tells a standby
            self._early.shown(rows)
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
        until = now + pause_s(self._shared.rng, attempts, outcome.after_s)
        if now < since + PARK_AFTER_S < until:  # so that the try which may park it is on time
            until = max(since + PARK_AFTER_S, now + BACKOFF_FROM_S)
        self.lanes.wait(lane, until)
        return False

    def _hold(self, lane: Lane, outcome: Retry) -> None:
        lane.not_before_mono_s = self._clock.mono_s() + least_s(outcome.after_s)

    def _is_hopeless(self, since: float, now: float) -> bool:
        """Whether it failed for 60 s while the sink was well and took others."""
        pulse = self.pulse
        since = max(since, pulse.well_since_mono_s)
        return now - since >= PARK_AFTER_S and pulse.confirmed_at_mono_s > since

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
                await asyncio.sleep(pause_s(self._shared.rng, attempt, outcome.after_s))
