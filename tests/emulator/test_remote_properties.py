"""Whatever happens, a command is carried out at most once, never late, and never against the rules."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import NamedTuple
from unittest import mock

import pytest

from tests.emulator.lives import START_MS, live, vehicle
from tests.emulator.test_commands import order, results, time
from vehicle_emulator import body, commands, messages, remote
from vehicle_emulator.commands import Effect
from vehicle_emulator.remote import Rule
from vehicle_emulator.rest import Habit
from vehicle_emulator.vehicle import Vehicle

LIFE_MS = (1_000, 30_000, 60_000, 600_000)
DELAYS_MS = (0, 0, 0, 5, 400, 700, 3_000, 61_000)
AHEAD_MS = (0, 0, 700, -1_500, 20_000, -29_000, -45_000, 90_000)


class Sent(NamedTuple):
    """One command of the gateway's."""

    number: int
    payload: bytes
    counter: int
    expires_ms: int


class Done(NamedTuple):
    """An effect as it happened, by the vehicle's clock."""

    number: int
    at_ms: int
    moving: bool


class History:
    """One random life: a network that loses, repeats and delays commands, and a car that restarts."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        template = vehicle(driving_share=0.0)
        habit = Habit(sleep_after_s=rng.choice((1, 900)))
        self.car = Vehicle(template.vin, seed, template.home, ahead_ms=rng.choice(AHEAD_MS), habit=habit)
        self.car.rest.park(START_MS)
        self.sent: list[Sent] = []
        self.first_heard: dict[int, int] = {}
        self.done: list[Done] = []
        self.told: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
        self.now_ms = START_MS
        self.remembers = rng.choice((2, 64))

    def live(self) -> None:
        """Play it; the effects are watched from outside."""
        count = self.rng.randint(1, 12)
        rules = {
            f"act-{number}": Rule(standing=self._often(), waits=self._often()) for number in range(count)
        }
        effects = {name: Effect(self._watch(name), self.rng.choice((0, 100, 800))) for name in rules}
        with (
            mock.patch.dict(remote.RULES, rules),
            mock.patch.dict(commands.EFFECTS, effects),
            mock.patch.object(remote, "MAX_ANSWERS", self.remembers),
        ):
            for at_ms, happens in sorted(self._happenings(count), key=lambda one: one[0]):
                self._pass_time(at_ms)
                self._happen(happens)
            self._pass_time(self.now_ms + 700_000)
        self.standing_only = {number for number in range(count) if rules[f"act-{number}"].standing}
        self.patient = {number for number in self.standing_only if rules[f"act-{number}"].waits}

    def check(self) -> None:
        """Rules that share no code with the machine."""
        numbers = [one.number for one in self.done]
        assert len(numbers) == len(set(numbers)), "carried out twice"
        highest = -1
        fresh = set()
        for number in self.first_heard:  # in the order of hearing
            if self.sent[number].counter > highest:
                highest = self.sent[number].counter
                fresh.add(number)
        for one in self.done:
            assert one.number in fresh, "a replay was carried out"
            assert one.at_ms <= self.sent[one.number].expires_ms, "carried out late"
            assert not (one.moving and one.number in self.standing_only), "carried out while moving"
        in_order = [number for number in self.first_heard if number in numbers and number not in self.patient]
        assert [number for number in numbers if number not in self.patient] == in_order
        for number in self.first_heard:
            self._check_answers(number, was_done=number in numbers)

    def _check_answers(self, number: int, *, was_done: bool) -> None:
        answers = self.told[f"c-{number}"]
        assert answers, "never answered"
        # What was forgotten is known as a replay by its counter; nothing else may be said beside the truth.
        forgotten = {("refused", "replay")} if self.remembers < len(self.sent) else set()
        assert set(answers[1:]) <= {answers[0], *forgotten}
        assert (answers[0][0] == "performed") == was_done

    def _often(self) -> bool:
        return self.rng.random() < 0.4

    def _watch(self, name: str) -> mock.Mock:
        number = int(name[4:])

        def take(car: Vehicle, at_ms: int) -> None:
            now_ms = max(at_ms, car.wall_ms) + car.body.ahead_ms
            self.done.append(Done(number, now_ms, car.body.is_moving))

        return mock.Mock(side_effect=take)

    def _happenings(self, count: int) -> list[tuple[int, int | str]]:
        """Deliveries by number, and what happens to the car, each with its moment."""
        rng, at_ms = self.rng, START_MS
        deliveries: list[tuple[int, int]] = []
        counter = rng.choice((0, 1, START_MS // 1_000))
        for number in range(count):
            at_ms += rng.choice((0, 1, 300, 5_000, 20_000))
            counter += rng.choice((1, 1, 1, 1, 7, 0, -1))
            expires_ms = at_ms + rng.choice(LIFE_MS)
            fields = {"issued_at": time(at_ms), "expires_at": time(expires_ms), "command_id": f"c-{number}"}
            counter = max(0, counter)
            payload = order(f"act-{number}", counter, **fields)
            self.sent.append(Sent(number, payload, counter, expires_ms))
            copies = rng.choice((0, 1, 1, 1, 2, 3))
            deliveries += [(at_ms + rng.choice(DELAYS_MS), number) for _ in range(copies)]
        extra = rng.choice(((), ("restart",), ("restart", "drive", "stand"), ("late", "restart", "drive")))
        troubles = [(rng.randint(START_MS, at_ms + 3_000), what) for what in extra]
        # So that the middle of something is hit, restart right behind some deliveries.
        hit = [when for when, _ in deliveries if rng.random() < 0.1]
        troubles += [(when + rng.randint(1, 1_200), "restart") for when in hit]
        return [*deliveries, *troubles]

    def _happen(self, what: int | str) -> None:
        if isinstance(what, int):
            self.first_heard.setdefault(what, self.now_ms)
            assert commands.hear(self.car, messages.COMMAND, self.sent[what].payload, self.now_ms)
        elif what == "restart":
            self.car.power_up(self.now_ms)
        elif what == "late":
            self.car.wall_ms = self.now_ms + self.rng.choice((500, 30_000))
        else:
            self.car.body.set(body.SPEED, 50.0 if what == "drive" else 0.0)

    def _pass_time(self, until_ms: int) -> None:
        for command_id, status, reason in results(live(self.car, until_ms)):
            self.told[command_id].append((status, reason))
        self.now_ms = max(self.now_ms, until_ms)


def lived(seed: int) -> History:
    history = History(seed)
    history.live()
    history.check()
    return history


def run(seeds: range) -> tuple[int, int, int]:
    """Commands sent, carried out, and answered otherwise, over consecutive seeds."""
    sent = done = otherwise = 0
    for seed in seeds:
        history = lived(seed)
        sent, done = sent + len(history.sent), done + len(history.done)
        otherwise += len(history.first_heard) - len(history.done)
    return sent, done, otherwise


def test_a_command_is_carried_out_at_most_once_and_never_late() -> None:
    sent, done, otherwise = run(range(2_000))
    assert sent > 10_000
    assert min(done, otherwise) > 2_000  # neither side of the rules is idle


@pytest.mark.drill
def test_the_same_over_a_hundred_thousand_histories() -> None:
    sent, done, otherwise = run(range(1_000_000, 1_100_000))
    print(f"{sent} commands in 100,000 histories: {done} carried out, {otherwise} not")  # noqa: T201
    assert min(done, otherwise) > 100_000
