"""
Special modes: who may set one, for how long, what ends it, and where its place is.

Rules of this file:

1. A mode suppresses only while it can be read: known kind, begun, not over, not longer than allowed.
2. Every mode ends: by time, by a person, by being driven (transport), by leaving its place (workshop).
3. A place keeps no trail: only whether, and when, the car was last seen inside.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.signals import Place, Position

EndedBy = Literal["time", "setter", "operator", "driven", "left_place", "finished", "transferred"]

DAY = timedelta(hours=24)
REMIND_AT = 0.8
MAX_STARTS_A_DAY = 2
FIX_COUNTS_FOR = timedelta(minutes=10)
LEFT_AFTER_FIXES = 2
SLOW_KM_H = 30
NEAR_M = 1000
FASTEST_M_S = 100
"""A fix that could only be reached faster than this is none."""
EARTH_RADIUS_M = 6_371_000
MIN_RADIUS_M, MAX_RADIUS_M, DEFAULT_RADIUS_M = 50, 2000, 300
POSITION_COUNTS_FOR = timedelta(hours=1)
REQUEST_LIVES = DAY
MAX_PAST = 20
INSTALLATION = "software_installation"


class Limits(Struct, frozen=True):
    """How long a mode lasts: unless stated, at most for the main user, at most for an operator."""

    default: timedelta
    main_user: timedelta
    operator: timedelta


def _limits(default_h: float, main_user_h: float, operator_h: float) -> Limits:
    return Limits(timedelta(hours=default_h), timedelta(hours=main_user_h), timedelta(hours=operator_h))


MODES: dict[str, Limits] = {
    "workshop": _limits(4, 12, 72),
    "transport": _limits(24, 72, 7 * 24),
    "deactivation": _limits(4, 24, 24),
}
"""The modes that people set."""
KINDS: dict[str, Limits] = {**MODES, INSTALLATION: _limits(1, 1, 1)}
"""Every mode, the gateway's own implicit one included."""


class Whereabouts(Struct, frozen=True, omit_defaults=True):
    """What is known of a car and the place of its mode, without saying where the car is."""

    inside: bool | None = None
    """By the newest fix; None: there was none."""
    fix_at: datetime | None = None
    inside_at: datetime | None = None
    beyond: int = 0
    """Fixes in a row that were beyond the radius and their own accuracy."""
    odometer_m: float | None = None
    """As first stated since the newest fix."""
    away: bool = False
    """It was elsewhere when the mode was set, and has not come yet: it can't leave."""
    went_off: bool = False
    """Faster or farther than a yard move, since the newest fix."""


class SpecialMode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mode of one vehicle, running or past."""

    mode_id: str
    mode: str
    starts_at: datetime
    set_at: datetime
    """When its present end was set: at its start, or by its newest setter."""
    ends_at: datetime
    set_by: str
    role: str
    reason: str = ""
    user: str | None = None
    place: Place | None = None
    whereabouts: Whereabouts = Whereabouts()
    requested_by: str | None = None
    """The workshop that asked for it."""
    reminded: bool = False
    overdue: bool = False
    unrestored: dict[str, datetime] = {}
    """Causes stated by the car that it holds back and that were not restored yet, since when."""
    newest: dict[str, datetime] = {}
    """When each of them was last stated, by the time that orders it."""
    found: dict[str, datetime] = {}
    """Causes that the gateway found itself and that it holds back, since then."""
    suppressed: int = 0
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: EndedBy | None = None


class Start(Struct, frozen=True, array_like=True):
    """One start by the main user: the two a day, and the hours a day, are counted from these."""

    mode: str
    at: datetime
    until: datetime


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a workshop has asked for; the main user's own request grants it."""

    by: str
    at: datetime
    reason: str
    duration_s: float | None = None
    place: Place | None = None


class Modes(Struct, frozen=True, omit_defaults=True):
    """All special modes of one vehicle."""

    running: tuple[SpecialMode, ...] = ()
    past: tuple[SpecialMode, ...] = ()
    starts: tuple[Start, ...] = ()
    request: Request | None = None
    made: int = 0

    def of(self, mode: str) -> SpecialMode | None:
        """The running mode of a kind."""
        return next((one for one in self.running if one.mode == mode), None)


def longest(mode: str, role: str) -> timedelta:
    """The longest that a role may ask for."""
    limits = KINDS[mode]
    return limits.operator if role == "operator" else limits.main_user


def counts(mode: SpecialMode, now: datetime) -> bool:
    """Whether it may suppress. In doubt not: a clock set back behind its start, an end too far off."""
    if mode.mode not in KINDS or not mode.starts_at <= mode.set_at <= now < mode.ends_at:
        return False
    return mode.ends_at - mode.set_at <= longest(mode.mode, mode.role)


def put(modes: Modes, mode: SpecialMode) -> Modes:
    """Keep a mode in place of its earlier version."""
    others = tuple(one for one in modes.running if one.mode != mode.mode)
    return replace(modes, running=(*others, mode))


def close(modes: Modes, mode: SpecialMode, why: EndedBy, by: str, now: datetime) -> Modes:
    """Move a mode to the past; what its setter did not use is given back."""
    ended = replace(mode, ended_at=now, ended_by=by, ended_why=why, unrestored={}, newest={}, found={})
    running = tuple(one for one in modes.running if one.mode_id != mode.mode_id)
    starts = cut_short(modes.starts, mode.mode, now)
    return replace(modes, running=running, past=(*modes.past, ended)[-MAX_PAST:], starts=starts)


def cut_short(starts: tuple[Start, ...], mode: str, now: datetime) -> tuple[Start, ...]:
    """Starts of a mode, none of which lasts any longer."""
    return tuple(
        replace(one, until=min(one.until, now)) if one.mode == mode and one.at <= now else one
        for one in starts
    )


def within_limit(starts: tuple[Start, ...], mode: str, duration: timedelta, now: datetime) -> bool:
    """Whether the main user may start a mode again: twice, and the longest duration, in any 24 hours."""
    recent = [one for one in cut_short(starts, mode, now) if one.mode == mode and now - one.at < DAY]
    used = sum((one.until - one.at for one in recent), timedelta(0))
    return len(recent) < MAX_STARTS_A_DAY and used + duration <= MODES[mode].main_user


def started(starts: tuple[Start, ...], mode: str, now: datetime, until: datetime) -> tuple[Start, ...]:
    """Take note of a start by the main user; what is a day old counts no more."""
    kept = [one for one in cut_short(starts, mode, now) if now - one.at < DAY]
    return (*kept, Start(mode, now, until))


def reminder_at(mode: SpecialMode) -> datetime | None:
    """When its people are reminded that it ends."""
    if mode.reminded or mode.mode not in MODES:
        return None
    return mode.set_at + REMIND_AT * (mode.ends_at - mode.set_at)


def overdue_at(mode: SpecialMode) -> datetime | None:
    """When an operator's mode passes the main user's longest, if it ever does."""
    if mode.overdue or mode.role != "operator":
        return None
    at = mode.starts_at + longest(mode.mode, "main_user")
    return at if at < mode.ends_at else None


def wakes(modes: Modes) -> list[datetime]:
    """Every time at which something is due."""
    times = [one.ends_at for one in modes.running]
    for one in modes.running:
        times += [at for at in (reminder_at(one), overdue_at(one)) if at is not None]
    return times


# -- the place --------------------------------------------------------------------------------------------


def is_place(place: Place) -> bool:
    """Whether it is a circle that the contract allows."""
    return (
        MIN_RADIUS_M <= place.radius_m <= MAX_RADIUS_M
        and -90 <= place.latitude <= 90  # noqa: PLR2004  # degrees
        and -180 <= place.longitude <= 180  # noqa: PLR2004  # degrees
    )


def is_inside(mode: SpecialMode, now: datetime) -> bool:
    """A fix of ten minutes at most says so; without one, neither speed nor distance may be a drive's."""
    seen = mode.whereabouts
    if mode.place is None or seen.inside is False:
        return False
    fresh = seen.fix_at is not None and seen.fix_at <= now < seen.fix_at + FIX_COUNTS_FOR
    return fresh or not seen.went_off


def look(mode: SpecialMode, position: Position, at: datetime) -> SpecialMode:
    """Take a fix in; an older one, or one that no car can have reached, changes nothing."""
    seen, place = mode.whereabouts, mode.place
    if place is None or (seen.fix_at is not None and at <= seen.fix_at):
        return mode
    distance_m = distance(place.latitude, place.longitude, position.latitude, position.longitude)
    if not _reachable(mode, position, distance_m, at):
        return mode
    if distance_m <= place.radius_m:
        fresh = Whereabouts(inside=True, fix_at=at, inside_at=at)
    else:
        left = distance_m > place.radius_m + (position.accuracy_m or 0)
        beyond = min(seen.beyond + 1, LEFT_AFTER_FIXES) if left else seen.beyond
        fresh = Whereabouts(inside=False, fix_at=at, inside_at=seen.inside_at, beyond=beyond, away=seen.away)
    return replace(mode, whereabouts=fresh)


def notice(
    mode: SpecialMode, speed_km_h: float | None, odometer_m: float | None, at: datetime
) -> SpecialMode:
    """Take speed and odometer in; they count where no fix tells."""
    seen = mode.whereabouts
    if mode.place is None or (seen.fix_at is not None and at < seen.fix_at):
        return mode
    first_m = odometer_m if seen.odometer_m is None else seen.odometer_m
    far = odometer_m is not None and first_m is not None and odometer_m - first_m > NEAR_M
    fast = speed_km_h is not None and abs(speed_km_h) > SLOW_KM_H
    if first_m == seen.odometer_m and not far and not fast:
        return mode
    seen = replace(seen, odometer_m=first_m, went_off=seen.went_off or far or (fast and not _told(seen, at)))
    return replace(mode, whereabouts=seen)


def has_left(mode: SpecialMode, now: datetime) -> bool:
    """Whether the car, once inside or never seen, has left the place."""
    seen = mode.whereabouts
    if mode.place is None:
        return False
    if seen.away:
        return False
    return seen.beyond >= LEFT_AFTER_FIXES or (seen.went_off and not _told(seen, now))


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres along the ground."""
    north, east = radians(other_latitude - latitude), radians(other_longitude - longitude)
    chord = sin(north / 2) ** 2 + cos(radians(latitude)) * cos(radians(other_latitude)) * sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord)))


def _told(seen: Whereabouts, now: datetime) -> bool:
    return seen.fix_at is not None and now < seen.fix_at + FIX_COUNTS_FOR


def _reachable(mode: SpecialMode, position: Position, distance_m: float, at: datetime) -> bool:
    """Receivers state 0,0 or far jumps when they are lost."""
    if position.latitude == 0 and position.longitude == 0:
        return False
    inside_at, place = mode.whereabouts.inside_at, mode.place
    if inside_at is None or place is None:
        return True
    return distance_m - place.radius_m <= max((at - inside_at).total_seconds(), 1) * FASTEST_M_S
