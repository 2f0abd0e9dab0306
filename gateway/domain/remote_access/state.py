"""
The commands of one vehicle, and the life of each.

Rules of this file:

1. ``LIFE`` is the whole life; what is not in it does not happen.
2. A command is kept as long as it lives, so that the same request never makes a second one; if there is no
   room for that, no further command is taken. Afterwards the newest are kept, for results that come late.
   What became of a request is remembered for a day, long after its command has gone.
3. ``counter`` grows for ever: it is at least the seconds since 1970, so that a store restored from a backup
   does not give numbers that the vehicle has seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.remote_access.facts import Stated

Status = Literal["accepted", "sent", "performed", "failed", "expired", "unknown"]
What = Literal["send", "give_up", "time", "performed", "failed", "expired"]

LIFE: dict[tuple[Status, What], Status] = {
    ("accepted", "send"): "sent",
    ("accepted", "give_up"): "failed",
    ("accepted", "time"): "expired",
    ("sent", "time"): "unknown",
    ("sent", "performed"): "performed",
    ("sent", "failed"): "failed",
    ("sent", "expired"): "expired",
    ("unknown", "performed"): "performed",
    ("unknown", "failed"): "failed",
    ("unknown", "expired"): "expired",
    # A vehicle that speaks of a command which was never sent, as far as a restored store knows: it has it.
    ("accepted", "performed"): "performed",
    ("accepted", "failed"): "failed",
    ("accepted", "expired"): "expired",
}
OPEN: frozenset[Status] = frozenset({"accepted", "sent"})

MAX_HELD = 64
SOC_RESERVE = 8
"""Room that only the SOC's commands may take."""
KEEP_DONE = 16
MAX_REMEMBERED = 256
REMEMBER = timedelta(hours=24)
MAX_REFUSED_EACH = 8
MAX_REFUSED = 48
KEEP_REFUSED = timedelta(hours=1)
MAX_CHALLENGES = 8
WAKE_BUDGET = 15
LOOK_AGAIN = timedelta(seconds=1)


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted command."""

    command_id: str
    request_id: str
    user: str
    by: str
    role: str
    action: str
    status: Status
    issued_at: datetime
    expires_at: datetime
    changed_at: datetime
    params: dict[str, Any] = {}
    reason: str | None = None
    counter: int | None = None
    """Given when it is sent."""
    listed: bool = True
    """The registry gave the role: it is looked up again before sending, and its user has topics."""
    approved_by: str | None = None
    correlation: bytes | None = None
    stated: Stated | None = None
    """What its interlocks were decided on, until it is sent."""


class RefusedRequest(Struct, frozen=True, array_like=True):
    """A request that was refused: the same one gets the same answer."""

    user: str
    request_id: str
    reason: str
    at: datetime


class Remembered(Struct, frozen=True, array_like=True):
    """What became of a request, in few bytes: the same one makes no second command."""

    digest: str
    """Of the user and the ``request_id``."""
    command_id: str
    status: Status
    reason: str | None
    at: datetime
    role: str = ""


class GivenChallenge(Struct, frozen=True, array_like=True):
    """Which challenge a request was given: the same one gets it again."""

    user: str
    request_id: str
    challenge: str


class RemoteAccess(Struct, frozen=True, omit_defaults=True):
    """Everything remembered of one vehicle's commands."""

    counter: int = 0
    made: int = 0
    open: tuple[Command, ...] = ()
    """Accepted or sent, oldest first."""
    done: tuple[Command, ...] = ()
    refused: tuple[RefusedRequest, ...] = ()
    challenges: tuple[GivenChallenge, ...] = ()
    wakes: tuple[datetime, ...] = ()
    """When commands were last sent while the ignition was not on."""
    remembered: tuple[Remembered, ...] = ()
    """By age of their last change, each request once."""
    look_at: datetime | None = None
    """When to look whether the gateway has its broker again: the vehicle is there, and a command waits."""

    def command(self, command_id: str) -> Command | None:
        """A command that is still kept."""
        return next((one for one in (*self.open, *self.done) if one.command_id == command_id), None)

    def asked(self, user: str, request_id: str) -> Command | RefusedRequest | Remembered | None:
        """What became of a request."""
        every: tuple[Command | RefusedRequest, ...] = (*self.open, *self.done, *self.refused)
        for one in every:
            if (one.user, one.request_id) == (user, request_id):
                return one
        digest = request_digest(user, request_id)
        known = next((one for one in self.remembered if one.digest == digest), None)
        return known if known is None else self.command(known.command_id) or known

    @property
    def waiting(self) -> tuple[Command, ...]:
        """Accepted and not sent yet."""
        return tuple(one for one in self.open if one.status == "accepted")


def next_counter(remote: RemoteAccess, now: datetime) -> int:
    """Rule 3."""
    return max(remote.counter + 1, int(now.timestamp()))


def has_room(remote: RemoteAccess, now: datetime, *, soc: bool) -> bool:
    """Rule 2."""
    living = len(remote.open) + sum(one.expires_at > now for one in remote.done)
    return living < MAX_HELD + (SOC_RESERVE if soc else 0)


def request_digest(user: str, request_id: str) -> str:
    """What a request is remembered by: a user's id holds no line break."""
    own = blake2b(f"{user}\n{request_id}".encode(), digest_size=12).hexdigest()
    return user_digest(user) + own


def user_digest(user: str) -> str:
    """What the digests of a user's requests begin with, so that they can be forgotten with the user."""
    return blake2b(user.encode(), digest_size=8).hexdigest()


def remember(
    remote: RemoteAccess, command: Command, now: datetime, *requests: tuple[str, str]
) -> RemoteAccess:
    """
    Remember what became of a command's request, and of others that mean the same command.

    ``requests`` are pairs of user and ``request_id``. The newest 256 are kept, each for 24 h.
    """
    own = {one.digest for one in remote.remembered if one.command_id == command.command_id}
    own.update(request_digest(*one) for one in requests if one[1])
    kept = [one for one in remote.remembered if one.digest not in own and now - one.at < REMEMBER]
    new = [
        Remembered(digest, command.command_id, command.status, command.reason, now, command.role)
        for digest in sorted(own)
    ]
    return replace(remote, remembered=(*kept, *new)[-MAX_REMEMBERED:])


def put(remote: RemoteAccess, command: Command, now: datetime) -> RemoteAccess:
    """Keep a command as it is now, where it belongs."""
    remote = remember(remote, command, now, (command.user, command.request_id))
    opened = tuple(one for one in remote.open if one.command_id != command.command_id)
    done = tuple(one for one in remote.done if one.command_id != command.command_id)
    if command.status in OPEN:
        return replace(remote, open=_in_order((*opened, command)), done=done)
    done = (*done, command)
    over = [one for one in done if one.expires_at <= now]
    left_out = {one.command_id for one in over[: max(0, len(over) - KEEP_DONE)]}
    return replace(remote, open=opened, done=tuple(one for one in done if one.command_id not in left_out))


def _in_order(commands: tuple[Command, ...]) -> tuple[Command, ...]:
    return tuple(sorted(commands, key=lambda one: (one.issued_at, one.command_id)))


def refuse(remote: RemoteAccess, refused: RefusedRequest, now: datetime) -> RemoteAccess:
    """Remember a refusal; nobody's requests push out another person's."""
    fresh = [one for one in remote.refused if now - one.at < KEEP_REFUSED]
    own = [one for one in fresh if one.user == refused.user][-(MAX_REFUSED_EACH - 1) :]
    kept = [one for one in fresh if one.user != refused.user or one in own]
    return replace(remote, refused=(*kept, refused)[-MAX_REFUSED:])
