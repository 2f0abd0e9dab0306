"""
One run in several processes, each with its share of it; the one that leads puts together what they measure.

1. All have one clock, and begin to live at one moment: when the last of them is connected or has given up.
   Who hangs is waited for a minute.
2. Whoever ends without having told what it measured has died: the others go on, and the run has failed.
3. A signal to the leader ends the run early for all, a second one without a drain. A member heeds no signal
   of its own (Ctrl-C reaches it too), and ends if its leader is gone.
4. When the first is done, or all were told to end, the others have as long as a drain and a little more,
   after a second signal only moments; then they are ended. A member that hangs keeps nobody waiting longer:
   what it says is read by a thread of its own, for it may hang in the middle of a word.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from functools import reduce
from operator import add
from queue import Empty, Queue
from typing import TYPE_CHECKING, Final

from vehicle_emulator.closing import Measured
from vehicle_emulator.progress import Pulse
from vehicle_emulator.share import Share
from vehicle_emulator.stage import StoryLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

    from vehicle_emulator.fleet import Fleet

LOOK_EVERY_S: Final = 0.2
BEGIN_AFTER_MS: Final = 200.0
LAST_AFTER_S: Final = 60.0
HURRIED_S: Final = 20.0
ENDS_WITHIN_S: Final = 2.0
# Who says more waits until it is heard.
MOST_UNHEARD: Final = 1_000
_READY: Final = "ready"
_STOP: Final = "stop"

Live = Callable[["Port"], Awaitable[Measured]]


class Clockwork:
    """One clock for all: the wall clock, read once."""

    def __init__(self) -> None:
        """Read it."""
        self._offset_ms = (time.time() - time.monotonic()) * 1_000

    def now_ms(self) -> float:
        """Milliseconds since the epoch."""
        return self._offset_ms + time.monotonic() * 1_000


class Port:
    """What a member tells its leader and hears from it."""

    def __init__(self, share: Share, line: Connection, clock: Clockwork) -> None:
        """``line`` leads to the leader."""
        self.share, self._line, self.clock = share, line, clock
        self._begins_ms: asyncio.Future[float] | None = None
        self._fleet: Fleet | None = None

    def attach(self, fleet: Fleet) -> None:
        """Let a fleet hear the leader's word."""
        loop = asyncio.get_running_loop()
        self._fleet, self._begins_ms = fleet, loop.create_future()
        loop.add_reader(self._line.fileno(), self._hear)

    async def start(self) -> float:
        """When life begins, once all are ready."""
        assert self._begins_ms is not None  # noqa: S101  # attached before
        self._say(_READY)
        return await self._begins_ms

    def beat(self, pulse: Pulse) -> None:
        """How it is now."""
        self._say(pulse)

    def narrate(self, line: StoryLine) -> None:
        """Part of the story."""
        self._say(line)

    def tell(self, measured: Measured) -> None:
        """The last word."""
        self._say(measured)

    def _say(self, word: object) -> None:
        with suppress(OSError):  # a leader that is gone is noticed by its silence
            self._line.send(word)

    def _hear(self) -> None:
        assert self._fleet is not None  # noqa: S101  # attached before
        assert self._begins_ms is not None  # noqa: S101  # attached before
        try:
            word = self._line.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            word = _STOP
        if word == _STOP:
            self._fleet.stop()
            word = self._fleet.depot.clock.now_ms()
        if not self._begins_ms.done():
            self._begins_ms.set_result(word)


class _Member:
    """One process, as its leader knows it."""

    def __init__(self, share: Share, process: ForkProcess, line: Connection) -> None:
        self.share, self.process, self.line = share, process, line
        self.is_ready = self.is_done = False
        self.pulse = Pulse()
        self.measured: Measured | None = None

    def send(self, word: object) -> None:
        """Say something to it, if it still hears."""
        with suppress(OSError):  # its end is noticed by its silence
            self.line.send(word)

    def read(self, words: Queue[_Word]) -> None:
        """Pass on what it says, and None at its end."""
        with suppress(EOFError, OSError):
            while True:
                words.put((self, self.line.recv()))
        words.put((self, None))

    def end(self, by_s: float) -> bool:
        """See its end; False if it had to be killed. What it has measured it has written by then."""
        self.process.join(max(0.0, by_s - time.monotonic()))
        if not self.process.is_alive():
            return True
        self.process.kill()
        self.process.join()
        return False

    def fate(self, *, ended: bool) -> str:
        """How it ended, for people."""
        code = self.process.exitcode or 0
        if not ended:
            how = "did not end"
        else:
            how = f"was killed by signal {-code}" if code < 0 else f"ended by itself with exit code {code}"
        return f"process {self.share.index + 1} of {self.share.of} {how}: its vehicles are not in this report"


_Word = tuple[_Member, object]


class Crew:
    """The leader's side."""

    def __init__(
        self, live: Live, count: int, *, tell: Callable[[StoryLine], None], show: Callable[[Pulse], None]
    ) -> None:
        """Nothing runs yet; ``tell`` hears the story, ``show`` how all are together."""
        self._live, self._count, self._tell, self._show = live, count, tell, show
        self._members: list[_Member] = []
        self._stops, self._has_begun, self._is_ending = 0, False, False
        self._words: Queue[_Word] = Queue(MOST_UNHEARD)
        self._begins_by_s = self._ends_by_s = math.inf

    def run(self, drain_s: float) -> tuple[list[Measured], list[str]]:
        """What all have measured, and a sentence for each that died."""
        clock = Clockwork()
        with self._stoppable():
            for index in range(self._count):
                self._fork(Share(index, self._count), clock)
            for member in self._members:  # only now: no thread is forked
                threading.Thread(target=member.read, args=(self._words,), daemon=True).start()
            self._follow(clock, drain_s + LAST_AFTER_S)
            by_s = time.monotonic() + ENDS_WITHIN_S
            ended = [member.end(by_s) for member in self._members]
        died = [
            member.fate(ended=is_ended)
            for member, is_ended in zip(self._members, ended, strict=True)
            if member.measured is None
        ]
        return [member.measured for member in self._members if member.measured is not None], died

    def _fork(self, share: Share, clock: Clockwork) -> None:
        # Forked, not spawned: what a scenario does is functions, which no pipe carries.
        context = multiprocessing.get_context("fork")
        mine, its = context.Pipe()
        others = [member.line for member in self._members]
        process = context.Process(
            target=_be_member, args=(self._live, Port(share, its, clock), (mine, *others))
        )
        process.start()
        its.close()
        self._members.append(_Member(share, process, mine))

    def _follow(self, clock: Clockwork, patience_s: float) -> None:
        """Hear them until all are done or gone."""
        shown_s = 0.0
        while not all(one.is_done for one in self._members) and time.monotonic() < self._ends_by_s:
            with suppress(Empty):
                self._hear(*self._words.get(timeout=LOOK_EVERY_S))
                while True:
                    self._hear(*self._words.get_nowait())
            self._lead(clock, patience_s)
            if any(one.measured for one in self._members):
                self._end_within(patience_s)
            if time.monotonic() - shown_s >= 1.0:
                shown_s = time.monotonic()
                self._show(reduce(add, (one.pulse for one in self._members)))

    def _hear(self, member: _Member, word: object) -> None:
        if word is None:
            member.is_done = True
        elif isinstance(word, Pulse):
            member.pulse = word
        elif isinstance(word, StoryLine):
            self._tell(word)
        elif isinstance(word, Measured):
            member.measured, member.is_done = word, True
        else:
            member.is_ready = True
            self._begins_by_s = min(self._begins_by_s, time.monotonic() + LAST_AFTER_S)

    def _lead(self, clock: Clockwork, patience_s: float) -> None:
        """Rules 1, 3 and 4."""
        if self._stops:
            self._stops, self._has_begun = self._stops - 1, True
            self._end_within(HURRIED_S if self._is_ending else patience_s)
            self._is_ending = True
            self._say(_STOP)
        elif not self._has_begun and self._are_ready:
            self._has_begun = True
            self._say(clock.now_ms() + BEGIN_AFTER_MS)

    @property
    def _are_ready(self) -> bool:
        is_time = time.monotonic() >= self._begins_by_s
        return is_time or all(one.is_ready or one.is_done for one in self._members)

    def _end_within(self, patience_s: float) -> None:
        self._ends_by_s = min(self._ends_by_s, time.monotonic() + patience_s)

    def _say(self, word: object) -> None:
        for member in self._members:
            member.send(word)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Rule 3: members are forked within, so that they have this handler and not the system's."""

        def stop(_number: int, _frame: object) -> None:
            self._stops += 1

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _be_member(live: Live, port: Port, leaders: tuple[Connection, ...]) -> None:
    """Live one share; without the leader's ends of all lines, so that its end is heard (rule 3)."""
    for other in leaders:
        other.close()
    port.tell(asyncio.run(_measure(live, port)))


async def _measure(live: Live, port: Port) -> Measured:
    return await live(port)
