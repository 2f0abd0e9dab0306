"""
The life of commands over random histories: drops, repeats, delays, crashes, a car that comes and goes.

Whatever happens, a command is published at most once, executed at most once and never after its time, and a
request makes one command. A history is a seed; what failed is run again with that seed alone.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count, pairwise
from random import Random

import msgspec
import pytest

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.remote_access.actions import life_of
from gateway.domain.remote_access.effects import CommandChanged, RequestAnswered
from gateway.domain.remote_access.facts import Stated
from gateway.domain.remote_access.state import LIFE, MAX_HELD, SOC_RESERVE, Command
from gateway.domain.signals import Challenged, Mode, Tick
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import at, ignition, moves, sensor, stands, times
from tests.domain.owners import PARKED, OwnedCar, offline, online, request, result, soc_request

HISTORIES, HISTORIES_OF_A_DRILL = 2_000, 100_000
SECONDS = 700
ACTIONS = ("lock", "unlock", "locate", "honk_flash", "climate_start", "charge_start")

_decoder = msgspec.json.Decoder(Vehicle)
NEW = OwnedCar().vehicle
NEXT = {(before, after) for (before, _), after in LIFE.items()}


class ModelVehicle:
    """Obeys the contract: at most once, never after the time, a counter that does not grow is a repeat."""

    def __init__(self) -> None:
        self.counter = 0
        self.executed: list[tuple[str, float]] = []

    def hear(self, command: Command, now_s: float) -> str | None:
        """Execute or not; the status of the result, None for a repeat."""
        assert command.counter is not None
        if command.counter <= self.counter:
            return None
        self.counter = command.counter
        if at(now_s) >= command.expires_at:
            return "expired"
        self.executed.append((command.command_id, now_s))
        return "performed"


class History:
    """One gateway, one car, some people, and a line between them that loses and repeats."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.vehicle, self.car = NEW, ModelVehicle()
        self.sent: list[Command] = []
        self.told: dict[str, list[str]] = {}
        self.by_request: dict[tuple[str, str | None], set[str]] = {}
        self.is_online = True
        self.broker_is_back = self.random.choice((0, 0.01, 0.5))
        self.heard_results: dict[str, list[str]] = {}
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count()
        self._facts = count()

    # -- what happens ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let everything happen, then let time run until nothing is open."""
        for number in range(self.random.randint(1, 5)):
            self._plan_request(self.random.uniform(1, SECONDS - 650), f"r-{number}")
        mischief = (
            *(self._comes, self._comes, self._goes, self._drives, self._parks),
            *(self._restarts, self._is_broken_into, self._is_private),
        )
        for _ in range(self.random.randint(0, 8)):
            self._later(self.random.uniform(1, SECONDS), self.random.choice(mischief))
        now_s = 0.0
        while self._queue:
            now_s, _, happens = heapq.heappop(self._queue)
            self._wake(now_s)
            happens(now_s)
        self._wake(now_s + 2 * SECONDS)

    def _plan_request(self, at_s: float, request_id: str) -> None:
        name = self.random.choice(ACTIONS)
        user = self.random.choice(("anna", "bert"))
        issued_s = at_s - self.random.choice((0, 0, 1, 20, 100, -20, -40))
        repeats = self.random.choice((1, 1, 2, 3))
        for _ in range(repeats):
            self._later(at_s + self.random.expovariate(0.1), self._request(name, user, request_id, issued_s))
        if self.random.random() < 0.2:
            for person in ("Kim", "Lou"):
                self._later(at_s, lambda now_s, who=person: self._soc(now_s, who))  # type: ignore[misc]

    def _request(self, name: str, user: str, request_id: str, issued_s: float) -> Callable[[float], None]:
        def ask(now_s: float) -> None:
            challenge, right = f"{request_id}-{user}", self.random.random() < 0.8
            if name == "unlock":
                asked = Challenged(received_at=at(now_s), challenge=challenge, user=user, purpose="unlock")
                self._take(asked, now_s)
            known = Stated(reachable=self.random.random() < 0.9) if self.random.random() < 0.2 else PARKED
            fact = request(now_s, name, request_id, issued_s=issued_s, by=user, user=user, stated=known)
            if name == "unlock":
                fact = msgspec.structs.replace(fact, answered=True, challenge=challenge if right else None)
            self._take(fact, now_s)

        return ask

    def _soc(self, now_s: float, person: str) -> None:
        self._take(soc_request(now_s, person), now_s)

    def _comes(self, now_s: float) -> None:
        self.is_online = True
        self._take(online(now_s), now_s)

    def _goes(self, now_s: float) -> None:
        self.is_online = False
        self._take(offline(now_s), now_s)

    def _drives(self, now_s: float) -> None:
        self._take(ignition(on=True, occurred_s=now_s), now_s)
        self._take(moves(now_s), now_s)

    def _parks(self, now_s: float) -> None:
        self._take(stands(now_s), now_s)
        self._take(ignition(on=False, occurred_s=now_s), now_s)

    def _restarts(self, _now_s: float) -> None:
        self.vehicle = _decoder.decode(msgspec.json.encode(self.vehicle))

    def _is_broken_into(self, now_s: float) -> None:
        self._take(sensor(self._event_id(), now_s), now_s)

    def _is_private(self, now_s: float) -> None:
        fact = Mode(event_id=self._event_id(), private_mode=self.random.random() < 0.5, **times(now_s))
        self._take(fact, now_s)

    # -- the gateway ----------------------------------------------------------------------------------------

    def _take(self, fact: AnyFact, now_s: float) -> None:
        if self.random.random() < 0.05:
            # It died before the commit: nothing happened, and what was not acknowledged comes again.
            step(self.vehicle, fact, at(now_s), Thresholds())
            self._restarts(now_s)
        self.vehicle, effects = step(self.vehicle, fact, at(now_s), Thresholds())
        died = self.random.random() < 0.05  # after the commit: what should have left does not
        self._look_at(effects, now_s, published=not died)
        if died:
            self._restarts(now_s)

    def _look_at(self, effects: tuple[Effect, ...], now_s: float, *, published: bool) -> None:
        for one in effects:
            if isinstance(one, RequestAnswered) and one.command_id is not None:
                self.by_request.setdefault((one.user, one.request_id), set()).add(one.command_id)
            if not isinstance(one, CommandChanged):
                continue
            command = one.command
            self.by_request.setdefault((command.user, command.request_id), set()).add(command.command_id)
            self.told.setdefault(command.command_id, []).append(command.status)
            if one.send:
                assert at(now_s) < command.expires_at
                self.sent.append(command)
                if published:
                    self._travels(command, now_s)

    def _travels(self, command: Command, now_s: float) -> None:
        if not self.is_online or self.random.random() < 0.1:
            return
        for _ in range(self.random.choice((1, 1, 1, 2))):
            delay_s = self.random.choice((0.1, 1, 10, 70))
            self._later(now_s + delay_s, lambda when_s: self._arrives(command, when_s))

    def _arrives(self, command: Command, now_s: float) -> None:
        status = self.car.hear(command, now_s)
        if status is None or self.random.random() < 0.1:
            return
        if status == "performed" and self.random.random() < 0.2:
            status = "refused"
        event_id = self._event_id()
        self._later(
            now_s + self.random.choice((0.1, 5, 100)),
            lambda when_s: self._resulted(when_s, command.command_id, status, event_id),
        )

    def _resulted(self, now_s: float, command_id: str, status: str, event_id: str) -> None:
        self.heard_results.setdefault(command_id, []).append("failed" if status == "refused" else status)
        self._take(result(now_s, command_id, status, event_id), now_s)

    def _wake(self, until_s: float) -> None:
        for _ in range(2 * SECONDS):  # once a second while the broker is away
            wake_at = self.vehicle.wake_at
            if wake_at is None or wake_at > at(until_s) or not self.vehicle.remote.open:
                return
            tick = Tick(received_at=wake_at, reachable=self.random.random() < self.broker_is_back)
            self.vehicle, effects = step(self.vehicle, tick, wake_at, Thresholds())
            self._look_at(effects, (wake_at - at(0)).total_seconds(), published=True)

    def _later(self, at_s: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._numbers), happens))

    def _event_id(self) -> str:
        return f"e-{next(self._facts)}"

    # -- what must be true ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Every sentence of this file's first paragraph, and that what a person was told is a life."""
        times_sent = Counter(one.command_id for one in self.sent)
        assert all(number == 1 for number in times_sent.values())
        executed = Counter(command_id for command_id, _ in self.car.executed)
        assert all(number == 1 for number in executed.values())
        expires = {one.command_id: one.expires_at for one in self.sent}
        assert all(at(when_s) < expires[command_id] for command_id, when_s in self.car.executed)
        assert all(len(commands) == 1 for commands in self.by_request.values())
        counters = [one.counter for one in self.sent]
        assert all(one is not None and other is not None and one < other for one, other in pairwise(counters))
        assert all(one.expires_at <= one.issued_at + life_of(one.action) for one in self.sent)
        for command_id, statuses in self.told.items():
            self._check_life(command_id, statuses)
        remote = self.vehicle.remote
        assert not remote.open
        assert len(remote.done) <= MAX_HELD + SOC_RESERVE

    def _check_life(self, command_id: str, statuses: list[str]) -> None:
        assert statuses[0] == "accepted"
        assert all(pair in NEXT for pair in pairwise(statuses))
        results = self.heard_results.get(command_id)
        if results is not None:
            assert statuses[-1] == results[0]
        elif "sent" in statuses:
            assert statuses == ["accepted", "sent", "unknown"]
        else:
            assert statuses[1:] in (["expired"], ["failed"])


def _live(seed: int) -> History:
    history = History(seed)
    history.run()
    try:
        history.check()
    except AssertionError as error:
        error.add_note(f"seed {seed}: {history.told}, results {history.heard_results}")
        raise
    return history


def test_a_command_is_sent_once_executed_once_in_time_and_its_request_made_no_other() -> None:
    statuses: Counter[str] = Counter()
    for seed in range(HISTORIES):
        statuses.update(told[-1] for told in _live(seed).told.values())
    # The histories must reach every end, or they prove nothing.
    assert all(statuses[end] > HISTORIES / 100 for end in ("performed", "failed", "expired", "unknown"))


@pytest.mark.drill
def test_a_hundred_thousand_histories_of_commands() -> None:
    for seed in range(HISTORIES, HISTORIES + HISTORIES_OF_A_DRILL):
        _live(seed)
