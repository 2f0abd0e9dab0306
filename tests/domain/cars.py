"""A car in a test: its facts as one-liners, its state, and everything that deciding asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.effects import Announce, Effect, Notify, Verdict
from gateway.domain.facts import AnyFact
from gateway.domain.notices import NOTICES
from gateway.domain.signals import (
    DriverCard,
    Ignition,
    Movement,
    Registered,
    Registration,
    TheftSensor,
    Tick,
)
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle

VIN = "TESTZZZ99ZTS39212"
NEVER_TOLD = {"latitude", "longitude", "position", "place", "cause", "alarm_id", "case_id", "card_id"}
"""No notification's data tells where a car is, or of a silent alarm."""
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Seconds of the test as a time."""
    return START + timedelta(seconds=seconds)


def times(occurred_s: float | None, received_s: float | None = None) -> dict[str, Any]:
    """Both clocks of a fact; arrival at once unless said otherwise."""
    received = occurred_s if received_s is None else received_s
    assert received is not None
    return {"occurred_at": None if occurred_s is None else at(occurred_s), "received_at": at(received)}


def sensor(
    event_id: str,
    occurred_s: float | None,
    received_s: float | None = None,
    cause: str = "intrusion",
    state: str = "triggered",
    **more: Any,
) -> TheftSensor:
    return TheftSensor(event_id=event_id, cause=cause, state=state, **times(occurred_s, received_s), **more)  # type: ignore[arg-type]


def siren(
    event_id: str, occurred_s: float | None, received_s: float | None = None, **more: Any
) -> TheftSensor:
    return sensor(event_id, occurred_s, received_s, "car_alarm", **more)


def quiet(
    event_id: str, occurred_s: float | None, received_s: float | None = None, **more: Any
) -> TheftSensor:
    return sensor(event_id, occurred_s, received_s, "car_alarm", "restored", **more)


def card(
    event_id: str,
    present: bool,
    occurred_s: float | None,
    received_s: float | None = None,
    card_id: str = "DC-1",
    **more: Any,
) -> DriverCard:
    return DriverCard(
        event_id=event_id, present=present, card_id=card_id, **times(occurred_s, received_s), **more
    )


def moves(occurred_s: float | None, received_s: float | None = None, **more: Any) -> Movement:
    return Movement(moving=True, **times(occurred_s, received_s), **more)


def stands(occurred_s: float | None, received_s: float | None = None) -> Movement:
    return Movement(moving=False, **times(occurred_s, received_s))


def ignition(on: bool, occurred_s: float | None, received_s: float | None = None) -> Ignition:
    return Ignition(on=on, **times(occurred_s, received_s))


def registered(seconds: float, *cards: str, **more: Any) -> Registered:
    return Registered(received_at=at(seconds), registration=Registration(vin=VIN, driver_cards=cards, **more))


def is_at_rest(before: Vehicle, after: Vehicle) -> bool:
    """Whether a wake changed nothing: what is deaf only puts its wakes off."""
    return replace(before, version=0, wake_at=None) == replace(after, version=0, wake_at=None)


class Car:
    """Folds facts and keeps what came of them. Unless its gateway ``hears``, no silence counts."""

    def __init__(self, thresholds: Thresholds | None = None, vin: str = VIN, *, hears: bool = False) -> None:
        self.hears = hears
        self.vehicle = Vehicle(vin=vin)
        self.now = START
        self.effects: list[Effect] = []
        self._thresholds = thresholds or Thresholds()

    def take(self, fact: AnyFact, now: datetime | None = None) -> tuple[Effect, ...]:
        """Decide one fact on its arrival, or at ``now``."""
        self.now = now or max(self.now, fact.received_at)
        self.vehicle, effects = step(self.vehicle, fact, self.now, self._thresholds)
        assert self.vehicle.wake_at is None or self.vehicle.wake_at > self.now
        self.effects += effects
        for one in effects:
            if isinstance(one, Notify):
                assert one.code in NOTICES[one.kind]
                assert not one.data.keys() & NEVER_TOLD
        return effects

    def live(self, facts: Iterable[AnyFact], until_s: float | None = None) -> Car:
        """Decide facts as they arrive, with every timer on time, up to ``until_s`` or until none is left."""
        for fact in facts:
            self.wait(fact.received_at)
            self.take(fact)
        self.wait(None if until_s is None else at(until_s))
        return self

    def wait(self, until: datetime | None) -> None:
        """Let time run."""
        for _ in range(10_000):
            wake_at, before = self.vehicle.wake_at, self.vehicle
            if wake_at is None or (until is not None and wake_at >= until):
                return
            hearing_since = START if self.hears else None
            self.take(Tick(received_at=wake_at, hearing_since=hearing_since))
            if until is None and is_at_rest(before, self.vehicle):
                return
        message = "the car never comes to rest"
        raise AssertionError(message)

    @property
    def rests(self) -> bool:
        """Whether nothing wakes it but its own silence."""
        wake_at = self.vehicle.wake_at
        return wake_at is None or wake_at >= self.now + timedelta(seconds=45)

    @property
    def announced(self) -> list[Announce]:
        return [effect for effect in self.effects if isinstance(effect, Announce)]

    @property
    def messages(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Type, cause and triggers of every message."""
        return [(one.type, one.alarm.cause, one.event_ids) for one in self.announced]

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        return [(one.event_id, one.verdict) for one in self.effects if isinstance(one, Verdict)]

    @property
    def raised(self) -> list[str]:
        """Causes in the order of their alarms."""
        return [one.alarm.cause for one in self.announced if one.type == "alarm.raised"]

    @property
    def told(self) -> list[str]:
        """Triggers in the order of their messages."""
        return [event_id for one in self.announced for event_id in one.event_ids]

    def raised_after_s(self, cause: str) -> float:
        """When the first alarm of a cause was raised."""
        first = next(one for one in self.announced if one.alarm.cause == cause)
        return (first.alarm.raised_at - START).total_seconds()

    def alarm(self, cause: str) -> Alarm:
        return self.vehicle.alarms[cause]
