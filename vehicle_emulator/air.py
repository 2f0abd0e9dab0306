"""
Where the radio reaches, and what waits where it does not. Acts are pure functions of vehicle and moment.

1. Under a mountain nothing passes: what the car says is held, telemetry as well, with its true times.
2. A hole shorter than the connection's patience is bridged: what was held follows in one burst. After a
   longer one the broker has given the car up, and the burst comes behind a new birth. Either way in the order
   in which it was said: a card that came before the ignition must not be heard after it.
3. Into a full hold the oldest telemetry gives way; an event never does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from vehicle_emulator.messages import Message

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

# A broker gives a connection up after one and a half keepalives of 60 s.
PATIENCE_MS: Final = 90_000
MOST_HELD: Final = 2_000


class Told(NamedTuple):
    """Something the vehicle says, and when it was due."""

    message: Message
    at_ms: int


class Air(msgspec.Struct):
    """What a vehicle's radio has, and what waits for it: ``held`` to be said, ``unheard`` for a birth."""

    bearer: str = "LTE"
    is_abroad: bool = False
    is_covered: bool = True
    is_given_up: bool = False
    lost_ms: int = 0
    dropped: int = 0
    held: list[Told] = msgspec.field(default_factory=list)
    unheard: list[Message] = msgspec.field(default_factory=list)

    def make_room(self) -> None:
        """Rule 3."""
        if len(self.held) > MOST_HELD:
            oldest = next((at for at, told in enumerate(self.held) if not told.message.event_id), None)
            if oldest is not None:
                del self.held[oldest]
                self.dropped += 1

    def take_unheard(self) -> list[Message]:
        """What is said behind a birth."""
        unheard, self.unheard = self.unheard, []
        return unheard


def lose(vehicle: Vehicle, at_ms: int) -> None:
    """No coverage from here on."""
    if vehicle.air.is_covered:
        vehicle.air.is_covered, vehicle.air.lost_ms = False, at_ms
        vehicle.plan(at_ms + PATIENCE_MS, partial(_give_up, lost_ms=at_ms))


def regain(vehicle: Vehicle, at_ms: int) -> None:
    """The radio reaches again: everything that waited is said now."""
    air = vehicle.air
    if air.is_covered:
        return
    held, air.held, air.is_covered = air.held, [], True
    if air.is_given_up:
        air.is_given_up, vehicle.is_on_air = False, True
        air.unheard += [message for message, _ in held]
        return
    for message, _ in held:
        vehicle.say(at_ms, message)


def be_at(vehicle: Vehicle, at_ms: int, bearer: str, *, is_abroad: bool) -> None:
    """The radio has this bearer here, "" for none; a change is told."""
    air = vehicle.air
    if not bearer:
        lose(vehicle, at_ms)
        return
    has_changed = (air.bearer, air.is_abroad) != (bearer, is_abroad)
    air.bearer, air.is_abroad = bearer, is_abroad
    was_given_up = air.is_given_up
    regain(vehicle, at_ms)
    if has_changed and not was_given_up and vehicle.is_on_air:
        vehicle.say(at_ms, vehicle.connection(at_ms, online=True))


def _give_up(vehicle: Vehicle, _at_ms: int, lost_ms: int) -> None:
    """Rule 2, unless something else took the car off the air."""
    air = vehicle.air
    if not air.is_covered and air.lost_ms == lost_ms and vehicle.is_on_air:
        air.is_given_up, vehicle.is_on_air = True, False
