"""
Messages that need no more of a vehicle than the head of its record; their names are those of its form.

Most say nothing that the fold has to hear: a car drives on as it did a moment ago. ``passed`` finds that out
without a fact and without a loop, and exchanges head and numbers. ``renewed`` is for one with which the last
statement of movement wears out, and nothing else. Whatever is not surely of these kinds goes the long way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from struct import Struct as Layout
from typing import NamedTuple

from msgspec.structs import astuple

from gateway.domain.signals import Movement
from gateway.pipeline.forms import HEAD, NO_NUMBER
from gateway.pipeline.packed import EXACT_UNTIL, FORMS, movement
from gateway.pipeline.track import MOVING_ABOVE_KM_H, RENEW_MOVEMENT_AFTER, WAS_SILENT
from gateway.wire.steady import Decode, Steady

WAS_SILENT_S = WAS_SILENT.total_seconds()
RENEW_AFTER_S = RENEW_MOVEMENT_AFTER.total_seconds()
EXACT_UNTIL_S = EXACT_UNTIL.timestamp()
TOLD = 1
"""In the index of a form: the newest movement is the one that was told."""

Head = tuple[int, float, float, float, int]
"""See ``HEAD``."""
CALM_UNTIL = 3
_HEAD = Layout(HEAD)
head_of = _HEAD.unpack_from
_form_of = FORMS.by_index


def decode_of(head: Head) -> Decode | None:
    """Of messages that say what the record's newest one said; None where none can pass."""
    return _form_of[head[0]].decode if head[CALM_UNTIL] else None


class Renewal(NamedTuple):
    """A statement of movement, and the record if it finds no room and if it does."""

    fact: Movement
    untold: bytes
    told: bytes


def passed(record: bytes, head: Head, message: Steady, received_s: float) -> bytes | None:  # noqa: C901  # no calls
    """The record after a message that says nothing that the fold has to hear; None if it may."""
    index, heard_s, stated_s, calm_until_s, number = head
    occurred_at = message.occurred_at
    if occurred_at.tzinfo is not UTC:
        return None
    at_s = occurred_s = occurred_at.timestamp()
    if occurred_s > received_s:
        if occurred_s >= EXACT_UNTIL_S:
            return None
        at_s = received_s
    stated_s = min(stated_s, heard_s)
    if not stated_s < at_s < calm_until_s or received_s - heard_s >= WAS_SILENT_S:
        return None
    seq = message.seq
    if seq is None:
        seq = NO_NUMBER
        if number != seq:
            return None
    elif seq - 1 != number or seq >= NO_NUMBER:
        return None
    form = _form_of[index]
    values = astuple(message.signals)
    if values[form.count :] != form.said:
        return None
    numbers = values[: form.count]
    if form.is_told_by_speed:
        moving = not -MOVING_ABOVE_KM_H <= numbers[0] <= MOVING_ABOVE_KM_H
        if moving is not form.moving:
            return None
    packed = form.pack(index & form.keeps, received_s, occurred_s, calm_until_s, seq, *numbers)
    return packed if len(record) == form.size else packed + record[form.size :]


def renewed(record: bytes, head: Head, message: Steady, received_at: datetime) -> Renewal | None:
    """What a message leaves with which a statement of movement wears out, and that says nothing else."""
    index, heard_s, stated_s, calm_until_s, number = head
    if not FORMS.by_index[index].renews:
        return None
    after = passed(record, (index, heard_s, stated_s, inf, number), message, received_at.timestamp())
    if after is None:
        return None
    fact = movement(received_at, message.occurred_at, message.signals.by_name())
    return Renewal(
        fact, _until(after, calm_until_s), _until(after, fact.at.timestamp() + RENEW_AFTER_S, TOLD)
    )


def _until(record: bytes, calm_until_s: float, mark: int = 0) -> bytes:
    index, heard_s, stated_s, _, number = head_of(record)
    return _HEAD.pack(index | mark, heard_s, stated_s, calm_until_s, number) + record[_HEAD.size :]
