"""
What stops a command although its person may ask for it: a car that moves, an open door, an empty battery.

Interlocks fail closed. What telemetry said a moment ago comes with the request; after a restart of the
gateway only the vehicle's own state knows, and the newer of both counts. A command that waits is decided
on what telemetry says when it is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from gateway.domain.remote_access.facts import Stated
from gateway.domain.remote_access.state import WAKE_BUDGET, RemoteAccess
from gateway.domain.situation import MOVEMENT_HOLDS, Situation
from gateway.domain.vehicle import Vehicle

Moves = Literal["moving", "standing", "unknown"]


def movement(vehicle: Vehicle, stated: Stated | None, now: datetime) -> Moves:
    """
    Whether the car moves.

    A statement holds for a minute; that it stands holds for as long as its ignition is off.
    """
    moving, at = _movement(vehicle.past.now, stated)
    if moving is None or at is None:
        return "unknown"
    fresh = now - at <= MOVEMENT_HOLDS
    if moving:
        return "moving" if fresh else "unknown"
    return "standing" if fresh or ignition_on(vehicle, stated) is False else "unknown"


def _movement(situation: Situation, stated: Stated | None) -> tuple[bool | None, datetime | None]:
    found: list[tuple[datetime, bool]] = []
    if situation.moving_stated is not None:
        found.append((situation.moving_stated.at, True))
    if situation.stopped is not None:
        found.append((situation.stopped.at, False))
    if stated is not None and stated.moving is not None and stated.moving_at is not None:
        found.append((stated.moving_at, stated.moving))
    if not found:
        return None, None
    at, moving = max(found)  # of two at one instant, the one that stops more
    return moving, at


def ignition_on(vehicle: Vehicle, stated: Stated | None) -> bool | None:
    """Whether the ignition is on; None: nobody said so."""
    situation = vehicle.past.now
    known, known_at = situation.ignition_on, situation.ignition_stated_at
    if stated is None or stated.ignition_on is None or stated.ignition_at is None:
        return known
    return stated.ignition_on if known_at is None or stated.ignition_at >= known_at else known


def is_door_open(stated: Stated | None) -> bool:
    """Whether a door was last said to be open."""
    return stated is not None and bool(stated.door_open)


def restated(vehicle: Vehicle, newest: Stated) -> Vehicle:
    """
    The vehicle with its waiting commands on what telemetry says now; the vehicle itself if that is no news.

    What ``newest`` does not know stays as it was stated before.
    """
    renewed = tuple(
        replace(one, stated=_newer(one.stated, newest)) if one.status == "accepted" else one
        for one in vehicle.remote.open
    )
    if renewed == vehicle.remote.open:
        return vehicle
    return replace(vehicle, remote=replace(vehicle.remote, open=renewed))


def _newer(known: Stated | None, newest: Stated) -> Stated:
    if known is None:
        return newest
    if newest.moving_at is not None and (known.moving_at is None or newest.moving_at >= known.moving_at):
        known = replace(known, moving=newest.moving, moving_at=newest.moving_at)
    if newest.ignition_at is not None and (
        known.ignition_at is None or newest.ignition_at >= known.ignition_at
    ):
        known = replace(known, ignition_on=newest.ignition_on, ignition_at=newest.ignition_at)
    return known if newest.door_open is None else replace(known, door_open=newest.door_open)


def wakes_left(vehicle: Vehicle, stated: Stated | None) -> int:
    """How many more commands the battery is spared for, since the ignition was last on."""
    if ignition_on(vehicle, stated):
        return WAKE_BUDGET
    since = vehicle.past.now.ignition_since
    sent = vehicle.remote.wakes
    counted = len(sent) if since is None else sum(at >= since.at for at in sent)
    return max(0, WAKE_BUDGET - counted - len(vehicle.remote.waiting))


def woken(remote: RemoteAccess, vehicle: Vehicle, now: datetime) -> tuple[datetime, ...]:
    """The times of waking with one more; with the ignition on, nothing is woken."""
    if vehicle.past.now.ignition_on:
        return remote.wakes
    return (*remote.wakes, now)[-WAKE_BUDGET:]
