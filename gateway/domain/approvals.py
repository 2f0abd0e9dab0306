"""
The second person: an act that one person asks for and another one's same call executes (contract 5.2).

The key of an act is made of its path and body, so that both persons mean the same. A request lives for ten
minutes; whoever asked for it can't be the one who approves it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.identity import identity

APPROVAL_LIVES = timedelta(minutes=10)
MAX_WAITING = 16
MAX_REQUESTS = 8
"""So many calls of one person are remembered with what they ask for, the newest."""
OWN_TO_EACH_CALL = frozenset({"request_id", "issued_at"})

_encode = msgspec.json.Encoder(order="deterministic").encode


class Approval(Struct, frozen=True):
    """An act that waits for a second person."""

    approval_id: str
    key: str
    what: str
    asked_by: str
    asked_at: datetime
    requests: tuple[tuple[str, str], ...] = ()
    """User and ``request_id`` of each call that asked: what is executed answers them all."""


class Approvals(Struct, frozen=True, omit_defaults=True):
    """What waits for one vehicle."""

    waiting: tuple[Approval, ...] = ()
    made: int = 0


class Pending(Struct, frozen=True):
    """It waits."""

    approval: Approval


class Approved(Struct, frozen=True):
    """A second person has made the same call: it may happen now, once."""

    approval: Approval


def approval_key(path: str, body: dict[str, Any]) -> str:
    """The same for the same path and body, but for what is each call's own."""
    meant = {name: value for name, value in body.items() if name not in OWN_TO_EACH_CALL}
    return sha256(path.encode() + b"\n" + _encode(meant)).hexdigest()


def ask(
    approvals: Approvals,
    *,
    vin: str,
    key: str,
    what: str,
    by: str,
    now: datetime,
    request: tuple[str, str] | None = None,
) -> tuple[Approvals, Pending | Approved]:
    """Ask for an act, or approve what another has asked for; ``request`` is user and ``request_id``."""
    asking = () if request is None else (request,)
    fresh = tuple(one for one in approvals.waiting if one.asked_at <= now < one.asked_at + APPROVAL_LIVES)
    own = next((one for one in fresh if one.key == key and one.asked_by == by), None)
    if own is not None:
        if request is None or request in own.requests:
            return approvals, Pending(own)
        again = replace(own, requests=(*own.requests, request)[-MAX_REQUESTS:])
        waiting = tuple(again if one is own else one for one in approvals.waiting)
        return replace(approvals, waiting=waiting), Pending(again)
    other = next((one for one in fresh if one.key == key), None)
    if other is not None:
        left = tuple(one for one in fresh if one.key != key)
        return replace(approvals, waiting=left), Approved(other)
    number = approvals.made + 1
    new = Approval(identity(vin, "approval", number, now), key, what, by, now, asking)
    return Approvals((*fresh, new)[-MAX_WAITING:], number), Pending(new)
