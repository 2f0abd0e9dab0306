"""
Telemetry in memory: last known values, and the cheap reducer that turns them into facts.

The fold never sees plain telemetry. A fact leaves when something changes: the vehicle starts or stops, its
ignition turns, or a statement of movement has to be renewed because it holds for 60 s only. While the
ignition is not known to be on, positions are stated too: where the car was left, where it is carried to.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

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
from gateway.pipeline.glance import decode_of, head_of, passed, renewed
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.packed import unpack
from gateway.pipeline.track import (
    NEVER,
    PLACES_AT_MOST,
    PLACES_WITHIN,
    TRACK_EVERY,
    WAS_SILENT,
    WATCH_FOR,
    Track,
)
from gateway.pipeline.tracks import TOPIC_LENGTH, VIN_BEGINS, VIN_ENDS, Tracks, number
from gateway.ports import SignalValue
from gateway.wire.event import MAX_PAYLOAD_BYTES
from gateway.wire.steady import Steady
from gateway.wire.telemetry import (
    IGNITION,
    IGNITION_OFF,
    LATITUDE,
    LONGITUDE,
    Telemetry,
    decode_plain,
)

PLACE = "place"
"""Kind of a position that is stated because the car is not driven."""
MOVED_M = 25.0
CONFIRMED_BY = 12
"""So many statements of one place are handed over: the smoothed distance follows within as many."""


class TelemetryIntake:
    """Takes decoded telemetry; puts facts into the inbox. Implements LiveVehicles."""

    def __init__(self, inbox: Inbox, meters: Meters) -> None:
        self._inbox = inbox
        self._meters = meters
        self._tracks = Tracks()
        self._at_hand = self._tracks.at_hand.get
        self._watched: set[str] = set()
        self._awaited: set[str] = set()
        self._now, self._now_s = NEVER, 0.0
        """When the batch arrived that is looked at, twice."""

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
        self._tracks.set_back(by)

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values by name."""
        return self._tracks.signals(vin)

    def heard_at(self, vin: str) -> datetime | None:
        """When anything at all last arrived from a vehicle; None: not since the start."""
        return self._tracks.heard_at(vin)

    def heard_since(self, at: datetime, most: int) -> int:
        """How many vehicles were heard since then; no more than ``most`` are counted."""
        since_s = at.timestamp()
        heard = (1 for heard_s in self._tracks.heard_s() if heard_s >= since_s)
        return sum(islice(heard, most))

    def glance(self, topic: str, payload: bytes, received_at: datetime) -> bool:
        """
        Take one message in as it came, if it surely says nothing that the fold has to hear; False if not.

        That the car still moves is told again here as well. Nothing is counted: that is cheaper for many
        together.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            return False
        track = self._at_hand(topic)
        if track is None:
            return self._glance_at_record(topic, payload, received_at)
        if track.decode is not None:
            try:
                steady = track.decode(payload)
            except Exception:  # noqa: BLE001  # as in decode_plain
                track.decode = None
            else:
                signals = steady.signals
                return track.goes_on(steady, signals.speed, signals.is_moving, received_at)
        message = None if track.calm_until is NEVER else decode_plain(payload)
        return message is not None and track.passes(message, received_at)

    def _glance_at_record(self, topic: str, payload: bytes, received_at: datetime) -> bool:
        key = number(topic[VIN_BEGINS:VIN_ENDS].encode())
        record = self._tracks.records.get(key)
        if not record or len(topic) != TOPIC_LENGTH:
            return False
        head = head_of(record)
        decode = decode_of(head)
        if decode is None:
            return False
        if received_at is not self._now:
            self._now, self._now_s = received_at, received_at.timestamp()
        try:
            message = decode(payload)
        except Exception:  # noqa: BLE001  # as in decode_plain
            after = None
        else:
            after = passed(record, head, message, self._now_s) or self._renewed(
                key, topic, message, received_at
            )
        if after is None:  # it may have other signals than before, and nothing else be new
            self._tracks.take_in_hand(topic, unpack(record))
            return self.glance(topic, payload, received_at)
        self._tracks.records[key] = after
        return True

    def _renewed(self, key: int, topic: str, message: Steady, received_at: datetime) -> bytes | None:
        """The record where only the statement of movement has worn out, which is made here again."""
        record = self._tracks.records[key]
        found = renewed(record, head_of(record), message, received_at)
        if found is None:
            return None
        stated = self._state(topic[VIN_BEGINS:VIN_ENDS], "movement", found.fact)
        return found.told if stated else found.untold

    def take(self, vin: str, message: Telemetry) -> None:
        """Take one message in."""
        self._meters.count("gateway_telemetry_total")
        track = self._tracks.find(vin) or self._tracks.begin(vin)
        track.settle()
        message, at = track.ordered(message)
        track.remember(message.signals, at)
        was_silent = track.heard_at is None or message.received_at - track.heard_at >= WAS_SILENT
        awaited = was_silent or vin in self._awaited
        before = track.ignition, track.told_moving, track.told_at
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
        if awaited and before == (track.ignition, track.told_moving, track.told_at):
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
        known = self._tracks.find(vin)
        if known is not None and not (isinstance(fact, Connection) and not fact.online):
            known.settle()
            known.heard_at = fact.received_at
        if isinstance(fact, DriverCard):
            track = known or self._tracks.begin(vin)
            fact = card = track.dated(fact)
            track.watch_until = None if card.present else card.at + WATCH_FOR
            track.calm_until = NEVER
        if isinstance(fact, TheftSensor | DriverCard):
            self.hand_over(vin, fact.received_at, for_alarm=isinstance(fact, TheftSensor))
        return fact

    def hand_over(self, vin: str, now: datetime, *, for_alarm: bool = False) -> None:
        """State what is newer than the fold knows: movement and position."""
        track = self._tracks.find(vin)
        if track is None:
            return
        track.settle()
        newest = track.newest_movement
        if newest is not None and not track.newest_told and self._state(vin, "movement", newest):
            track.told(newest)
            track.calm_until = NEVER  # it may say another thing than what was told before
        if not track.position_told:
            self._located(vin, track, now, for_alarm=for_alarm)

    def _follow(self, vin: str, track: Track, now: datetime) -> None:
        """Hand a watched vehicle's position on, unless one was a moment ago."""
        told_at, at = track.told_position_at, track.position_at
        due = told_at is None or at is None or at - told_at >= TRACK_EVERY
        if due and not track.position_told:
            self._located(vin, track, now)

    def _movement(self, vin: str, track: Track, message: Telemetry) -> None:
        fact = track.moved(message)
        if fact is None or not track.is_due(fact, watched=vin in self._watched):
            return
        if self._state(vin, "movement", fact):
            track.told(fact)
            if fact.position is not None:
                track.told_position_at = fact.at  # a place is told by itself: a movement states none

    def _ignition(self, vin: str, track: Track, message: Telemetry) -> None:
        state = message.signals.get(IGNITION)
        if state is None:
            return
        on = state not in IGNITION_OFF
        track.missed = False
        if track.ignition is on:
            return
        fact = Ignition(received_at=message.received_at, occurred_at=message.occurred_at, on=on)
        if self._state(vin, "ignition", fact):
            track.ignition = on
            track.confirmed = 0
            if not on and (track.told_driven or not track.position_told):
                self._located(vin, track, message.received_at, PLACE)  # where it is left
        else:
            track.missed = True

    def _place(self, vin: str, track: Track, received_at: datetime) -> None:
        """State a position of a car that is not driven: news of a place, or its confirmation."""
        now, told = track.position_at, track.told_position
        if track.position is None or now is None or track.position_told:
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
        track.position_told = True
        track.told_driven = fact.driven
        return True

    def _state(self, vin: str, kind: str, fact: AnyFact) -> bool:
        """False if the inbox has no room: the same is stated again with the next message."""
        if self._inbox.offer(Item(subject=vin, kind=kind, received_at=fact.received_at, fact=fact)):
            return True
        self._meters.count("gateway_telemetry_dropped_total")
        return False

    def _listen(self, vin: str) -> None:
        track = self._tracks.find(vin)
        if track is not None:
            track.calm_until = NEVER


def _fix(position: Position, at: datetime) -> Fix:
    return Fix(position.latitude, position.longitude, Moment(at, at))
