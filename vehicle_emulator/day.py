"""
A fleet's days on virtual time: what its vehicles put on the air, in order, without clock or connection. Pure.

1. The same vehicles with the same acts planned give byte-identical messages; time passes from act to act, so
   a car at rest costs nothing until its next wake.
2. As on a real broker a vehicle that comes on the air says its birth, what waited, and then every signal: all
   in the order of its numbers. One that goes to rest says goodbye, and one that falls off the air is spoken
   for by its last will.
3. Off the air events are kept, in order, and telemetry is lost and counted. What nobody receipts is not said
   again: whoever plays losses keeps an ``Outbox`` for each vehicle.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.wire.topics import vehicle_topic
from vehicle_emulator import life, messages
from vehicle_emulator.fleet import build, vins
from vehicle_emulator.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vehicle_emulator.air import Told
    from vehicle_emulator.models import Model
    from vehicle_emulator.vehicle import Vehicle

DAY_MS: Final = 86_400_000
_WILL = Message(messages.CONNECTION, messages.WILL)


class Sent(NamedTuple):
    """One message on the air: when, of which vehicle, and what."""

    at_ms: int
    vin: str
    message: Message

    @property
    def topic(self) -> str:
        """Where it is published."""
        return vehicle_topic(self.vin, self.message.kind)

    @property
    def payload(self) -> bytes:
        """Its JSON."""
        return self.message.payload

    @property
    def is_retained(self) -> bool:
        """Whether the broker keeps it as the topic's last word."""
        return self.message.kind == messages.CONNECTION


class Day:
    """Vehicles on one virtual clock. Plan acts on them before, or in between and then ``wake`` them."""

    def __init__(self, vehicles: Iterable[Vehicle], *, boot: bool = True, start_ms: int = 0) -> None:
        """Boot each at the start, unless whoever made them has planned that."""
        self.vehicles: Final = tuple(vehicles)
        self.telemetry_lost = 0
        self._places = {vehicle.vin: place for place, vehicle in enumerate(self.vehicles)}
        self._is_up = [False] * len(self.vehicles)
        self._kept: list[list[Message]] = [[] for _ in self.vehicles]
        self._agenda: list[tuple[int, int]] = []
        for vehicle in self.vehicles:
            if boot:
                vehicle.plan(start_ms, life.begin)
            self.wake(vehicle.vin)

    def wake(self, vin: str) -> None:
        """Look at this vehicle's agenda again: something was planned, or it was told something."""
        place = self._places[vin]
        if (next_ms := self.vehicles[place].next_at_ms) is not None:
            heapq.heappush(self._agenda, (next_ms, place))

    def until(self, end_ms: int) -> Iterator[Sent]:
        """Everything that is said before this moment; go on by calling it again with a later one."""
        while self._agenda and self._agenda[0][0] < end_ms:
            at_ms, place = heapq.heappop(self._agenda)
            vehicle = self.vehicles[place]
            if vehicle.next_at_ms is None or vehicle.next_at_ms > at_ms:
                continue  # played already: it was on the agenda twice
            vehicle.wall_ms = at_ms
            told = vehicle.step(at_ms)
            if not self._is_up[place] and vehicle.is_on_air and not vehicle.is_resting:
                yield from self._come_up(place, at_ms, told)
            elif self._is_up[place]:
                for message, due_ms in told:
                    yield Sent(due_ms, vehicle.vin, message)
            else:
                self._keep(place, [message for message, _ in told])
            if self._is_up[place] and (vehicle.is_resting or not vehicle.is_on_air):
                yield self._go_down(place, at_ms)
            self.wake(vehicle.vin)

    def _come_up(self, place: int, at_ms: int, told: list[Told]) -> Iterator[Sent]:
        """Rule 2."""
        vehicle, kept = self.vehicles[place], self._kept[place]
        self._is_up[place], self._kept[place] = True, []
        said = (*vehicle.connected(at_ms), *kept, *(message for message, _ in told))
        for message in (*said, vehicle.everything(at_ms)):
            yield Sent(at_ms, vehicle.vin, message)

    def _go_down(self, place: int, at_ms: int) -> Sent:
        vehicle = self.vehicles[place]
        self._is_up[place] = False
        rests = vehicle.is_resting and vehicle.is_on_air
        return Sent(at_ms, vehicle.vin, vehicle.connection(at_ms, online=False) if rests else _WILL)

    def _keep(self, place: int, said: list[Message]) -> None:
        events = [message for message in said if message.event_id]
        self._kept[place] += events
        self.telemetry_lost += len(said) - len(events)


def cars(
    seed: int, count: int, models: tuple[Model, ...] = (), *, driving_share: float | None = None
) -> list[Vehicle]:
    """The first vehicles of a seed, parked at home and not booted; they drive when people do."""
    return [build(vin, seed, models, driving_share=driving_share) for vin in vins(seed, count)]


def sent(
    seed: int, count: int, start_ms: int, days: float = 1.0, models: tuple[Model, ...] = ()
) -> Iterator[Sent]:
    """All that the first ``count`` vehicles of a seed say in so many days."""
    return Day(cars(seed, count, models), start_ms=start_ms).until(start_ms + round(days * DAY_MS))
