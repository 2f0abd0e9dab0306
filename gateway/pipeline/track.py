"""
What telemetry last said of one vehicle, and what of it the fold was told.

Most messages say nothing that the fold has to hear: a car drives on as it did a moment ago. ``passes`` finds
that out without a fact, a copy or a loop, and keeps the message as it came; ``settle`` takes it over when
somebody asks. Whatever is not surely of that kind goes the long way.

A Track takes some thousand bytes: those that are not at hand are records (``packed``).
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain.signals import DriverCard, Fact, Movement, Position
from gateway.ports import SignalValue
from gateway.wire.steady import SHAPES, Decode, Steady
from gateway.wire.telemetry import (
    ACCURACY,
    IGNITION,
    IGNITION_OFF,
    IS_MOVING,
    LATITUDE,
    LONGITUDE,
    ODOMETER,
    SIGNALS,
    SPEED,
    Plain,
    Telemetry,
)

MOVING_ABOVE_KM_H = 3
RENEW_MOVEMENT_AFTER = timedelta(seconds=40)
"""Within the 60 s for which the fold believes it, and before a silent car is looked at (45 s)."""
RENEW_WATCHED_AFTER = timedelta(seconds=1)
TRACK_EVERY = timedelta(seconds=5)
WATCH_FOR = timedelta(seconds=60)
PLACES_AT_MOST = 12
PLACES_WITHIN = timedelta(seconds=60)
WAS_SILENT = timedelta(minutes=30)
ONE_BOOT = 1_000
"""Numbers that are further apart are counts of two boots."""
MAX_OTHER_SIGNALS = 200
NEVER = datetime.min.replace(tzinfo=UTC)


class Track:
    """One vehicle's."""

    __slots__ = (
        "_passed",
        "_silent_from",
        "calm_until",
        "confirmed",
        "decode",
        "heard_at",
        "ignition",
        "missed",
        "newest_at",
        "newest_movement",
        "newest_told",
        "number",
        "number_at",
        "others",
        "places",
        "position",
        "position_at",
        "position_told",
        "set_back",
        "told_at",
        "told_driven",
        "told_moving",
        "told_position",
        "told_position_at",
        "values",
        "watch_until",
    )

    def __init__(self) -> None:
        self.values: dict[str, SignalValue] = {}
        """Last known ones by name."""
        self.others = 0
        """How many of them have no meaning."""
        self.calm_until = NEVER
        """Until then a car that drives, or stands with its ignition on, says nothing new by saying so."""
        self._silent_from = NEVER
        """What arrives later ends a silence."""
        self._passed: Plain | Steady | None = None
        """The newest message that passed; its arrival and time are ``heard_at`` and ``newest_at``."""
        self.decode: Decode | None = None
        """Of messages with the names of the one that passed before; None while they differ."""
        self.heard_at: datetime | None = None
        """Arrival of the newest message."""
        self.newest_at = NEVER
        """Time of the newest message."""
        self.number: int | None = None
        self.number_at = NEVER
        """Number and time of the newest message that has one."""
        self.set_back = False
        """Its clock is behind what it said before: numbers have grown and times have not."""
        self.missed = True
        """What was said of the ignition may have been lost since it was last heard of."""
        self.ignition: bool | None = None
        """As it was told."""
        self.newest_movement: Movement | None = None
        self.newest_told = False
        """The fold knows it."""
        self.told_moving: bool | None = None
        self.told_at: datetime | None = None
        """What was told of movement last."""
        self.watch_until: datetime | None = None
        """A card has just gone: until then each statement of movement may prove something."""
        self.position: Position | None = None
        self.position_at: datetime | None = None
        self.position_told = True
        """There is none that the fold does not know."""
        self.told_position: Position | None = None
        self.told_position_at: datetime | None = None
        """Time of the newest position that went out with anything: a track needs no second one."""
        self.told_driven = False
        """It was told as that of a car that is driven: where it is left is told again."""
        self.confirmed = 0
        """How often the place that was told last has been told."""
        self.places: deque[datetime] = deque(maxlen=PLACES_AT_MOST)

    # -- the short way ---------------------------------------------------------------------------------------

    def passes(self, message: Plain, received_at: datetime) -> bool:
        """Whether a message says nothing that the fold has to hear; then it is kept, and that is all."""
        signals = message.signals
        if isinstance(self._passed, Plain) and self._passed.signals.keys() == signals.keys():
            self.decode = SHAPES.of(signals)
        else:
            self.settle()
        if signals.get(IGNITION) in IGNITION_OFF:
            return False
        return self.goes_on(message, signals.get(SPEED), signals.get(IS_MOVING), received_at)

    def goes_on(
        self,
        message: Plain | Steady,
        speed: float | None,
        moving: bool | None,  # noqa: FBT001  # a keyword would cost more
        received_at: datetime,
    ) -> bool:
        """The same, of one with the names of the one that passed before, and in which no ignition is off."""
        at, seq = message.occurred_at, message.seq
        if at.tzinfo is not UTC:
            return False
        if at > received_at:  # noqa: PLR1730  # as Fact.at; a call would cost more
            at = received_at
        if not self.newest_at <= at < self.calm_until or received_at >= self._silent_from:
            return False
        if (None if seq is None else seq - 1) != self.number:
            return False
        if speed is not None and not moving:
            moving = not -MOVING_ABOVE_KM_H <= speed <= MOVING_ABOVE_KM_H
        if moving is not None and moving is not self.told_moving:
            return False
        self._passed, self.newest_at, self.heard_at, self.number = message, at, received_at, seq
        return True

    def calm_down(self) -> None:
        """From here on messages may pass by a glance; to be called when one was taken the long way."""
        self.calm_until = NEVER
        if self.told_moving is None or self.told_at is None or not self.ignition or self.heard_at is None:
            return
        if self.missed or self.set_back:  # the next message may say that it is over
            return
        if self.watch_until is not None and self.watch_until >= self.newest_at:
            return
        self.calm(self.told_at + RENEW_MOVEMENT_AFTER if self.told_moving else self.heard_at + WAS_SILENT)

    def calm(self, until: datetime) -> None:
        """Messages may pass until then, or until a silence."""
        if self.heard_at is not None:
            self.calm_until, self._silent_from = until, self.heard_at + WAS_SILENT

    def settle(self) -> None:
        """Take over what the newest message that passed said."""
        message, at, received_at = self._passed, self.newest_at, self.heard_at
        if message is None or received_at is None:
            return
        self._passed = None
        signals = message.signals if isinstance(message, Plain) else message.signals.by_name()
        if message.seq is not None:
            self.number_at = at
        self.remember(signals, at)
        if LATITUDE in signals and LONGITUDE in signals:
            self.locate(signals, at)
        self.moved(Telemetry(message.occurred_at, received_at, signals, message.seq))

    # -- the long way ----------------------------------------------------------------------------------------

    def ordered(self, message: Telemetry) -> tuple[Telemetry, datetime]:
        """
        The message and its time, without the vehicle's if its number says that the clock was set back.

        Numbers grow within one boot; a time that goes back meanwhile would make all that follows look old.
        """
        at, seq = _at(message), message.seq
        if seq is None:
            return message, at
        if self.number is not None:
            set_back = 0 < seq - self.number <= ONE_BOOT and at < self.number_at
            self.missed = self.missed or seq > self.number + 1
            self.set_back = set_back
            if set_back:
                message, at = replace(message, occurred_at=None), message.received_at
            elif at < self.number_at:
                return message, at
        self.number, self.number_at = seq, at
        return message, at

    def dated(self, fact: DriverCard) -> DriverCard:
        """
        The fact as of its arrival, if the vehicle's clock was set back and is still behind.

        Else a card that goes now would have gone, by that clock, while the car was driven. Telemetry that
        follows comes after it, so that no ignition is told as having been on before its card was seen.
        """
        if not self.set_back or fact.clock_suspect or fact.at >= self.number_at:
            return fact
        self.number_at = fact.received_at
        return replace(fact, occurred_at=None)

    def remember(self, signals: dict[str, Any], at: datetime) -> None:
        """Keep values; older never overwrites newer."""
        values = self.values
        for name, value in signals.items():
            known = values.get(name)
            if known is None:
                if name not in SIGNALS:
                    if self.others >= MAX_OTHER_SIGNALS:
                        continue
                    self.others += 1
            elif known.at > at:
                continue
            values[name] = SignalValue(value, at)

    def locate(self, signals: dict[str, Any], at: datetime) -> None:
        """Keep a position; older never overwrites newer."""
        if self.position_at is not None and self.position_at > at:
            return
        self.position = Position(signals[LATITUDE], signals[LONGITUDE], signals.get(ACCURACY))
        self.position_at, self.position_told = at, False

    def moved(self, message: Telemetry) -> Movement | None:
        """Keep what a message says of movement, if anything, as the fact that it would be."""
        signals = message.signals
        speed, odometer_m = signals.get(SPEED), signals.get(ODOMETER)
        if speed is None and IS_MOVING not in signals:
            return None
        fact = Movement(
            received_at=message.received_at,
            occurred_at=message.occurred_at,
            moving=moves(signals),
            speed_km_h=speed,
            # A position that was stated before must not get a new time: it may be miles away by now.
            position=self.position if self.position_at == _at(message) else None,
            odometer_m=None if odometer_m is None else float(odometer_m),
            after_gap=self.missed,
        )
        if self.newest_movement is None or self.newest_movement.at <= fact.at:
            self.newest_movement, self.newest_told = fact, False
        return fact

    def told(self, fact: Movement) -> None:
        """The fold has it."""
        self.told_moving, self.told_at = fact.moving, fact.at
        self.newest_told = fact is self.newest_movement

    @property
    def is_driven(self) -> bool:
        """Whether the newest position is one of a drive; the parking spot and its surroundings are none."""
        if self.ignition is not None:
            return self.ignition
        return self.newest_movement is not None and self.newest_movement.moving

    def may_be_parked(self, message: Telemetry) -> bool:
        """Whether a place is worth stating; who drives leaves no trail, though the ignition be unknown."""
        if self.ignition is not None:
            return not self.ignition
        return not moves(message.signals) and not self.is_driven

    def is_due(self, fact: Movement, *, watched: bool) -> bool:
        """Whether a statement of movement is news, or the one that was told wears out."""
        if self.told_at is None or self.told_moving != fact.moving:
            return True
        every = TRACK_EVERY if watched else RENEW_MOVEMENT_AFTER
        if self.watch_until is not None and fact.at <= self.watch_until:
            every = RENEW_WATCHED_AFTER
        return fact.moving and abs(fact.at - self.told_at) >= every


def moves(signals: dict[str, Any]) -> bool:
    """Whether a message says that the vehicle moves."""
    speed = signals.get(SPEED)
    return bool(signals.get(IS_MOVING)) or (speed is not None and abs(speed) > MOVING_ABOVE_KM_H)


def _at(message: Telemetry) -> datetime:
    return Fact(received_at=message.received_at, occurred_at=message.occurred_at).at
