"""
Replay: recorded facts or messages through the rules at full speed, with no broker, no store and no clock.

Rules of this file:

1. Time is the recording's. Timers come due between two records, as they would have.
2. Silence counts where the recording can tell it: facts carry the gateway's own ticks, raw messages are
   all that there was to hear.
3. What a person did to an alarm is done to the alarm of the same cause; another rule may have given it
   another number, or none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.effects import Announce
from gateway.domain.facts import AnyFact
from gateway.domain.signals import Acknowledge, Close, Event, ForgedRepeat, TheftSensor, Tick, Unreadable
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.timers import plain_tick
from gateway.ports import Inbound
from gateway.wire import theft_sensor

MAX_EVENTS = 1_000_000
RAISES = ("alarm.raised", "alarm.suppressed")
BY_ALARM = (Acknowledge, Close)
"""Acts that name an alarm."""
JUST_AFTER = timedelta(microseconds=1)


class Record(Struct, frozen=True, gc=False):
    """One fact as it was decided; ``cause`` names the alarm that a person's act was for."""

    vin: Annotated[str, Meta(min_length=1)]
    at: datetime
    fact: AnyFact
    cause: str | None = None


class _Life(Struct):
    """One vehicle of a run, and the time at which it stands in the heap."""

    vehicle: Vehicle
    entered: datetime | None = None


class Replay:
    """One configuration's run over a recording."""

    def __init__(self, thresholds: Thresholds, messages: Messages | None = None) -> None:
        """``messages``: where the records come from, if they come from messages."""
        self.facts = 0
        self._lives: dict[str, _Life] = {}
        self._thresholds = thresholds
        self._messages = messages
        self._heap: list[tuple[datetime, str]] = []

    def take(self, record: Record) -> list[Alarm]:
        """Fold one record, and before it the timers that were due; returns what is raised."""
        raised: list[Alarm] = []
        heap, at, fact = self._heap, record.at, record.fact
        while heap and heap[0][0] < at:
            self._wake(raised)
        if isinstance(fact, BY_ALARM):
            own = self._own(record, fact)
            if own is None:
                return raised
            fact = own
        self.facts += 1
        self._step(record.vin, fact, at, raised)
        return raised

    def wait(self, until: datetime) -> list[Alarm]:
        """Let the timers run that were due before a time; returns what is raised."""
        raised: list[Alarm] = []
        while self._heap and self._heap[0][0] < until:
            self._wake(raised)
        return raised

    def finish(self, until: datetime) -> list[Alarm]:
        """Let the time after the last record run; returns what is raised."""
        raised: list[Alarm] = []
        while self._heap and self._heap[0][0] <= until:
            self._wake(raised)
        return raised

    def _own(self, record: Record, fact: Acknowledge | Close) -> Acknowledge | Close | None:
        life = self._lives.get(record.vin)
        alarm = life.vehicle.alarms.get(record.cause or "") if life is not None else None
        return fact if alarm is None else replace(fact, alarm_id=alarm.alarm_id)

    def _wake(self, raised: list[Alarm]) -> None:
        """Take the earliest entry: it is put off, or it wakes its vehicle."""
        at, vin = self._heap[0]
        life = self._lives[vin]
        if life.entered != at:
            heapq.heappop(self._heap)  # it was entered again, earlier
            return
        wanted = life.entered = life.vehicle.wake_at
        if wanted is not None and wanted > at:
            heapq.heapreplace(self._heap, (wanted, vin))
            return
        heapq.heappop(self._heap)
        if wanted is not None:
            life.entered = None
            self._tick(vin, at + JUST_AFTER, raised)

    def _tick(self, vin: str, now: datetime, raised: list[Alarm]) -> None:
        """Wake a vehicle as the gateway does: first it is told what telemetry has not stated yet."""
        if self._messages is None:
            self._step(vin, plain_tick(vin, now), now, raised)
            return
        for record in self._messages.before(vin, now):
            self._step(record.vin, record.fact, record.at, raised)
        self._step(vin, self._messages.tick(vin, now), now, raised)

    def _step(self, vin: str, fact: AnyFact, at: datetime, raised: list[Alarm]) -> None:
        life = self._lives.get(vin)
        if life is None:
            life = self._lives[vin] = _Life(Vehicle(vin=vin))
        vehicle, effects = step(life.vehicle, fact, max(at, fact.received_at), self._thresholds)
        life.vehicle, wake_at = vehicle, vehicle.wake_at
        if self._messages is not None:
            self._messages.watch(vin, vehicle.is_watched)
        if wake_at is not None and (life.entered is None or wake_at < life.entered):
            life.entered = wake_at
            heapq.heappush(self._heap, (wake_at, vin))
        if effects:
            told = (one for one in effects if isinstance(one, Announce) and one.type in RAISES)
            raised.extend(one.alarm for one in told)


class Messages:
    """Turns raw messages into records, by the decoders and the reducer that the gateway runs."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._intake = TelemetryIntake(self._inbox, Tally())
        self._ingest = Ingest(self._inbox, self._intake, Tally())
        self._seen: dict[tuple[str, str], set[bytes]] = {}
        self._began: datetime | None = None

    def take(self, message: Inbound) -> Iterator[Record]:
        """The facts that one message states."""
        self._began = self._began or message.received_at
        if self._ingest.glance(message.topic, message.payload, message.received_at):
            return
        self._ingest.take([message])
        yield from self._records()

    def deaf_until(self, at: datetime) -> None:
        """Nothing was heard before; no silence of that time counts."""
        self._began = at

    def before(self, vin: str, now: datetime) -> Iterator[Record]:
        """What is newer than the fold knows."""
        self._intake.hand_over(vin, now)
        yield from self._records()

    def watch(self, vin: str, watched: bool) -> None:  # noqa: FBT001  # as the intake's own
        """Whether each position of a vehicle matters to the fold."""
        self._intake.watch(vin, watched)

    def _records(self) -> Iterator[Record]:
        for item in self._inbox.take(len(self._inbox)):
            fact = self._fact(item)
            if fact is not None:
                yield Record(item.subject, item.received_at, fact)

    def tick(self, vin: str, now: datetime) -> Tick:
        """Everything that was sent stands in the recording: what is not there was not said."""
        return Tick(received_at=now, hearing_since=self._began, heard_at=self._intake.heard_at(vin))

    def _fact(self, item: Item) -> AnyFact | None:
        wrong = item.unwanted
        if wrong is not None:
            if item.kind != theft_sensor.KIND or not item.subject:
                return None
            return Unreadable(
                received_at=item.received_at,
                sha256=wrong.sha256,
                reason=wrong.reason,
                event_id=wrong.event_id,
            )
        return self._once(item, item.fact) if isinstance(item.fact, Event) else item.fact

    def _once(self, item: Item, event: Event) -> AnyFact | None:
        """A repeat has no effect; other content under the same key is forged."""
        key, digest = (item.subject, event.event_id), item.digest or b""
        seen = self._seen.setdefault(key, set())
        if digest in seen:
            return None
        forged = bool(seen)
        seen.add(digest)
        if len(self._seen) > MAX_EVENTS:
            del self._seen[next(iter(self._seen))]
        if not forged:
            return item.fact
        return ForgedRepeat(
            received_at=event.received_at,
            occurred_at=event.occurred_at,
            event_id=event.event_id,
            kind=item.kind,
            sensor=event if isinstance(event, TheftSensor) else None,
        )


class Difference(Struct, frozen=True):
    """An alarm that only one of two configurations raises."""

    added: bool
    alarm: Alarm


def differences(first: Iterable[Alarm], second: Iterable[Alarm]) -> list[Difference]:
    """Alarms by vehicle, cause and what they began with, in the order of their time."""
    one = {_identity(alarm): alarm for alarm in first}
    other = {_identity(alarm): alarm for alarm in second}
    found = [Difference(added=False, alarm=one[key]) for key in one.keys() - other.keys()]
    found += [Difference(added=True, alarm=other[key]) for key in other.keys() - one.keys()]
    return sorted(found, key=lambda each: (each.alarm.raised_at, each.alarm.vin or "", each.alarm.cause))


def _identity(alarm: Alarm) -> tuple[str | None, str, datetime]:
    return alarm.vin, alarm.cause, alarm.occurred_at
