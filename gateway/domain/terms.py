"""
What ends soon: when the main user is told of which service.

Rules of this file:

1. 30, 7 and 1 days before a term ends, and when it has ended, its main user is told: each at most once.
2. What was missed (a long outage, a clock that jumps) is told as the one notice that is true now.
3. A renewed term is another term. A term that began later than a notice was due has none.
4. A fleet whose terms all end in one night is told over an hour, not in one second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from zlib import crc32

from msgspec import Struct

from gateway.domain.services.entitlements import SERVICES, Term, term_of
from gateway.domain.signals import Registration

NOTICES: tuple[tuple[int, str], ...] = (
    (30, "ends_in_30_days"),
    (7, "ends_in_7_days"),
    (1, "ends_in_1_day"),
    (0, "ended"),
)
"""Days left, and what is told then."""
SPREAD_S = 3600
STALE = timedelta(days=7)
"""What ended longer ago is no news."""
DAY = timedelta(days=1)
MAX_TOLD = 24
NOTHING_TOLD = 10**6


class ToldTerm(Struct, frozen=True, array_like=True):
    """The last notice about one term: the days left that it stands for."""

    service: str
    until: datetime
    days: int


class Terms(Struct, frozen=True, omit_defaults=True):
    """What was told, and when the next notice is due."""

    told: tuple[ToldTerm, ...] = ()
    next_at: datetime | None = None


class Notice(Struct, frozen=True):
    """One thing to tell."""

    service: str
    code: str
    until: datetime
    days_left: int


def look(registration: Registration | None, terms: Terms, now: datetime) -> tuple[Terms, tuple[Notice, ...]]:
    """What is to be told now, and when to look again. Without a main user nothing is told nor forgotten."""
    if registration is None or registration.main_user is None:
        return Terms(terms.told), ()
    told, notices, times = terms.told, [], []
    for term in _terms(registration):
        known = next((one for one in told if (one.service, one.until) == (term.service, term.until)), None)
        days = NOTHING_TOLD if known is None else known.days
        due = [(left, code) for left, code in NOTICES if left < days and _counts(term, left)]
        passed = [one for one in due if at(registration.vin, term, one[0]) <= now]
        times += [at(registration.vin, term, left) for left, _ in due if (left, _) not in passed]
        if passed:
            left, code = min(passed)
            told = (*(one for one in told if one is not known), ToldTerm(term.service, term.until, left))
            if now - term.until < STALE:
                notices.append(Notice(term.service, code, term.until, max(0, ceil((term.until - now) / DAY))))
    return Terms(told[-MAX_TOLD:], min(times, default=None)), tuple(notices)


def at(vin: str, term: Term, days: int) -> datetime:
    """When the notice of so many days is due for this car."""
    return term.until - days * DAY + timedelta(seconds=crc32(vin.encode()) % SPREAD_S)


def _terms(registration: Registration) -> Iterator[Term]:
    for service in SERVICES:
        term = term_of(registration, service)
        if term is not None and term.ordered and service not in registration.unavailable:
            yield term


def _counts(term: Term, days: int) -> bool:
    """A monthly term is not announced to end on the day on which it begins."""
    return term.begins_at is None or term.begins_at < term.until - days * DAY or days == 0
