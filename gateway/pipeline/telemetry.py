"""
Telemetry in memory: last known values, and the cheap reducer that turns them into facts.

The fold never sees plain telemetry. A fact leaves when something changes: the vehicle starts or stops, its
ignition turns, or a statement of movement has to be renewed because it holds for 60 s only. While the
ignition is not known to be on, positions are stated too: where the car was left, where it is carried to.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.facts import AnyFact
from gateway.domain.moment import Moment
from gateway.domain.parking import Fix, distance_m
from gateway.domain.signals import (
    Connection,
    DriverCard,
    Event,
    Ignition,
    Located,
    Position,
    TheftSensor,
    Tick,
)
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.track import NEVER, PLACES_AT_MOST, TRACK_EVERY, WAS_SILENT, WATCH_FOR, Track
from gateway.ports import SignalValue
from gateway.wire.telemetry import IGNITION, IGNITION_OFF, KIND, LATITUDE, LONGITUDE, Telemetry, decode_plain
from gateway.wire.topics import vehicle_topic

PLACE = "place"
"""Kind of a position that is stated because the car is not driven."""
MOVED_M = 25.0
CONFIRMED_BY = 12
"""So many statements of one place are handed over: the smoothed distance follows within as many."""
PLACES_WITHIN = timedelta(seconds=60)
MAX_VEHICLES = 200_000


class TelemetryIntake:
    """Takes decoded telemetry; puts facts into the inbox. Implements LiveVehicles."""

    def __init__(self, inbox: Inbox, meters: Meters) -> None:
        self._inbox = inbox
        self._meters = meters
        self._tracks: dict[str, Track] = {}
        """By topic, as their messages name them."""
        self._watched: set[str] = set()
        self._awaited: set[str] = set()

    def watch(self, vin: str, watched: bool) -> None:  # noqa: FBT001  # the decider's hook
        """Whether each position of this vehicle matters to the fold."""
        if watched:
            self._watched.add(vin)
            self._listen(vin)
        else:
            self._watched.discard(vin)

    def await_word(self, vin: str, awaited: bool) -> None:  # noqa: FBT001  # the decider's hook
        """Whether the fold must hear that this vehicle speaks, though it says nothing new."""
        if awaited:
            self._awaited.add(vin)
            self._listen(vin)
        else:
            self._awaited.discard(vin)

    async def set_back(self, by: timedelta) -> None:
        """Forget what is stamped by another clock, but when each was heard: vehicles say it again."""
        for topic, known in self._tracks.items():
            track = self._tracks[topic] = Track()
            track.heard_at = None if known.heard_at is None else known.heard_at - by

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values by name."""
        track = self._track(vin)
        return {} if track is None else track.signals()

    def heard_at(self, vin: str) -> datetime | None:
        """When anything at all last arrived from a vehicle; None: not since the start."""
        track = self._track(vin)
        return None if track is None else track.heard_at

    def heard_since(self, at: datetime) -> int:
        """How many vehicles were heard since then."""
        return sum(
            1 for track in self._tracks.values() if track.heard_at is not None and track.heard_at >= at
        )

    def glance(self, topic: str, payload: bytes, received_at: datetime) -> bool:
        """
        Take one message in as it came, if it surely says nothing that the fold has to hear; False if not.

        Nothing is counted: that is cheaper for many together.
        """
        track = self._tracks.get(topic)
        if track is None or track.calm_until is NEVER:
            return False
        message = decode_plain(payload)
        return message is not None and track.passes(message, received_at)

    def take(self, vin: str, message: Telemetry) -> None:
        """Take one message in."""
        self._meters.count("gateway_telemetry_total")
        track = self._track(vin) or self._new_track(vin)
        track.settle()
        message, at = track.ordered(message)
        track.remember(message.signals, at)
        was_silent = track.heard_at is None or message.received_at - track.heard_at >= WAS_SILENT
        awaited = was_silent or vin in self._awaited
        told = track.ignition, track.movement
        track.heard_at, track.newest_at = message.received_at, max(track.newest_at, at)
        located = LATITUDE in message.signals and LONGITUDE in message.signals
        if located:
            track.locate(message.signals, at)
        # Ignition first: a drive that begins must not look like a car that is pushed.
        self._ignition(vin, track, message)
        if located and track.may_be_parked(message):
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
        if vin not in self._watched and vin not in self._awaited:
            track.calm_down()

    def precede(self, vin: str, fact: Event | Connection) -> Event | Connection:
        """
        Take note of a fact that may raise an alarm, and state what the fold should know before it.

        Returns the fact to decide: its time may be one that can't be true.
        """
        known = self._track(vin)
        if known is not None and not (isinstance(fact, Connection) and not fact.online):
            known.heard_at = fact.received_at
        if isinstance(fact, DriverCard):
            track = known or self._new_track(vin)
            fact = card = track.dated(fact)
            track.watch_until = None if card.present else card.at + WATCH_FOR
            track.calm_until = NEVER
        if isinstance(fact, TheftSensor | DriverCard):
            self.hand_over(vin, fact.received_at, for_alarm=isinstance(fact, TheftSensor))
        return fact

    def hand_over(self, vin: str, now: datetime, *, for_alarm: bool = False) -> None:
        """State what is newer than the fold knows: movement and position."""
        track = self._track(vin)
        if track is None:
            return
        track.settle()
        newest = track.newest_movement
        if newest is not None and newest is not track.movement and self._state(vin, "movement", newest):
            track.movement = newest
            track.calm_until = NEVER  # it may say another thing than what was told before
        if track.position is not track.told_position:
            self._located(vin, track, now, for_alarm=for_alarm)

    def _follow(self, vin: str, track: Track, now: datetime) -> None:
        """Hand a watched vehicle's position on, unless one was a moment ago."""
        told_at, at = track.told_position_at, track.position_at
        due = told_at is None or at is None or at - told_at >= TRACK_EVERY
        if due and track.position is not track.told_position:
            self._located(vin, track, now)

    def _movement(self, vin: str, track: Track, message: Telemetry) -> None:
        fact = track.moved(message)
        if fact is None or not track.is_due(fact, watched=vin in self._watched):
            return
        if self._state(vin, "movement", fact):
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
            driven=kind != PLACE and track.is_driven,
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
        track = self._tracks[vehicle_topic(vin, KIND)] = Track()
        return track

    def _track(self, vin: str) -> Track | None:
        return self._tracks.get(vehicle_topic(vin, KIND))

    def _listen(self, vin: str) -> None:
        track = self._track(vin)
        if track is not None:
            track.calm_until = NEVER


def _fix(position: Position, at: datetime) -> Fix:
    return Fix(position.latitude, position.longitude, Moment(at, at))
