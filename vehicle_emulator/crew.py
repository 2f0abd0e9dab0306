"""
One run in several processes, each with its share of it; the one that leads puts together what they measure.

1. All have one clock, and begin to live at one moment: when the last of them is connected or has given up.
2. Whoever ends without having told what it measured has died: the others go on, and the run has failed.
3. A signal to the leader ends the run early for all, a second one without a drain. A member heeds no signal
   of its own (Ctrl-C reaches it too), and ends if its leader is gone.
4. When the first is done the others have as long as a drain and a little more; then they are ended.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from functools import reduce
from multiprocessing import connection
from operator import add
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

    def fate(self) -> str:
        """How it ended, for people."""
        self.process.join(LOOK_EVERY_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            how = "did not end"
        else:
            code = self.process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended by itself with exit code {code}"
        return f"process {self.share.index + 1} of {self.share.of} {how}: its vehicles are not in this report"


class Crew:
    """The leader's side."""

    def __init__(
        self, live: Live, count: int, *, tell: Callable[[StoryLine], None], show: Callable[[Pulse], None]
    ) -> None:
        """Nothing runs yet; ``tell`` hears the story, ``show`` how all are together."""
        self._live, self._count, self._tell, self._show = live, count, tell, show
        self._members: list[_Member] = []
        self._stops, self._has_begun = 0, False

    def run(self, drain_s: float) -> tuple[list[Measured], list[str]]:
        """What all have measured, and a sentence for each that died."""
        clock = Clockwork()
        with self._stoppable():
            for index in range(self._count):
                self._fork(Share(index, self._count), clock)
            self._follow(clock, drain_s + LAST_AFTER_S)
        died = [member.fate() for member in self._members if member.measured is None]
        for member in self._members:
            member.process.join()
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
        until_s, shown_s = float("inf"), 0.0
        while (waited := [one for one in self._members if not one.is_done]) and time.monotonic() < until_s:
            lines = {one.line: one for one in waited}
            for line in connection.wait(list(lines), LOOK_EVERY_S):
                self._hear(lines[line])  # type: ignore[index]  # a line is what was waited for
            self._lead(clock)
            if until_s == float("inf") and any(one.measured for one in self._members):
                until_s = time.monotonic() + patience_s
            if time.monotonic() - shown_s >= 1.0:
                shown_s = time.monotonic()
                self._show(reduce(add, (one.pulse for one in self._members)))

    def _hear(self, member: _Member) -> None:
        try:
            word = member.line.recv()
        except (EOFError, OSError):
            member.is_done = True
            return
        if isinstance(word, Pulse):
            member.pulse = word
        elif isinstance(word, StoryLine):
            self._tell(word)
        elif isinstance(word, Measured):
            member.measured, member.is_done = word, True
        else:
            member.is_ready = True

    def _lead(self, clock: Clockwork) -> None:
        """Rules 1 and 3."""
        if self._stops:
            self._stops, self._has_begun = self._stops - 1, True
            self._say(_STOP)
        elif not self._has_begun and all(one.is_ready or one.is_done for one in self._members):
            self._has_begun = True
            self._say(clock.now_ms() + BEGIN_AFTER_MS)

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
