"""
A vehicle's ``Track`` as a few bytes.

A record is a head and numbers, laid out by its form, and then what is not of the newest message: older
values, where the car was parked, and the like; nothing for a car that says the same signals all the time.
Times are seconds since 1970 as a double, which is exact to the microsecond for all that is let in here.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from struct import Struct as Layout
from typing import Any

import msgspec
from msgspec import Struct

from gateway.domain.signals import EARLIEST, Movement, Position
from gateway.pipeline.forms import KINDS, NAMES, NO_NUMBER, PLACE_OF, Form, Forms, Traits
from gateway.pipeline.track import (
    NEVER,
    PLACES_AT_MOST,
    PLACES_WITHIN,
    RENEW_MOVEMENT_AFTER,
    Track,
    moves,
)
from gateway.ports import SignalValue
from gateway.wire.telemetry import ACCURACY, LATITUDE, LONGITUDE, ODOMETER, SPEED

EXACT_UNTIL = datetime(2106, 1, 1, tzinfo=UTC)
"""Until then a double tells microseconds apart."""

_HEARD = Layout("<d")
_HEARD_AT = 2
"""Where in a record it stands."""


class Rest(Struct, array_like=True, gc=False, kw_only=True):
    """What is not of the newest message, or does not fit there; see ``Track``."""

    values: list[tuple[datetime, dict[int | str, Any]]] = []
    """By their time; known signals by their place in the table."""
    others: int = 0
    newest_at: datetime | None = None
    newest_movement: tuple[Any, ...] | None = None
    number: int | None = None
    number_at: datetime | None = None
    told_at: datetime | None = None
    position: tuple[Any, ...] | None = None
    position_at: datetime | None = None
    told_position: tuple[Any, ...] | None = None
    told_position_at: datetime | None = None
    watch_until: datetime | None = None
    confirmed: int = 0
    places: list[datetime] = []
    traits: Traits | None = None
    """Where there was no room for the form among those of all."""


class Newest(Struct, gc=False):
    """What of the newest message fits into a form and its numbers."""

    names: tuple[str, ...] = ()
    numbers: tuple[Any, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()


FORMS = Forms()
_BARE = FORMS.bare
_NOTHING = Rest()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rest).decode


def seconds(at: datetime | None) -> float:
    """Since 1970; 0.0 for none."""
    return 0.0 if at is None else at.timestamp()


def moment(at_s: float) -> datetime | None:
    """The other way round."""
    return datetime.fromtimestamp(at_s, UTC) if at_s else None


def heard_s(record: bytes) -> float:
    """When the vehicle was heard, of its record; 0.0 if never."""
    found: float = _HEARD.unpack_from(record, _HEARD_AT)[0]
    return found


# -- packing -------------------------------------------------------------------------------------------------


def pack(track: Track, *, bare: bool = False) -> bytes:
    """A record of everything; ``bare`` leaves nothing to a form of its own."""
    track.settle()
    at, groups = track.newest_at, _groups(track)
    fits = not bare and track.heard_at is not None and EARLIEST <= at <= track.heard_at < EXACT_UNTIL
    newest = _newest(groups.get(at, {})) if fits else Newest()
    traits = _traits(track, newest, fits=fits)
    form = _BARE if bare else FORMS.of(newest.names, newest.fixed, traits)
    if form is None:
        return pack(track, bare=True)
    stated_at = at if fits else None
    if traits.moved and track.newest_movement is not None:
        stated_at = track.newest_movement.occurred_at
    calm = form.passes and _is_calm(track)
    head = form.pack(
        form.index | track.newest_told,
        seconds(track.heard_at),
        seconds(stated_at),
        seconds(track.calm_until) if calm else 0.0,
        NO_NUMBER if track.number is None or not traits.numbered else track.number,
        *newest.numbers,
    )
    rest = _rest(track, traits, groups, calm=calm, fits=fits)
    if bare:
        rest.traits = traits
    return head if rest == _NOTHING else head + _encode(rest)


def _groups(track: Track) -> dict[datetime, dict[int | str, Any]]:
    groups: dict[datetime, dict[int | str, Any]] = {}
    for name, known in track.values.items():
        groups.setdefault(known.at, {})[PLACE_OF.get(name, name)] = known.value
    return groups


def _newest(group: dict[int | str, Any]) -> Newest:
    """Takes out of the group what fits: whatever is of another type than its signal mostly is, stays."""
    names, numbers, fixed = [], [], []
    for place in sorted(one for one in group if isinstance(one, int)):
        name, value = NAMES[place], group[place]
        kind = KINDS[name]
        if kind is None:
            fixed.append((name, value))
        elif kind is type(value):
            names.append(name)
            numbers.append(value)
        else:
            continue
        del group[place]
    return Newest(tuple(names), tuple(numbers), tuple(fixed))


def _traits(track: Track, newest: Newest, *, fits: bool) -> Traits:
    signals = dict(zip(newest.names, newest.numbers, strict=True)) | dict(newest.fixed)
    newest_movement, at = track.newest_movement, track.newest_at
    moved = (
        fits
        and newest_movement is not None
        and newest_movement.at == at
        and newest_movement.received_at == track.heard_at
        and newest_movement.occurred_at is not None
        and EARLIEST <= newest_movement.occurred_at < EXACT_UNTIL
        and newest_movement
        == movement(track.heard_at, newest_movement.occurred_at, signals, missed=track.missed)
    )
    return Traits(
        ignition=track.ignition,
        told_moving=track.told_moving,
        missed=track.missed,
        set_back=track.set_back,
        position_told=track.position_told,
        told_driven=track.told_driven,
        moved=moved,
        located=fits and track.position_at == at and track.position == _position(signals),
        numbered=track.number is None or (fits and track.number_at == at and track.number < NO_NUMBER),
        traced=track.told_position_at == track.told_at,
    )


def _is_calm(track: Track) -> bool:
    """Whether the last statement of movement follows from the end of the calm: a record has no other."""
    if track.calm_until is NEVER or not track.told_moving:
        return track.calm_until is not NEVER
    return track.told_at is not None and track.told_at + RENEW_MOVEMENT_AFTER == track.calm_until


def _rest(
    track: Track, traits: Traits, groups: dict[datetime, dict[int | str, Any]], *, calm: bool, fits: bool
) -> Rest:
    rest = Rest(
        values=[group for group in groups.items() if group[1]],
        others=track.others,
        told_at=None if calm and track.told_moving else track.told_at,
        told_position_at=None if traits.traced else track.told_position_at,
        watch_until=track.watch_until,
        confirmed=track.confirmed,
    )
    if not fits and track.newest_at is not NEVER:
        rest.newest_at = track.newest_at
    if not traits.moved and track.newest_movement is not None:
        rest.newest_movement = _parts(track.newest_movement)
    if not traits.numbered:
        rest.number, rest.number_at = track.number, track.number_at
    if not traits.located:
        rest.position, rest.position_at = _degrees(track.position), track.position_at
    if not traits.position_told:
        rest.told_position = _degrees(track.told_position)
    if track.places and track.position_at is not None:
        # Positions grow no older: what was told so long before this one never counts again.
        rest.places = [at for at in track.places if track.position_at - at < PLACES_WITHIN]
    return rest


# -- unpacking -----------------------------------------------------------------------------------------------


def unpack(record: bytes) -> Track:
    """The other way round; equal in all that can be asked of it, though it may go the long way once more."""
    form: Form = FORMS.by_index[record[0] | record[1] << 8]
    index, heard_s, stated_s, calm_until_s, number, *numbers = form.unpack_from(record)
    rest = _decode(record[form.size :]) if len(record) > form.size else _NOTHING
    traits, track = rest.traits or form.traits, Track()
    track.heard_at = moment(heard_s)
    at = track.newest_at = moment(min(heard_s, stated_s)) or rest.newest_at or NEVER
    signals: dict[str, Any] = dict(zip(form.names, numbers, strict=True)) | dict(form.fixed)
    groups: list[tuple[datetime, dict[Any, Any]]] = [(at, signals), *rest.values]
    track.values = {
        NAMES[place] if isinstance(place, int) else place: SignalValue(value, stated_at)
        for stated_at, group in groups
        for place, value in group.items()
    }
    track.others = rest.others
    track.ignition, track.told_moving, track.missed = traits.ignition, traits.told_moving, traits.missed
    track.set_back, track.told_driven = traits.set_back, traits.told_driven
    _told(track, rest, traits, calm_until_s)
    if number != NO_NUMBER:
        track.number, track.number_at = number, at
    elif rest.number is not None:
        track.number, track.number_at = rest.number, rest.number_at or NEVER
    track.newest_told = bool(index & 1)
    if traits.moved and track.heard_at is not None:
        track.newest_movement = movement(track.heard_at, moment(stated_s), signals, missed=track.missed)
    elif rest.newest_movement is not None:
        track.newest_movement = _whole(rest.newest_movement)
    _place(track, rest, traits, signals)
    return track


def _told(track: Track, rest: Rest, traits: Traits, calm_until_s: float) -> None:
    """What was told of movement, and how long that holds."""
    track.calm(moment(calm_until_s) or NEVER)
    track.told_at = rest.told_at
    if calm_until_s and traits.told_moving:
        track.told_at = track.calm_until - RENEW_MOVEMENT_AFTER
    track.told_position_at = track.told_at if traits.traced else rest.told_position_at


def _place(track: Track, rest: Rest, traits: Traits, signals: dict[str, Any]) -> None:
    """Where it is, and where it was told to be."""
    if traits.located:
        track.position, track.position_at = _position(signals), track.newest_at
    elif rest.position is not None:
        track.position, track.position_at = Position(*rest.position), rest.position_at
    track.position_told = traits.position_told
    if traits.position_told:
        track.told_position = track.position
    elif rest.told_position is not None:
        track.told_position = Position(*rest.told_position)
    track.watch_until, track.confirmed = rest.watch_until, rest.confirmed
    track.places = deque(rest.places, maxlen=PLACES_AT_MOST)


# -- what follows from a message, or is kept without its names -----------------------------------------------


def movement(
    received_at: datetime, occurred_at: datetime | None, signals: dict[str, Any], *, missed: bool = False
) -> Movement:
    """The fact that a message of a calm car makes; see ``Track.moved``."""
    return Movement(
        received_at=received_at,
        occurred_at=occurred_at,
        moving=moves(signals),
        speed_km_h=signals.get(SPEED),
        position=_position(signals),
        odometer_m=signals.get(ODOMETER),
        after_gap=missed,
    )


def _position(signals: dict[str, Any]) -> Position | None:
    if LATITUDE not in signals or LONGITUDE not in signals:
        return None
    return Position(signals[LATITUDE], signals[LONGITUDE], signals.get(ACCURACY))


def _degrees(position: Position | None) -> tuple[Any, ...] | None:
    return None if position is None else msgspec.structs.astuple(position)


def _parts(fact: Movement) -> tuple[Any, ...]:
    *parts, position, odometer_m, after_gap = msgspec.structs.astuple(fact)
    return (*parts, _degrees(position), odometer_m, after_gap)


def _whole(parts: tuple[Any, ...]) -> Movement:
    values = dict(zip(Movement.__struct_fields__, parts, strict=True))
    if values["position"] is not None:
        values["position"] = Position(*values["position"])
    return Movement(**values)
