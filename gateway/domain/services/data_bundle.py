"""
The mobile-data bundle: its state in words, and which thresholds a message passes.

The theft path never depends on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.signals import DataBundle

LOW_SHARE = 0.8
EXPIRING = timedelta(days=7)
MAX_BUNDLES = 8
MAX_SHARE = 1000

BundleState = Literal["none", "expired", "exhausted", "renew_failed", "renewing", "expiring", "low", "active"]
NOTIFIED = ("expired", "exhausted", "renew_failed", "expiring", "low")


class Told(Struct, frozen=True):
    """Thresholds of one bundle that the main user was told about."""

    bundle_id: str
    codes: tuple[str, ...] = ()


class Bundles(Struct, frozen=True, omit_defaults=True):
    """The newest statement, and what was told of the latest bundles."""

    newest: DataBundle | None = None
    told: tuple[Told, ...] = ()


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
    newest = bundles.newest
    if newest is not None and (newest.at, newest.event_id) > (stated.at, stated.event_id):
        return bundles, ()
    if stated.bundle_id is None:
        return replace(bundles, newest=stated), ()
    known = next((told.codes for told in bundles.told if told.bundle_id == stated.bundle_id), ())
    fresh = tuple(code for code in thresholds(stated, now) if code not in known)
    others = tuple(told for told in bundles.told if told.bundle_id != stated.bundle_id)
    told = (*others, Told(stated.bundle_id, (*known, *fresh)))[-MAX_BUNDLES:]
    return Bundles(stated, told), fresh
