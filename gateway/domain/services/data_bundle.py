"""
Mobile-data bundles: their state in words, and which thresholds they pass.

Rules of this file:

1. Each bundle keeps its own newest statement; a later statement of the vehicle's clock counts, a late one
   changes nothing.
2. A threshold is told once per bundle, whether a message or the time passes it.
3. Several bundles are used up in the order in which they end.
4. The theft path never depends on any of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.signals import DataBundle

LOW_SHARE = 0.8
EXPIRING = timedelta(days=7)
MAX_BUNDLES = 16
MAX_SHARE = 1000

BundleState = Literal["none", "expired", "exhausted", "renew_failed", "renewing", "expiring", "low", "active"]
NEVER = datetime.max.replace(tzinfo=UTC)


class Told(Struct, frozen=True, omit_defaults=True):
    """One bundle: what was stated of it last, and the thresholds that were told."""

    bundle_id: str
    codes: tuple[str, ...] = ()
    stated: DataBundle | None = None
    failures: int = 0
    """How often the vehicle has stated that it could not renew it."""


class Bundles(Struct, frozen=True, omit_defaults=True):
    """The newest statement, the latest bundles, and when time alone passes the next threshold."""

    newest: DataBundle | None = None
    told: tuple[Told, ...] = ()
    next_at: datetime | None = None
    none_at: datetime | None = None
    """When the vehicle last stated that it has no bundle."""


class Whole(Struct, frozen=True):
    """All bundles as one; megabytes. ``stack`` is in the order of use, what is over comes last."""

    state: BundleState
    used_mb: float | None
    total_mb: float | None
    valid_until: datetime | None
    stack: tuple[Told, ...]


def bundle_state(bundle: DataBundle | None, now: datetime) -> BundleState:
    """The first that applies, in the contract's order."""
    if bundle is None or bundle.bundle_id is None:
        return "none"
    passed = thresholds(bundle, now)
    for state in ("expired", "exhausted", "renew_failed"):
        if state in passed:
            return state
    if bundle.renewal == "renewing":
        return "renewing"
    for state in ("expiring", "low"):
        if state in passed:
            return state
    return "active"


def thresholds(bundle: DataBundle, now: datetime) -> tuple[BundleState, ...]:
    """Every threshold that this statement has passed, worst first."""
    share = used_share(bundle)
    left = None if bundle.valid_until is None else bundle.valid_until - now
    passed: list[BundleState] = []
    if left is not None and left <= timedelta(0):
        passed.append("expired")
    if share >= 1:
        passed.append("exhausted")
    if bundle.renewal == "failed":
        passed.append("renew_failed")
    if left is not None and timedelta(0) < left <= EXPIRING:
        passed.append("expiring")
    if share >= LOW_SHARE:
        passed.append("low")
    return tuple(passed)


def used_share(bundle: DataBundle) -> float:
    """Used part of the bundle, within what can still be shown; 0 where it is not stated."""
    if bundle.used_mb is None or not bundle.total_mb:
        return 0
    return min(bundle.used_mb / bundle.total_mb, MAX_SHARE)


def state_bundle(
    bundles: Bundles, stated: DataBundle, now: datetime
) -> tuple[Bundles, tuple[BundleState, ...]]:
    """
    Take a statement in.

    Returns the new state and the thresholds to tell, each once per bundle. A late statement changes nothing.
    """
    if bundles.newest is None or _is_newer(stated, bundles.newest):
        bundles = replace(bundles, newest=stated)
    none_at = bundles.none_at
    if stated.bundle_id is None:
        none_at = stated.at if none_at is None else max(stated.at, none_at)
        return _planned(replace(bundles, none_at=none_at), now), ()
    known = bundle_of(bundles, stated.bundle_id)
    gone = none_at is not None and stated.at <= none_at
    if gone or (known.stated is not None and not _is_newer(stated, known.stated)):
        return bundles, ()
    failed = stated.renewal == "failed" and (known.stated is None or known.stated.renewal != "failed")
    known = replace(known, stated=stated, failures=known.failures + failed)
    return _tell(bundles, known, now)


def due(bundles: Bundles, now: datetime) -> tuple[Bundles, tuple[tuple[Told, BundleState], ...]]:
    """Thresholds that time alone has passed since."""
    found: list[tuple[Told, BundleState]] = []
    for known in current(bundles):
        bundles, fresh = _tell(bundles, known, now)
        found += [(bundle_of(bundles, known.bundle_id), code) for code in fresh]
    return _planned(bundles, now), tuple(found)


def bundle_of(bundles: Bundles, bundle_id: str) -> Told:
    """What is known of one bundle."""
    return next((one for one in bundles.told if one.bundle_id == bundle_id), Told(bundle_id))


def current(bundles: Bundles) -> tuple[Told, ...]:
    """The bundles there are: those stated since the vehicle last said that it has none."""
    none_at = bundles.none_at
    return tuple(
        one for one in bundles.told if one.stated is not None and (none_at is None or one.stated.at > none_at)
    )


def whole(bundles: Bundles, now: datetime) -> Whole:
    """All bundles as one: over only when the last of them is."""
    stated = [(one, one.stated) for one in current(bundles) if one.stated is not None]
    if not stated:
        return Whole("none", None, None, None, ())
    over = {one.bundle_id for one, of in stated if bundle_state(of, now) in ("expired", "exhausted")}
    stated.sort(key=lambda one: (one[0].bundle_id in over, one[1].valid_until or NEVER, one[0].bundle_id))
    usable = [of for one, of in stated if one.bundle_id not in over]
    counted = [of for _, of in stated if bundle_state(of, now) != "expired"]
    last = max(usable or [of for _, of in stated], key=lambda of: of.valid_until or NEVER)
    used_mb, total_mb = _amounts(counted)
    # The one in use says how renewing goes; the last one, when everything is over.
    shown = last
    if usable:
        shown = replace(usable[0], used_mb=used_mb, total_mb=total_mb, valid_until=last.valid_until)
    stack = tuple(one for one, _ in stated)
    return Whole(bundle_state(shown, now), used_mb, total_mb, last.valid_until, stack)


def _amounts(counted: list[DataBundle]) -> tuple[float | None, float | None]:
    """Used and total of several bundles; None where one of them does not say."""
    if not counted or any(of.used_mb is None or not of.total_mb for of in counted):
        return None, None
    used_mb = sum(min(of.used_mb or 0, of.total_mb or 0) for of in counted)
    return used_mb, sum(of.total_mb or 0 for of in counted)


def _tell(bundles: Bundles, known: Told, now: datetime) -> tuple[Bundles, tuple[BundleState, ...]]:
    if known.stated is None:
        return bundles, ()
    fresh = tuple(code for code in thresholds(known.stated, now) if code not in known.codes)
    known = replace(known, codes=(*known.codes, *fresh))
    others = [one for one in bundles.told if one.bundle_id != known.bundle_id]
    told = tuple(sorted((*others, known), key=_stated_at)[-MAX_BUNDLES:])
    if known not in told:
        return bundles, ()  # older than all that is remembered: what was told of it is not known any more
    return _planned(replace(bundles, told=told), now), fresh


def _planned(bundles: Bundles, now: datetime) -> Bundles:
    """With the time at which the next threshold is passed by time alone."""
    times = [
        at
        for one in current(bundles)
        if one.stated is not None and one.stated.valid_until is not None
        for code, at in (
            ("expiring", _before(one.stated.valid_until, EXPIRING)),
            ("expired", one.stated.valid_until),
        )
        if code not in one.codes and at > now
    ]
    next_at = min(times, default=None)
    return bundles if next_at == bundles.next_at else replace(bundles, next_at=next_at)


def _before(at: datetime, span: timedelta) -> datetime:
    """Earlier, as far as there is an earlier time: a bundle may state any year."""
    return at - span if at.year > 1 else at


def _stated_at(known: Told) -> tuple[float, str]:
    at = known.stated.at.timestamp() if known.stated is not None else 0
    return at, known.bundle_id


def _is_newer(stated: DataBundle, known: DataBundle) -> bool:
    """The same event is newer than itself, so that a repeat after a crash is whole."""
    return (stated.at, stated.event_id) >= (known.at, known.event_id)
