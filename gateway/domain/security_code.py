"""
The security code: challenges, wrong answers, and the locks that follow from them.

Rules of this file:

1. A challenge serves once, for its person and purpose, for a minute. The code itself is never here.
2. Three wrong answers of one person lock that person out, each time for longer; a right one resets.
3. Locks are part of the vehicle's state, so they outlive a restart. They touch no alarm and no operator.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import pbkdf2_hmac
from hmac import compare_digest
from hmac import digest as hmac_digest

from msgspec import Struct
from msgspec.structs import replace

CHALLENGE_LIVES = timedelta(seconds=60)
TRIES = 3
LOCKS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24))
ALARM_TRIES = 5
DAY = timedelta(hours=24)
KEY_BYTES = 32
EACH = 3
"""Open challenges of one person for one purpose: a second wish must not make the first one's proof wrong."""
MAX_CHALLENGES = 24
"""Of one vehicle: six people who unlock, one of them for two more purposes. Nobody pushes out another's."""
MAX_PEOPLE = 16


class Challenge(Struct, frozen=True, array_like=True):
    """One question that waits for its answer."""

    challenge: str
    user: str
    purpose: str
    asked_at: datetime


class Tries(Struct, frozen=True, array_like=True):
    """How one person's answers have been."""

    user: str
    wrong: int = 0
    locks: int = 0
    locked_at: datetime | None = None
    locked_until: datetime | None = None


class CodeGuard(Struct, frozen=True, omit_defaults=True):
    """Open challenges and wrong answers of one vehicle."""

    challenges: tuple[Challenge, ...] = ()
    people: tuple[Tries, ...] = ()
    wrong_at: tuple[datetime, ...] = ()
    """Wrong answers of whoever, since the last alarm about them."""


def key_of(code: str, salt: str, rounds: int) -> bytes:
    """The key that a code gives; slow on purpose."""
    return pbkdf2_hmac("sha512", code.encode(), salt.encode(), rounds, KEY_BYTES)


def response(key: bytes, challenge: str, user: str, vin: str, purpose: str) -> str:
    """The right answer to a challenge."""
    return hmac_digest(key, f"{challenge}|{user}|{vin}|{purpose}".encode(), "sha512").hex()


def fitting(guard: CodeGuard, key: bytes, *, vin: str, user: str, purpose: str, answer: str) -> str | None:
    """The open challenge that an answer fits, compared in constant time; None if there is none."""
    for one in guard.challenges:
        right = response(key, one.challenge, one.user, vin, one.purpose)
        same = compare_digest(right.encode(), answer.lower().encode())
        if same and (one.user, one.purpose) == (user, purpose):
            return one.challenge
    return None


def ask(guard: CodeGuard, challenge: str, user: str, purpose: str, now: datetime) -> CodeGuard:
    """Remember a new challenge; the person's last ones for this purpose still serve."""
    still = [one for one in guard.challenges if now < one.asked_at + CHALLENGE_LIVES]
    others = [one for one in still if (one.user, one.purpose) != (user, purpose)]
    own = [one for one in still if (one.user, one.purpose) == (user, purpose)]
    new = Challenge(challenge, user, purpose, now)
    return replace(guard, challenges=(*others, *own[1 - EACH :], new)[-MAX_CHALLENGES:])


def is_open(guard: CodeGuard, challenge: str, now: datetime) -> bool:
    """Whether a challenge may still be answered; not if our clock was set back behind it."""
    return any(
        one.challenge == challenge and one.asked_at <= now < one.asked_at + CHALLENGE_LIVES
        for one in guard.challenges
    )


def locked_until(guard: CodeGuard, user: str, now: datetime) -> datetime | None:
    """The end of this person's lock-out; None if there is none."""
    until = _tries(guard, user).locked_until
    return until if until is not None and now < until else None


def locked_within(guard: CodeGuard, span: timedelta, now: datetime) -> bool:
    """Whether anybody was locked out that recently."""
    return any(one.locked_at is not None and now < one.locked_at + span for one in guard.people)


def right(guard: CodeGuard, challenge: str, user: str) -> CodeGuard:
    """A right answer: the challenge is used up, the person's tries begin anew."""
    challenges = tuple(one for one in guard.challenges if one.challenge != challenge)
    people = tuple(one for one in guard.people if one.user != user)
    return replace(guard, challenges=challenges, people=people)


def wrong(guard: CodeGuard, user: str, purpose: str, now: datetime) -> tuple[CodeGuard, bool]:
    """
    Take note of a wrong answer; it uses up the person's challenges for the purpose.

    The second value says whether it is the fifth within a day on this vehicle: that is an alarm.
    """
    tries = counted(_tries(guard, user), now)
    wrong_at = (*(at for at in guard.wrong_at if now - at < DAY), now)
    alarm = len(wrong_at) >= ALARM_TRIES
    others = tuple(one for one in guard.people if one.user != user)
    challenges = tuple(one for one in guard.challenges if (one.user, one.purpose) != (user, purpose))
    people = (*others, tries)[-MAX_PEOPLE:]
    return CodeGuard(challenges, people, () if alarm else wrong_at), alarm


def counted(known: Tries, now: datetime) -> Tries:
    """One more wrong answer; the third locks, each time for longer."""
    tries = replace(known, wrong=known.wrong + 1)
    if tries.wrong < TRIES:
        return tries
    lock = LOCKS[min(tries.locks, len(LOCKS) - 1)]
    return replace(tries, wrong=0, locks=tries.locks + 1, locked_at=now, locked_until=now + lock)


def _tries(guard: CodeGuard, user: str) -> Tries:
    return next((one for one in guard.people if one.user == user), Tries(user))
