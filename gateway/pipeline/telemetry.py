"""
Telemetry in memory: last known values, and the cheap reducer that turns them into facts.

The fold never sees plain telemetry. A fact leaves when something changes: the vehicle starts or stops, its
ignition turns, or a statement of movement has to be renewed because it holds for 60 s only.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.signals import (
    AnyFact,
    Connection,
    DriverCard,
    Event,
    Fact,
    Ignition,
    Located,
    Movement,
    Position,
    TheftSensor,
)
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.ports import SignalValue
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
    Telemetry,
)

MOVING_ABOVE_KM_H = 3
RENEW_MOVEMENT_AFTER = timedelta(seconds=20)
RENEW_WATCHED_AFTER = timedelta(seconds=1)
TRACK_EVERY = timedelta(seconds=5)
WATCH_FOR = timedelta(seconds=60)
MAX_VEHICLES = 200_000
MAX_OTHER_SIGNALS = 200


class Track:
    """What telemetry last said of one vehicle, and what of it was stated as a fact."""

    __slots__ = (
        "ignition",
        "movement",
        "newest_movement",
        "others",
        "position",
        "position_at",
        "signals",
        "told_position",
        "told_position_at",
        "watch_until",
    )

    def __init__(self) -> None:
        self.signals: dict[str, SignalValue] = {}
        self.others = 0
        self.movement: Movement | None = None
        """The last one handed to the fold."""
        self.watch_until: datetime | None = None
        """A card has just gone: until then each statement of movement may prove something."""
        self.newest_movement: Movement | None = None
        self.ignition: Ignition | None = None
        self.position: Position | None = None
        self.position_at: datetime | None = None
        self.told_position: Position | None = None
        self.told_position_at: datetime | None = None


class TelemetryIntake:
    """Takes decoded telemetry; puts facts into the inbox. Implements LiveVehicles."""

    def __init__(self, inbox: Inbox, meters: Meters) -> None:
        self._inbox = inbox
        self._meters = meters
        self._tracks: dict[str, Track] = {}
        self._watched: set[str] = set()

    def watch(self, vin: str, watched: bool) -> None:  # noqa: FBT001  # the decider's hook
        """Whether each position of this vehicle matters to the fold."""
        if watched:
            self._watched.add(vin)
        else:
            self._watched.discard(vin)

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values by name."""
        track = self._tracks.get(vin)
        return {} if track is None else dict(track.signals)

    def vins(self) -> list[str]:
        """Vehicles heard since the start."""
        return list(self._tracks)

    def take(self, vin: str, message: Telemetry) -> None:
        """Take one message in."""
        self._meters.count("gateway_telemetry_total")
        track = self._tracks.get(vin)
        if track is None:
            track = self._new_track(vin)
        stamp = Fact(received_at=message.received_at, occurred_at=message.occurred_at)
        at = stamp.at
        _remember(track, message.signals, at)
        if LATITUDE in message.signals and LONGITUDE in message.signals:
            _locate(track, message.signals, at)
        self._movement(vin, track, message)
        self._ignition(vin, track, message)
        if vin in self._watched and track.position_at == at:
            self._locate(vin, track, message.received_at)

    def precede(self, vin: str, fact: Event | Connection) -> None:
        """Take note of a fact that may raise an alarm, and state what the fold should know before it."""
        if isinstance(fact, DriverCard):
            track = self._tracks.get(vin) or self._new_track(vin)
            track.watch_until = None if fact.present else fact.at + WATCH_FOR
        if isinstance(fact, TheftSensor | DriverCard):
            self.hand_over(vin, fact.received_at, for_alarm=isinstance(fact, TheftSensor))

    def hand_over(self, vin: str, now: datetime, *, for_alarm: bool = False) -> None:
        """State what is newer than the fold knows: movement and position."""
        track = self._tracks.get(vin)
        if track is None:
            return
        newest = track.newest_movement
        if newest is not None and newest is not track.movement and self._state(vin, "movement", newest):
            track.movement = newest
        if track.position is not None and track.position is not track.told_position:
            self._tell_position(vin, track, now, for_alarm=for_alarm)

    def _locate(self, vin: str, track: Track, now: datetime) -> None:
        """Hand a watched vehicle's position on, unless one was a moment ago."""
        told_at, at = track.told_position_at, track.position_at
        due = told_at is None or at is None or at - told_at >= TRACK_EVERY
        if due and track.position is not track.told_position:
            self._tell_position(vin, track, now)

    def _tell_position(self, vin: str, track: Track, now: datetime, *, for_alarm: bool = False) -> None:
        if track.position is None:
            return
        located = Located(
            received_at=now,
            occurred_at=track.position_at,
            position=track.position,
            for_alarm=for_alarm,
        )
        if self._state(vin, "located", located):
            track.told_position, track.told_position_at = track.position, track.position_at

    def _movement(self, vin: str, track: Track, message: Telemetry) -> None:
        speed, is_moving = message.signals.get(SPEED), message.signals.get(IS_MOVING)
        if speed is None and is_moving is None:
            return
        moving = bool(is_moving) or (speed is not None and abs(speed) > MOVING_ABOVE_KM_H)
        stated = Fact(received_at=message.received_at, occurred_at=message.occurred_at)
        odometer_m = message.signals.get(ODOMETER)
        fact = Movement(
            received_at=message.received_at,
            occurred_at=message.occurred_at,
            moving=moving,
            speed_km_h=speed,
            # A position that was stated before must not get a new time: it may be miles away by now.
            position=track.position if track.position_at == stated.at else None,
            odometer_m=None if odometer_m is None else float(odometer_m),
        )
        newest, told = track.newest_movement, track.movement
        if newest is None or newest.at <= fact.at:
            track.newest_movement = fact
        news = (
            told is None
            or told.moving != moving
            or (moving and _is_due(track, told, fact, watched=vin in self._watched))
        )
        if news and self._state(vin, "movement", fact):
            track.movement = fact
            if fact.position is not None:
                track.told_position, track.told_position_at = fact.position, fact.at

    def _ignition(self, vin: str, track: Track, message: Telemetry) -> None:
        state = message.signals.get(IGNITION)
        if state is None:
            return
        on = state not in IGNITION_OFF
        if track.ignition is not None and track.ignition.on == on:
            return
        fact = Ignition(received_at=message.received_at, occurred_at=message.occurred_at, on=on)
        if self._state(vin, "ignition", fact):
            track.ignition = fact

    def _state(self, vin: str, kind: str, fact: AnyFact) -> bool:
        """False if the inbox has no room: the same is stated again with the next message."""
        if self._inbox.offer(Item(subject=vin, kind=kind, received_at=fact.received_at, fact=fact)):
            return True
        self._meters.count("gateway_telemetry_dropped_total")
        return False

    def _new_track(self, vin: str) -> Track:
        if len(self._tracks) >= MAX_VEHICLES:
            del self._tracks[next(iter(self._tracks))]
        track = self._tracks[vin] = Track()
        return track


def _is_due(track: Track, told: Movement, fact: Movement, *, watched: bool) -> bool:
    every = TRACK_EVERY if watched else RENEW_MOVEMENT_AFTER
    if track.watch_until is not None and fact.at <= track.watch_until:
        every = RENEW_WATCHED_AFTER
    return abs(fact.at - told.at) >= every


def _remember(track: Track, signals: dict[str, object], at: datetime) -> None:
    """Older never overwrites newer."""
    for name, value in signals.items():
        known = track.signals.get(name)
        if known is None:
            if name not in SIGNALS:
                if track.others >= MAX_OTHER_SIGNALS:
                    continue
                track.others += 1
        elif known.at > at:
            continue
        track.signals[name] = SignalValue(value, at)


def _locate(track: Track, signals: dict[str, float], at: datetime) -> None:
    if track.position_at is not None and track.position_at > at:
        return
    track.position = Position(signals[LATITUDE], signals[LONGITUDE], signals.get(ACCURACY))
    track.position_at = at
