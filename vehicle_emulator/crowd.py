"""People on the air: their apps' connections, and the schedule by which they want something."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from vehicle_emulator import codec, habits, owner
from vehicle_emulator.dice import Dice
from vehicle_emulator.figures import percentiles
from vehicle_emulator.person import Person
from vehicle_emulator.report import Commands, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vehicle_emulator.link import Carrier
    from vehicle_emulator.owner import Challenge, Owner
    from vehicle_emulator.person import Ask
    from vehicle_emulator.unit import Clock

KEEPALIVE_S: Final = 60
# The cars have booted and said that remote access is enabled, before anybody wants something of them.
FIRST_WISH_MS: Final = 2_000.0
# Nobody begins what the run would cut short: a car may take so long to wake.
LAST_WISH_MS: Final = 20_000.0
_PING_EVERY_MS = KEEPALIVE_S * 1_000 / 3


class Phone:
    """One person's app with its connection."""

    def __init__(self, person: Person, station: Carrier, crowd: Crowd) -> None:
        """Stay off the air until ``link.open``."""
        self.person, self._crowd = person, crowd
        self.link = station.link(self)

    def send(self, ask: Ask) -> None:
        """Publish what is to be asked; if it is lost, it goes out again as overdue."""
        person = self.person
        topic = f"v1/users/{person.user}/vehicles/{person.vin}/remote-access/request"
        if not self.link.publish_surely(topic, ask.message):
            self._crowd.counts["unsent"] += 1

    def greeting(self) -> codec.Greeting:
        """A user has no will."""
        user = self.person.user
        return codec.Greeting(f"{user}-app", user, self.person.owner.password, "", b"", KEEPALIVE_S)

    def topics(self) -> tuple[str, ...]:
        """Answers and notifications."""
        user = self.person.user
        return f"v1/users/{user}/vehicles/+/remote-access/response", f"v1/users/{user}/notifications"

    def link_up(self) -> None:
        """Nothing to do: what was lost goes out again as overdue."""

    def link_down(self) -> None:
        """Nothing to do."""

    def link_room(self) -> None:
        """Nothing to do."""

    def link_message(self, topic: str, payload: bytes) -> None:
        """An answer or a notification."""
        if topic.endswith("/notifications"):
            self.person.notice(payload)
        else:
            self._crowd.answered(self, payload)


class Crowd:
    """All people of a run: they want things at random moments, each of the own car."""

    def __init__(
        self,
        people: Sequence[tuple[str, Owner]],
        station: Carrier,
        clock: Clock,
        *,
        seed: int,
        rate_per_s: float,
    ) -> None:
        """``people`` are vehicle and main user; ``rate_per_s`` over all of them, 0: as often as people do."""
        self._station, self._clock, self._rate_per_s = station, clock, rate_per_s
        self.phones = [Phone(Person(vin, known), station, self) for vin, known in people]
        self._dice = Dice(seed, "wishes")
        self._run = f"{int(clock.now_ms()) // 1_000:x}"
        self._wishes: habits.Wishes | None = None
        self._last_ms = self._next_ping_ms = 0.0
        self._proofs: set[asyncio.Future[str]] = set()
        self.counts: Counter[str] = Counter()
        self._answered_ms: array[float] = array("d")
        self._performed_ms: array[float] = array("d")

    @property
    def is_up(self) -> bool:
        """Whether everybody is connected."""
        return all(phone.link.is_up for phone in self.phones)

    @property
    def is_gone(self) -> bool:
        """Whether everybody has left."""
        return all(phone.link.is_gone for phone in self.phones)

    @property
    def next_at_ms(self) -> float:
        """When somebody wants something."""
        return self._wishes.next_at_ms if self._wishes else math.inf

    def open(self) -> None:
        """Connect."""
        for phone in self.phones:
            phone.link.open()

    def close(self) -> None:
        """Leave."""
        for phone in self.phones:
            phone.link.close()

    def begin(self, start_ms: float, end_ms: float) -> None:
        """Want things from a moment after ``start_ms`` until some time before ``end_ms``."""
        quiet_ms = min(LAST_WISH_MS, (end_ms - start_ms) / 4)
        self._last_ms = end_ms - quiet_ms
        first_ms = start_ms + FIRST_WISH_MS
        self._wishes = habits.Wishes(len(self.phones), self._rate_per_s, first_ms, self._dice)

    def play(self, now_ms: float) -> None:
        """Ask for everything that is wanted by now."""
        if self._wishes is None:
            return
        for at_ms in self._wishes.take(now_ms):
            if at_ms > self._last_ms:
                self._wishes = None
                return
            self._want(at_ms)

    def sweep(self, now_ms: float) -> None:
        """Ask again what was not answered; keep connections alive."""
        for phone in self.phones:
            for ask in phone.person.overdue(now_ms):
                self.counts["asked_again"] += 1
                phone.send(ask)
        if now_ms >= self._next_ping_ms:
            self._next_ping_ms = now_ms + _PING_EVERY_MS
            for phone in self.phones:
                phone.link.keep_alive()

    def answered(self, phone: Phone, payload: bytes) -> None:
        """Take an answer in: enter the code if it is a challenge, take the time if it is done."""
        news = phone.person.hear(payload)
        if news is None:
            return
        took_ms = self._clock.now_ms() - news.ask.wanted_ms
        if news.challenge is not None:
            self._enter_code(phone, news.ask, news.challenge)
        if news.first:
            self._answered_ms.append(took_ms)
        if news.performed:
            self._performed_ms.append(took_ms)

    def report(self) -> Commands:
        """What became of everything."""
        found = sum(
            (phone.person.outcomes() for phone in self.phones), Counter[tuple[str, str, str | None]]()
        )
        told = sum((phone.person.counts for phone in self.phones), Counter[str]())
        rows = sorted(found.items(), key=lambda row: (row[0][0], row[0][1], row[0][2] or ""))
        return Commands(
            users=len(self.phones), asked=found.total(), asked_again=self.counts["asked_again"],
            outcomes=tuple(Outcome(*what, count) for what, count in rows),
            answered_ms=percentiles(self._answered_ms), performed_ms=percentiles(self._performed_ms),
            contradicted=told["contradicted"], stray=told["stray"], unreadable=told["unreadable"],
            notices={name[7:]: count for name, count in sorted(told.items()) if name.startswith("notice ")},
            connections=dict(self._station.counts),
        )  # fmt: skip

    def _want(self, at_ms: float) -> None:
        phone = self._dice.pick(self.phones)
        self.counts["asked"] += 1
        request_id = f"{self._run}-{self.counts['asked']}"
        phone.send(phone.person.want(request_id, habits.pick(self._dice), at_ms))

    def _enter_code(self, phone: Phone, ask: Ask, challenge: Challenge) -> None:
        """The code is stretched in a thread, so that no car waits for it."""
        person = phone.person
        code = person.owner.security_code or ""
        work = partial(owner.respond, challenge, code, person.user, person.vin, ask.action)
        proof = asyncio.get_running_loop().run_in_executor(None, work)
        self._proofs.add(proof)
        proof.add_done_callback(partial(self._entered, phone, ask))

    def _entered(self, phone: Phone, ask: Ask, proof: asyncio.Future[str]) -> None:
        self._proofs.discard(proof)
        if not proof.cancelled():
            phone.person.prove(ask, proof.result(), self._clock.now_ms())
            phone.send(ask)
