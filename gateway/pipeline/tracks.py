"""What is kept of each vehicle: the ``Track`` of those that are at hand, a record of all others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.pipeline.packed import heard_s, moment, pack, unpack
from gateway.pipeline.track import Track
from gateway.ports import SignalValue
from gateway.wire.telemetry import KIND
from gateway.wire.topics import vehicle_topic

MAX_VEHICLES = 2_000_000
"""Some hundred bytes each; a new one is kept instead of the first."""
BUDGET_BYTES = 192_000_000
"""Of both, up to a fleet of a million: what records leave of it, the tracks asked for last have."""
RECORD_BYTES, TRACK_BYTES = 190, 2_750
"""Of a car that says six signals, index included (``bench memory``)."""
LEAST_AT_HAND, MOST_AT_HAND = 1_024, 8_192
"""To take one in hand and to put it away costs as much as ten messages that pass."""
AT_HAND = b""
"""In place of the record."""
VIN_BEGINS = len(vehicle_topic("", KIND)) - len(f"/{KIND}")
VIN_ENDS = -len(f"/{KIND}")
TOPIC_LENGTH = len(vehicle_topic("X" * 17, KIND))
number = int.from_bytes


class Tracks:
    """All of them, bounded; each is in hand or packed."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        """Of all, by VIN as one number: half the memory of a text."""
        self.at_hand: dict[str, Track] = {}
        """By topic, as their messages name them."""

    def find(self, vin: str) -> Track | None:
        """A vehicle's, at hand from here on; None: nothing is known of it."""
        topic = vehicle_topic(vin, KIND)
        track, record = self.at_hand.get(topic), self.records.get(key_of(vin))
        return self.take_in_hand(topic, unpack(record)) if track is None and record else track

    def begin(self, vin: str) -> Track:
        """One for a vehicle of which nothing is known."""
        if len(self.records) >= MAX_VEHICLES:
            first = next(iter(self.records))
            del self.records[first]
            self.at_hand.pop(vehicle_topic(_vin(first), KIND), None)
        return self.take_in_hand(vehicle_topic(vin, KIND), Track())

    def take_in_hand(self, topic: str, track: Track) -> Track:
        """Keep it as it is; the one that is at hand for longest is packed for it."""
        while len(self.at_hand) >= self._room():
            self.put_away(next(iter(self.at_hand)))
        self.records[key_of(topic[VIN_BEGINS:VIN_ENDS])], self.at_hand[topic] = AT_HAND, track
        return track

    def _room(self) -> int:
        """How many may be at hand beside so many records."""
        left_bytes = BUDGET_BYTES - RECORD_BYTES * len(self.records)
        return max(LEAST_AT_HAND, min(MOST_AT_HAND, left_bytes // TRACK_BYTES))

    def put_away(self, topic: str) -> None:
        """Pack one that is at hand."""
        self.records[key_of(topic[VIN_BEGINS:VIN_ENDS])] = pack(self.at_hand.pop(topic))

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values; who only looks takes nothing in hand."""
        track, record = self.at_hand.get(vehicle_topic(vin, KIND)), self.records.get(key_of(vin))
        if track is None:
            return unpack(record).values if record else {}
        track.settle()
        return dict(track.values)

    def heard_at(self, vin: str) -> datetime | None:
        """When a vehicle was heard last."""
        track, record = self.at_hand.get(vehicle_topic(vin, KIND)), self.records.get(key_of(vin))
        if track is None:
            return moment(heard_s(record)) if record else None
        return track.heard_at

    def heard_s(self) -> Iterator[float]:
        """Of each vehicle, in seconds since 1970; 0.0 if never."""
        yield from (heard_s(record) for record in self.records.values() if record)
        yield from (track.heard_at.timestamp() for track in self.at_hand.values() if track.heard_at)

    def set_back(self, by: timedelta) -> None:
        """Forget all but when each was heard, which was so much earlier."""
        for topic in list(self.at_hand):
            self.put_away(topic)
        for key, record in self.records.items():
            track, heard_at = Track(), moment(heard_s(record))
            track.heard_at = None if heard_at is None else heard_at - by
            self.records[key] = pack(track)


def key_of(vin: str) -> int:
    """What a record is found by."""
    return number(vin.encode())


def _vin(key: int) -> str:
    return key.to_bytes((key.bit_length() + 7) // 8).decode()
