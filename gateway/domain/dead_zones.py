"""
Places where a vehicle fell silent before and came back: its own underground garage, for one.

Rules of this file:

1. They only explain why a vehicle is offline. No alarm asks them.
2. They are no positions: a place is kept as a number that only its vehicle and a guess of the place give.
3. Few are kept, each for so long after it last happened.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from msgspec import Struct

from gateway.domain.alarms import PositionFix

CELL_DEGREES = 0.002
"""About 220 m from south to north."""
AROUND = (-1, 0, 1)
MAX_SPOTS = 4
KEPT_FOR = timedelta(days=90)
SILENT_FOR = timedelta(minutes=10)
FRESH = timedelta(minutes=5)
"""A position that is older when the silence begins says nothing of where it began."""
NUMBER_CHARS = 12


class QuietSpot(Struct, frozen=True, array_like=True):
    """One of them: its number, how often, and when the vehicle last came back."""

    number: str
    times: int
    at: datetime


def came_back(
    spots: tuple[QuietSpot, ...], vin: str, position: PositionFix | None, silent: tuple[datetime, datetime]
) -> tuple[QuietSpot, ...]:
    """Take note of a silence, from when until when by the gateway's clock, that has ended by itself."""
    since, until = silent
    if until - since < SILENT_FOR or not _fits(position, since) or position is None:
        return spots
    kept = [one for one in spots if until - one.at < KEPT_FOR]
    known = _known(tuple(kept), vin, position)
    if known is None:
        kept.append(QuietSpot(_number(vin, position, 0, 0), 1, until))
    else:
        kept.remove(known)
        kept.append(QuietSpot(known.number, known.times + 1, until))
    return tuple(kept[-MAX_SPOTS:])


def fell_silent_before(
    spots: tuple[QuietSpot, ...],
    vin: str,
    position: PositionFix | None,
    *,
    heard_at: datetime,
    now: datetime,
) -> int:
    """How often the vehicle came back from a silence that began about where this one did."""
    if position is None or not spots or not _fits(position, heard_at):
        return 0
    known = _known(tuple(one for one in spots if now - one.at < KEPT_FOR), vin, position)
    return 0 if known is None else known.times


def _fits(position: PositionFix | None, heard_at: datetime) -> bool:
    return position is not None and abs(heard_at - position.at) <= FRESH


def _known(spots: tuple[QuietSpot, ...], vin: str, position: PositionFix) -> QuietSpot | None:
    around = {_number(vin, position, north, east) for north in AROUND for east in AROUND} if spots else set()
    return next((one for one in spots if one.number in around), None)


def _number(vin: str, position: PositionFix, north: int, east: int) -> str:
    cell = round(position.latitude / CELL_DEGREES) + north, round(position.longitude / CELL_DEGREES) + east
    return sha256(f"{vin}|{cell[0]}|{cell[1]}".encode()).hexdigest()[:NUMBER_CHARS]
