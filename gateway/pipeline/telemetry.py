"""
Telemetry in memory: last known values, and the cheap reducer that turns them into facts.

The fold never sees plain telemetry. A fact leaves when something changes: the vehicle starts or stops, its
ignition turns, or a statement of movement has to be renewed because it holds for 60 s only. While the
ignition is not known to be on, positions are stated too: where the car was left, where it is carried to.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.domain.facts import AnyFact
from gateway.domain.moment import Moment
from gateway.domain.parking import Fix, distance_m
from gateway.domain.signals import (
    Connection,
    DriverCard,
    Event,
    Fact,
    Ignition,
    Located,
    Movement,
    Position,
    TheftSensor,
    Tick,
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
PLACE = "place"
"""Kind of a position that is stated because the car is not driven."""
MOVED_M = 25.0
CONFIRMED_BY = 12
"""So many statements of one place are handed over: the smoothed distance follows within as many."""
PLACES_AT_MOST = 12
PLACES_WITHIN = timedelta(seconds=60)
WAS_SILENT = timedelta(minutes=30)
ONE_BOOT = 1_000
"""Numbers that are further apart are counts of two boots."""
MAX_VEHICLES = 200_000
MAX_OTHER_SIGNALS = 200


class Track:
    """What telemetry last said of one vehicle, and what of it was stated as a fact."""

    __slots__ = (
        "confirmed",
        "heard_at",
        "ignition",
        "missed",
        "movement",
        "newest_movement",
        "numbered",
        "others",
        "places",
        "position",
        "position_at",
        "signals",
        "told_driven",
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
        self.numbered: tuple[int, datetime] | None = None
        """Number and time of the newest message that has one."""
        self.missed = True
        """What was said of the ignition may have been lost since it was last heard of."""
        self.position: Position | None = None
        self.position_at: datetime | None = None
        self.told_position: Position | None = None
        self.told_position_at: datetime | None = None
        """Time of the newest position that went out with anything: a track needs no second one."""
        self.told_driven = False
        """It was told as that of a car that is driven: where it is left is told again."""
        self.heard_at: datetime | None = None
        """Arrival of the newest message."""
        self.confirmed = 0
        """How often the place that was told last has been told."""
        self.places: deque[datetime] = deque(maxlen=PLACES_AT_MOST)


class TelemetryIntake:
    """Takes decoded telemetry; puts facts into the inbox. Implements LiveVehicles."""

    def __init__(self, inbox: Inbox, meters: Meters) -> None:
        self._inbox = inbox
        self._meters = meters
        self._tracks: dict[str, Track] = {}
        self._watched: set[str] = set()
        self._awaited: set[str] = set()

    def watch(self, vin: str, watched: bool) -> None:  # noqa: FBT001  # the decider's hook
        """Whether each position of this vehicle matters to the fold."""
        if watched:
            self._watched.add(vin)
        else:
            self._watched.discard(vin)

    def await_word(self, vin: str, awaited: bool) -> None:  # noqa: FBT001  # the decider's hook
        """Whether the fold must hear that this vehicle speaks, though it says nothing new."""
        if awaited:
            self._awaited.add(vin)
        else:
            self._awaited.discard(vin)

    async def set_back(self, by: timedelta) -> None:
        """Forget what is stamped by another clock, but when each was heard: vehicles say it again."""
        for vin, known in self._tracks.items():
            track = self._tracks[vin] = Track()
            track.heard_at = None if known.heard_at is None else known.heard_at - by

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values by name."""
        track = self._tracks.get(vin)
        return {} if track is None else dict(track.signals)

    def heard_at(self, vin: str) -> datetime | None:
        """When anything at all last arrived from a vehicle; None: not since the start."""
        track = self._tracks.get(vin)
        return None if track is None else track.heard_at

    def heard_since(self, at: datetime) -> int:
        """How many vehicles were heard since then."""
        return sum(
            1 for track in self._tracks.values() if track.heard_at is not None and track.heard_at >= at
        )

    def take(self, vin: str, message: Telemetry) -> None:
        """Take one message in."""
        self._meters.count("gateway_telemetry_total")
        track = self._tracks.get(vin)
        if track is None:
            track = self._new_track(vin)
        message = _ordered(track, message)
        at = Fact(received_at=message.received_at, occurred_at=message.occurred_at).at
        _remember(track, message.signals, at)
        was_silent = track.heard_at is None or message.received_at - track.heard_at >= WAS_SILENT
        awaited = was_silent or vin in self._awaited
        told = track.ignition, track.movement
        track.heard_at = message.received_at
        located = LATITUDE in message.signals and LONGITUDE in message.signals
        if located:
            _locate(track, message.signals, at)
        # Ignition first: a drive that begins must not look like a car that is pushed.
        self._ignition(vin, track, message)
        if located and _may_be_parked(track, message):
            self._place(vin, track, message.received_at)
        self._movement(vin, track, message)
        if vin in self._watched and track.position_at == at:
            self._follow(vin, track, message.received_at)
        if awaited and told == (track.ignition, track.movement):
            # What it says changes nothing, but that it speaks ends a silence, and a command may wait for it.
            heard = Tick(
                received_at=message.received_at,
                hearing_since=message.received_at,
                heard_at=message.received_at,
                reachable=True,
            )
            self._state(vin, "tick", heard)

    def precede(self, vin: str, fact: Event | Connection) -> None:
        """Take note of a fact that may raise an alarm, and state what the fold should know before it."""
        known = self._tracks.get(vin)
        if known is not None and not (isinstance(fact, Connection) and not fact.online):
            known.heard_at = fact.received_at
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
        if track.position is not track.told_position:
            self._located(vin, track, now, for_alarm=for_alarm)

    def _follow(self, vin: str, track: Track, now: datetime) -> None:
        """Hand a watched vehicle's position on, unless one was a moment ago."""
        told_at, at = track.told_position_at, track.position_at
        due = told_at is None or at is None or at - told_at >= TRACK_EVERY
        if due and track.position is not track.told_position:
            self._located(vin, track, now)

    def _movement(self, vin: str, track: Track, message: Telemetry) -> None:
        speed, is_moving = message.signals.get(SPEED), message.signals.get(IS_MOVING)
        if speed is None and is_moving is None:
            return
        moving = _moves(message)
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
            after_gap=track.missed,
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
                track.told_position_at = fact.at  # a place is told by itself: a movement states none

    def _ignition(self, vin: str, track: Track, message: Telemetry) -> None:
        state = message.signals.get(IGNITION)
        if state is None:
            return
        on = state not in IGNITION_OFF
        track.missed = False
        if track.ignition is not None and track.ignition.on == on:
            return
        fact = Ignition(received_at=message.received_at, occurred_at=message.occurred_at, on=on)
        if self._state(vin, "ignition", fact):
            track.ignition = fact
            track.confirmed = 0
            if not on and (track.told_driven or track.position is not track.told_position):
                self._located(vin, track, message.received_at, PLACE)  # where it is left
        else:
            track.missed = True

    def _place(self, vin: str, track: Track, received_at: datetime) -> None:
        """State a position of a car that is not driven: news of a place, or its confirmation."""
        now, told = track.position_at, track.told_position
        if track.position is None or now is None or track.position is told:
            return
        moved = told is None or distance_m(_fix(told, now), _fix(track.position, now)) > MOVED_M
        often = len(track.places) == PLACES_AT_MOST and now - track.places[0] < PLACES_WITHIN
        if often or not (moved or track.confirmed < CONFIRMED_BY):
            return
        if self._located(vin, track, received_at, PLACE):
            track.confirmed = 1 if moved else track.confirmed + 1
            track.places.append(now)

    def _located(
        self,
        vin: str,
        track: Track,
        received_at: datetime,
        kind: str = "located",
        *,
        for_alarm: bool = False,
    ) -> bool:
        if track.position is None:
            return False
        fact = Located(
            received_at=received_at,
            occurred_at=track.position_at,
            position=track.position,
            for_alarm=for_alarm,
            driven=kind != PLACE and _is_driven(track),
        )
        if not self._state(vin, kind, fact):
            return False
        track.told_position, track.told_position_at = track.position, track.position_at
        track.told_driven = fact.driven
        return True

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


def _ordered(track: Track, message: Telemetry) -> Telemetry:
    """
    The message, without its time if its number says that the vehicle's clock was set back.

    Numbers grow within one boot; a time that goes back meanwhile would make all that follows look old.
    """
    seq = message.seq
    if seq is None:
        return message
    at = Fact(received_at=message.received_at, occurred_at=message.occurred_at).at
    if track.numbered is not None:
        known, newest = track.numbered
        set_back = 0 < seq - known <= ONE_BOOT and at < newest
        track.missed = track.missed or seq > known + 1
        if set_back:
            message, at = replace(message, occurred_at=None), message.received_at
        elif at < newest:
            return message
    track.numbered = seq, at
    return message


def _is_driven(track: Track) -> bool:
    """Whether the newest position is one of a drive; the parking spot and its surroundings are none."""
    if track.ignition is not None:
        return track.ignition.on
    return track.newest_movement is not None and track.newest_movement.moving


def _may_be_parked(track: Track, message: Telemetry) -> bool:
    """Whether a place is worth stating; a car that drives leaves no trail, though its ignition be unknown."""
    if track.ignition is not None:
        return not track.ignition.on
    return not _moves(message) and not _is_driven(track)


def _moves(message: Telemetry) -> bool:
    speed = message.signals.get(SPEED)
    return bool(message.signals.get(IS_MOVING)) or (speed is not None and abs(speed) > MOVING_ABOVE_KM_H)


def _fix(position: Position, at: datetime) -> Fix:
    return Fix(position.latitude, position.longitude, Moment(at, at))


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
