"""Why a vehicle is offline, told from what was heard of it last. A guess with evidence; never an alarm."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.domain import said
from gateway.domain.dead_zones import fell_silent_before
from gateway.domain.moment import Moment
from gateway.domain.signals import Connection
from gateway.domain.silence import EXPECTED, LONGEST, State, jammed, state_of
from gateway.domain.vehicle import Vehicle

WhyOffline = Literal[
    "asleep",
    "private_mode",
    "edge_call",
    "no_coverage",
    "jammed",
    "power_cut",
    "unit_dead",
    "never_seen",
]
LAST_WORD = timedelta(hours=1)
"""A cut that was stated longer before the last message did not cause the silence."""
NO_COVERAGE_AT_MOST = timedelta(hours=24)
"""A car that is driven meets coverage again within a day."""


class Offline(Struct, frozen=True):
    """The likely reason, and the sentence that an operator can read out."""

    reason: WhyOffline
    said: said.Said

    @property
    def evidence(self) -> str:
        """The sentence in English."""
        return said.told(self.said)


def is_online(vehicle: Vehicle) -> bool | None:
    """Whether the vehicle is connected: as it stated, and anything heard later means online."""
    stated = vehicle.stated.get("connection")
    if not isinstance(stated, Connection):
        return None if vehicle.heard_at is None else True
    return stated.online or (vehicle.heard_at is not None and vehicle.heard_at > stated.received_at)


def is_awaited(vehicle: Vehicle) -> bool:
    """Whether its next word matters, whatever it says: it counts as away, or a command waits for it."""
    return is_online(vehicle) is False or bool(vehicle.remote.waiting)


def why_offline(vehicle: Vehicle, now: datetime) -> Offline | None:
    """The reason, first that applies; None while the vehicle is online."""
    heard_at, online = vehicle.heard_at, is_online(vehicle)
    if heard_at is None:
        return None if online else Offline("never_seen", said.say("unheard_ever"))
    if online:
        return None
    since = f"{heard_at:%Y-%m-%d %H:%M:%S} UTC"
    jamming = jammed(vehicle)
    if jamming is not None:
        return Offline("jammed", said.say("unheard_jammed", since=since, cause=jamming[0]))
    cut = _last_word(vehicle, "battery_disconnect", heard_at)
    if cut is not None:
        stated_at = f"{cut.at:%H:%M:%S} UTC"
        return Offline(
            "power_cut", said.say("unheard_cut", since=since, at=stated_at, cause="battery_disconnect")
        )
    return _quiet(vehicle, since, now - heard_at, heard_at)


def _quiet(vehicle: Vehicle, since: str, silent: timedelta, heard_at: datetime) -> Offline:
    state = state_of(vehicle)
    for cause in ("health_check_failed", "backup_battery_low", "battery_low"):
        if state != "asleep" and _last_word(vehicle, cause, heard_at) is not None:
            return Offline("unit_dead", said.say("unheard_weak", since=since, cause=cause))
    times = _silent_here_before(vehicle, heard_at, silent)
    if times and state not in ("asleep", "private"):
        return Offline("no_coverage", said.say("unheard_here", since=since, count=times))
    if silent > longest(state):
        return Offline("unit_dead", said.say("unheard_long", since=since, state=state))
    if state == "private":
        return Offline("private_mode", said.say("unheard_private", since=since))
    if state == "edge" and silent <= LONGEST["edge"]:
        return Offline("edge_call", said.say("unheard_edge", since=since))
    if state in ("driving", "edge"):
        return Offline("no_coverage", said.say("unheard_driving", since=since))
    if state == "charging":
        return Offline("no_coverage", said.say("unheard_charging", since=since))
    return Offline("asleep", said.say("unheard_asleep", since=since))


def _silent_here_before(vehicle: Vehicle, heard_at: datetime, silent: timedelta) -> int:
    if silent > 2 * EXPECTED["asleep"].every:
        return 0  # no garage keeps a car that long
    spots, position, now = vehicle.quiet_spots, vehicle.position, heard_at + silent
    return fell_silent_before(spots, vehicle.vin, position, heard_at=heard_at, now=now)


def longest(state: State) -> timedelta:
    """A vehicle in this state that is silent for longer has a dead unit."""
    if state in ("driving", "edge", "charging"):
        return NO_COVERAGE_AT_MOST
    return 2 * EXPECTED["asleep"].every


def _last_word(vehicle: Vehicle, cause: str, heard_at: datetime) -> Moment | None:
    known = vehicle.sensed.get(cause)
    if known is None or known.triggered is None or not known.is_on:
        return None
    return known.triggered if heard_at - known.triggered.received_at <= LAST_WORD else None
