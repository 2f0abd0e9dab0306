"""One vehicle on the air: its life, its outbox and its link, tied together."""

from __future__ import annotations

import asyncio
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.wire.topics import vehicle_topic
from vehicle_emulator import codec, commands, messages
from vehicle_emulator.outbox import Outbox
from vehicle_emulator.silence import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.dice import Dice
    from vehicle_emulator.link import Carrier
    from vehicle_emulator.messages import Message
    from vehicle_emulator.report import Tally
    from vehicle_emulator.vehicle import Vehicle

KEEPALIVE_S: Final = 60
CATCH_UP_MS: Final = 5_000
# Telemetry that nobody heard; the oldest gives way.
UNHEARD_LIMIT: Final = 256
_LAST: Final = "~"


class Clock:
    """Milliseconds since the epoch that never jump: the wall clock once, the loop's clock from there on."""

    __slots__ = ("_loop", "_offset_ms")

    def __init__(self, wall_ms: float) -> None:
        """Begin at this wall time."""
        self._loop = asyncio.get_running_loop()
        self._offset_ms = wall_ms - self._loop.time() * 1_000

    def now_ms(self) -> float:
        """Now."""
        return self._loop.time() * 1_000 + self._offset_ms


class Depot:
    """What all units of a fleet share."""

    def __init__(
        self,
        station: Carrier,
        clock: Clock,
        tally: Tally,
        credentials: Callable[[str], tuple[str, str | None]],
    ) -> None:
        """``credentials`` answers user and password of a VIN; ``busy`` has the units with waiting events."""
        self.station, self.clock, self.tally, self.credentials = station, clock, tally, credentials
        self.busy: set[Unit] = set()
        self.woken: list[Unit] = []


class Unit:
    """A vehicle with its radio."""

    __slots__ = (
        "__weakref__",
        "_catch_up_until_ms",
        "_depot",
        "_drives",
        "_unheard",
        "_watch",
        "link",
        "outbox",
        "vehicle",
        "vin",
    )

    def __init__(self, vehicle: Vehicle, dice: Dice, depot: Depot) -> None:
        """Stay off the air until ``link.open``."""
        self.vehicle, self.vin, self._depot = vehicle, vehicle.vin, depot
        self.outbox = Outbox(dice)
        self._unheard: deque[tuple[str, Message]] = deque(maxlen=UNHEARD_LIMIT)
        self._drives = False
        self._watch = Watch()
        self._catch_up_until_ms = 0.0
        self.link = depot.station.link(self)

    def step(self, now_ms: int) -> None:
        """Let the vehicle live up to now, and follow its radio."""
        self.vehicle.wall_ms = int(self._depot.clock.now_ms())
        for message, at_ms in self.vehicle.step(now_ms):
            self.hand_over(message, at_ms)
        self._follow_radio()

    def _follow_radio(self) -> None:
        """A radio that rests goes off when nothing waits any more, and says goodbye."""
        if not self.vehicle.is_on_air:
            self.link.cut()
        elif not self.vehicle.is_resting or self.outbox:
            self.link.open()
        elif self.link.is_up:
            self.leave()

    def hand_over(self, message: Message, intended_ms: float) -> bool:
        """
        Publish telemetry or lose it, as a change of bearer; keep an event until it is receipted.

        False if it was lost.
        """
        counts = self._depot.tally.counts
        if message.kind == messages.CONNECTION:
            if self.link.is_up:
                self._tell_connection(message)
            return self.link.is_up
        if not message.event_id:
            sent = self._broadcast(message)
            counts["telemetry_sent" if sent else "telemetry_dropped"] += 1
            return sent
        self._keep(message, intended_ms)
        self.pump(self._depot.clock.now_ms())
        return True

    def _keep(self, message: Message, intended_ms: float) -> None:
        """Until its receipt."""
        self._depot.tally.counts["made"] += 1
        given_up = self.outbox.put(message, intended_ms)
        if given_up is not None:
            self._depot.tally.given_up(self.vin, given_up)
        self._depot.busy.add(self)

    def _broadcast(self, message: Message) -> bool:
        """Publish telemetry; that the ignition went on or off is kept while nobody hears it."""
        drives = self.vehicle.has_ignition
        if not self._is_catching_up and self.link.publish(
            vehicle_topic(self.vin, message.kind), message.payload
        ):
            self._drives = drives
            self._spoke()
            return True
        if self._drives != drives:
            self._drives = drives
            self._unheard.append((_stated_at(message), message))
        return False

    def _tell_unheard(self, before: Message | None = None) -> None:
        """Telemetry that nobody heard, with its own time: all, or what was stated before another message."""
        until = _LAST if before is None else _stated_at(before)
        while self._unheard and self._unheard[0][0] <= until:
            _, message = self._unheard.popleft()
            self.link.publish(vehicle_topic(self.vin, message.kind), message.payload)
            self._depot.tally.counts["telemetry_sent"] += 1
            self._spoke()

    def pump(self, now_ms: float) -> None:
        """Send what is due, as far as the link has room, in the order in which it happened."""
        if (room := self.link.room) <= 0:
            return
        counts, due = self._depot.tally.counts, self.outbox.due(now_ms, room)
        for entry in due:
            if self._unheard:
                self._tell_unheard(entry.message)
            self.link.publish_surely(vehicle_topic(self.vin, entry.message.kind), entry.message.payload)
            counts["sent" if entry.sends == 1 else "resent"] += 1
            self._spoke()
        if self._unheard and len(due) < room:
            self._tell_unheard()

    def leave(self) -> None:
        """Say goodbye on the retained topic and hang up."""
        farewell = self.vehicle.connection(int(self._depot.clock.now_ms()), online=False)
        self._tell_connection(farewell)
        self._spoke()
        self.link.close()

    def _tell_connection(self, message: Message) -> None:
        if self.link.publish_surely(vehicle_topic(self.vin, message.kind), message.payload, retain=True):
            self._spoke()

    def _spoke(self) -> None:
        """Something has left."""
        if silence := self._watch.spoke(self.vehicle, self._depot.clock.now_ms()):
            self._depot.tally.silent(silence)

    def greeting(self) -> codec.Greeting:
        """The VIN is client id, user name and place of the last will."""
        username, password = self._depot.credentials(self.vin)
        will_topic = vehicle_topic(self.vin, messages.CONNECTION)
        return codec.Greeting(self.vin, username, password, will_topic, messages.WILL, KEEPALIVE_S)

    def topics(self) -> tuple[str, ...]:
        """Receipts, commands and packages."""
        return tuple(vehicle_topic(self.vin, kind) for kind in messages.HEARD_KINDS)

    def link_up(self) -> None:
        """
        Birth, everything that waits, and then how it is now.

        In the order in which it happened: a drive that nobody heard has ended before its card goes.
        """
        now_ms = self._depot.clock.now_ms()
        birth, *left = self.vehicle.connected(int(now_ms))
        self._tell_connection(birth)
        for message in left:
            if message.event_id:
                self._keep(message, now_ms)
            elif message.kind == messages.TELEMETRY:
                self._unheard.append((_stated_at(message), message))
        self._unheard = deque(sorted(self._unheard, key=itemgetter(0)), UNHEARD_LIMIT)
        self._catch_up_until_ms = now_ms + CATCH_UP_MS
        self.outbox.reconnected(now_ms)
        self.pump(now_ms)
        self._state_all_when_caught_up(now_ms)

    @property
    def _is_catching_up(self) -> bool:
        """What waited is told first, but telemetry does not wait for ever."""
        return self._depot.clock.now_ms() < self._catch_up_until_ms

    def _state_all_when_caught_up(self, now_ms: float) -> None:
        if self._catch_up_until_ms and not self.outbox:
            self._catch_up_until_ms = 0.0
            self.hand_over(self.vehicle.everything(int(now_ms)), now_ms)

    def link_down(self) -> None:
        """The outbox keeps what counts."""
        self._watch.fell()

    def link_room(self) -> None:
        """Go on with what waits."""
        self.pump(self._depot.clock.now_ms())

    def link_message(self, topic: str, payload: bytes) -> None:
        """A receipt, a command or a package."""
        kind = topic.split("/", 3)[-1]
        if kind == messages.RECEIPT:
            self._take_receipt(payload)
        elif commands.hear(self.vehicle, kind, payload, int(self._depot.clock.now_ms())):
            self._depot.woken.append(self)
        else:
            self._depot.tally.counts["unreadable"] += 1

    def _take_receipt(self, payload: bytes) -> None:
        try:
            receipt = messages.decode_receipt(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._depot.tally.counts["unreadable"] += 1
            return
        tally, now_ms = self._depot.tally, self._depot.clock.now_ms()
        for event_id in receipt.event_ids:
            if entry := self.outbox.settle(event_id):
                tally.receipted(self.vin, entry, now_ms)
            else:
                tally.counts["stray"] += 1
        for rejection in receipt.rejected:
            if entry := self.outbox.settle(rejection.event_id):
                tally.rejected(self.vin, entry, rejection.reason)
        self._state_all_when_caught_up(now_ms)
        if self.vehicle.is_resting:
            self._follow_radio()


class _Stated(msgspec.Struct):
    occurred_at: str = ""


def _stated_at(message: Message) -> str:
    """By the vehicle's clock, as it writes it: texts that sort as the times do."""
    return _decode_stated(message.payload).occurred_at


_decode_stated = msgspec.json.Decoder(_Stated).decode
