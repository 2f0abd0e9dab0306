"""
Who is served next at one sink, and how that sink is.

1. Memory holds vehicles with undelivered messages (lanes), not messages: those are in the store. A few fresh
   ones are kept so that an idle gateway sends without reading.
2. A lane sends its messages in sequence order, one at a time. ``fresh`` always comes before what is only in
   the store: once ``more`` is set nothing is appended to ``fresh`` until the store was read.
3. Vehicles with critical messages first, then the oldest.
4. Both bounds have a rule. Bytes full: the message is left to the store. Lanes full: an ordinary lane gives
   way to a critical one, else the vehicle is left to the store; ``complete`` is then False until the
   backlog was read again, and meanwhile new lanes read the store, so that nothing overtakes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable
from itertools import count
from typing import Literal

from msgspec import Struct, field

from gateway.ports import Message

MAX_LANES = 20_000
MAX_FRESH_BYTES = 4 * 1024 * 1024
NEWEST = 1 << 62  # ranks of what came in this run: behind every row id of the store

PARALLEL = 32
OPEN_AFTER_FAILURES = 5
OPEN_AFTER_S = 3.0
SUSPECT_AFTER_S = 2.0
PROBE_EVERY_S = (2.0, 4.0)  # the longer one bounds how late a healed SOC is noticed
UNTRIED_PROBE_GAP_S = 0.5  # a vehicle not tried yet need not wait because another one's message fails
MAX_PROBES = 3

Key = tuple[str, int]
"""SOC and sequence: with the sink's name they say which delivery."""


class Job(Struct, frozen=True, gc=False):
    """A message to send, and how often that was tried."""

    message: Message
    attempts: int = 0


class Tried(Struct, frozen=True, gc=False):
    """A lane's first message has failed: which one, how often, since when (monotonic)."""

    key: Key
    attempts: int
    since_mono_s: float


class Lane(Struct, eq=False):
    """One vehicle with undelivered messages."""

    subject: str
    critical: bool
    rank: int
    fresh: list[Job] = field(default_factory=list)
    more: bool = False
    stale: bool = False
    """Something came in while ``more`` was set: what is being read may lack it."""
    place: Literal["ready", "waiting", "busy"] = "ready"
    ticket: int = 0
    """Only the heap entry with this number counts."""
    not_before_mono_s: float = 0.0
    """End of the shortest pause, or of what the SOC asked for: no healing shortens it."""
    tried: Tried | None = None


class Lanes:
    """All lanes of one sink, in the order in which they are served."""

    def __init__(self, *, max_lanes: int = MAX_LANES, max_fresh_bytes: int = MAX_FRESH_BYTES) -> None:
        self.complete = False
        self.spilled = False
        """Someone found no room: the backlog must be read again."""
        self.busy = 0
        self.fresh_bytes = 0
        self._max_lanes = max_lanes
        self._max_fresh_bytes = max_fresh_bytes
        self._lanes: dict[str, Lane] = {}
        self._ordinary: dict[str, Lane] = {}  # not critical and not busy: these may give way
        self._ready: list[tuple[bool, int, int, Lane]] = []
        self._waiting: list[tuple[float, int, Lane]] = []
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def has_room(self) -> bool:
        """Whether reading the backlog again is worth it."""
        return len(self._lanes) <= self._max_lanes // 2

    # -- what comes in ------------------------------------------------------------------------------------

    def add(self, message: Message) -> None:
        """Take a message that was just committed."""
        lane = self._lanes.get(message.subject)
        if lane is None:
            lane = self._open(message.subject, critical=message.critical, rank=NEWEST + next(self._numbers))
            if lane is None:
                return
            lane.more = not self.complete
            self._queue(lane)
        elif message.critical:
            self._raise_to_critical(lane)
        if lane.more or self.fresh_bytes + len(message.body) > self._max_fresh_bytes:
            lane.more = lane.stale = True
        else:
            self._keep(lane, Job(message))

    def offer(self, subject: str, *, critical: bool, rank: int = 0) -> None:
        """Learn that the store has something for this vehicle; it is tried as soon as possible."""
        lane = self._lanes.get(subject)
        if lane is None:
            lane = self._open(subject, critical=critical, rank=rank)
            if lane is None:
                return
            lane.more = True
            self._queue(lane)
            return
        lane.more = lane.stale = True
        if critical:
            self._raise_to_critical(lane)

    def hurry(self, subject: str) -> None:
        """Let a waiting vehicle wait no longer."""
        lane = self._lanes.get(subject)
        if lane is not None and lane.place == "waiting":
            self._queue(lane)

    # -- who is served ------------------------------------------------------------------------------------

    def next_ready(self) -> Lane | None:
        """Who would be taken next; stays ready."""
        ready = self._ready
        while ready:
            lane = ready[0][3]
            if lane.ticket == ready[0][2]:
                return lane
            heapq.heappop(ready)
        return None

    def take(self) -> Lane | None:
        """The most urgent ready lane, now busy."""
        lane = self.next_ready()
        if lane is not None:
            heapq.heappop(self._ready)
            self._occupy(lane)
        return lane

    def take_waiting(self) -> Lane | None:
        """The lane that has the least time left to wait, now busy: for probing a sink that fails."""
        while self._waiting:
            _, ticket, lane = heapq.heappop(self._waiting)
            if lane.ticket == ticket:
                self._occupy(lane)
                return lane
        return None

    def fill(self, lane: Lane, jobs: Iterable[Job]) -> None:
        """Give a busy lane what was read from the store."""
        for job in jobs:
            self._keep(lane, job)

    def sent(self, lane: Lane) -> None:
        """A busy lane is done with its first message."""
        self.fresh_bytes -= len(lane.fresh.pop(0).message.body)
        lane.tried = None

    def finish(self, lane: Lane) -> None:
        """A busy lane has nothing left."""
        self.busy -= 1
        self._forget(lane)

    def again(self, lane: Lane) -> None:
        """A busy lane has more, but it is the others' turn first."""
        self.busy -= 1
        lane.rank = NEWEST + next(self._numbers)
        self._queue(lane)

    def wait(self, lane: Lane, until_mono_s: float) -> None:
        """A busy lane tries again later. Where memory is short, its messages go back to the store."""
        self.busy -= 1
        if self.fresh_bytes > self._max_fresh_bytes // 2 and lane.fresh:
            self._drop_fresh(lane)
        lane.place = "waiting"
        lane.ticket = next(self._numbers)
        heapq.heappush(self._waiting, (until_mono_s, lane.ticket, lane))
        if not lane.critical:
            self._ordinary[lane.subject] = lane

    def due(self, now_mono_s: float) -> None:
        """Make ready who has waited long enough."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_mono_s:
            _, ticket, lane = heapq.heappop(waiting)
            if lane.ticket == ticket:
                self._queue(lane)

    def release(self, now_mono_s: float, within_s: float, rng: random.Random) -> None:
        """The sink is well again: nobody waits longer than ``within_s``, but for what the SOC asked for."""
        self._waiting = [
            (max(min(until, now_mono_s + rng.uniform(0, within_s)), lane.not_before_mono_s), ticket, lane)
            for until, ticket, lane in self._waiting
            if lane.ticket == ticket
        ]
        heapq.heapify(self._waiting)

    @property
    def ready(self) -> int:
        """At least as many as are ready: entries that no longer count are still in it."""
        return len(self._ready)

    # -- inside -------------------------------------------------------------------------------------------

    def _open(self, subject: str, *, critical: bool, rank: int) -> Lane | None:
        """Make a lane if there is room or someone gives way; else memory no longer knows every vehicle."""
        if len(self._lanes) >= self._max_lanes:
            self.complete = False
            self.spilled = True
            if not critical or not self._ordinary:
                return None
            self._forget(self._ordinary.popitem()[1])
        lane = Lane(subject, critical, rank)
        self._lanes[subject] = lane
        return lane

    def _queue(self, lane: Lane) -> None:
        lane.place = "ready"
        lane.ticket = next(self._numbers)
        heapq.heappush(self._ready, (not lane.critical, lane.rank, lane.ticket, lane))
        if not lane.critical:
            self._ordinary[lane.subject] = lane

    def _occupy(self, lane: Lane) -> None:
        self.busy += 1
        lane.place = "busy"
        lane.ticket = 0
        self._ordinary.pop(lane.subject, None)

    def _raise_to_critical(self, lane: Lane) -> None:
        if lane.critical:
            return
        lane.critical = True
        self._ordinary.pop(lane.subject, None)
        if lane.place == "ready":
            self._queue(lane)

    def _keep(self, lane: Lane, job: Job) -> None:
        lane.fresh.append(job)
        self.fresh_bytes += len(job.message.body)

    def _drop_fresh(self, lane: Lane) -> None:
        self.fresh_bytes -= sum(len(job.message.body) for job in lane.fresh)
        lane.fresh.clear()
        lane.more = lane.stale = True

    def _forget(self, lane: Lane) -> None:
        self._drop_fresh(lane)
        lane.ticket = 0
        self._ordinary.pop(lane.subject, None)
        del self._lanes[lane.subject]


class Pulse:
    """
    How a sink is, judged by what it answers, and how hard it may be tried.

    Well: up to 32 vehicles at once. Failing (several failures in a row, or failing for 3 s) or suspect (no
    answer for 2 s): probes only, at most 4 s apart, so that a healed sink gets its first message soon.
    """

    def __init__(self, rng: random.Random) -> None:
        self.well_since_mono_s = 0.0
        self.confirmed_at_mono_s = float("-inf")
        self._rng = rng
        self._failing_since: float | None = None
        self._failures = 0
        self._in_flight: dict[int, tuple[float, bool]] = {}
        self._numbers = count(1)
        self._probes = 0
        self._last_start = float("-inf")
        self._probe_gap = 0.0
        self._hold_until = float("-inf")

    @property
    def in_flight(self) -> int:
        """How many messages wait for an answer."""
        return len(self._in_flight)

    def failing_for_s(self, now_mono_s: float) -> float:
        """For how long nothing was confirmed although something was sent."""
        since = self._failing_since
        if since is None and self._in_flight:
            since = max(next(iter(self._in_flight.values()))[0], self.confirmed_at_mono_s)
        return 0.0 if since is None else now_mono_s - since

    def is_failing(self, now_mono_s: float) -> bool:
        """Whether the sink as a whole fails."""
        if self._failing_since is None:
            return False
        return self._failures >= OPEN_AFTER_FAILURES or now_mono_s - self._failing_since >= OPEN_AFTER_S

    def is_suspect(self, now_mono_s: float) -> bool:
        """Whether it only may be probed: it fails, or has gone quiet."""
        return self.is_failing(now_mono_s) or (
            bool(self._in_flight) and self.failing_for_s(now_mono_s) >= SUSPECT_AFTER_S
        )

    def may_start(self, now_mono_s: float, *, untried: bool, busy: int) -> bool:
        """
        Whether one more vehicle may be served now.

        ``busy``: how many are. ``untried``: it is one whose messages have not failed here.
        """
        if not self.is_suspect(now_mono_s):
            return busy < PARALLEL
        if now_mono_s < self._hold_until:
            return False
        gap = now_mono_s - self._last_start
        if gap >= self._probe_gap:
            return self._probes < MAX_PROBES
        return untried and gap >= UNTRIED_PROBE_GAP_S and self._probes < MAX_PROBES - 1

    def begin(self, now_mono_s: float) -> int:
        """A message is sent; give the number back at its end."""
        number = next(self._numbers)
        probe = self.is_suspect(now_mono_s)
        self._probes += probe
        self._in_flight[number] = (now_mono_s, probe)
        self._last_start = now_mono_s
        if probe:
            self._probe_gap = self._rng.uniform(*PROBE_EVERY_S)
        return number

    def lived(self, number: int, now_mono_s: float) -> bool:
        """The sink took or judged a message; True if it had been failing."""
        self._end(number)
        healed = self.is_failing(now_mono_s)
        if healed:
            self.well_since_mono_s = now_mono_s
        self.confirmed_at_mono_s = now_mono_s
        self._failing_since = None
        self._failures = 0
        self._hold_until = float("-inf")
        return healed

    def failed(self, number: int, now_mono_s: float, hold_s: float = 0.0) -> None:
        """The sink did not answer well; ``hold_s``: it asked to be left alone."""
        started = self._end(number)
        # A slow failure that began before the last confirmation says nothing new about the sink.
        if started >= self.confirmed_at_mono_s:
            self._failures += 1
            if self._failing_since is None:
                self._failing_since = started
            self._hold_until = now_mono_s + hold_s

    def dropped(self, number: int) -> None:
        """The sending was given up on our side."""
        self._end(number)

    def _end(self, number: int) -> float:
        started, probe = self._in_flight.pop(number)
        self._probes -= probe
        return started
