"""The car's own siren counts once it has been active for the minimum time."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from gateway.domain import said
from gateway.domain.finding import Finding, OnClock
from gateway.domain.said import Evidence
from gateway.domain.situation import Siren, Situation
from gateway.domain.thresholds import Thresholds

CAUSE = "car_alarm"


def due(
    situation: Situation, _counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> Finding | None:
    """Fulfilled at once if a message states enough seconds, else after the minimum without ``restored``."""
    siren = situation.siren
    if siren is None:
        return None
    if siren.proven:
        return _finding(siren, siren.since.at, None)
    since_at = on(siren.since)
    if not siren.active or since_at is None:
        return None
    minimum_s = thresholds.car_alarm_min_s
    return _finding(siren, since_at + timedelta(seconds=minimum_s), minimum_s)


def below_minimum(before: Situation, after: Situation) -> Finding | None:
    """The episode that has just ended without having lasted long enough."""
    siren = before.siren
    ended = siren is not None and siren.active and not (after.siren and after.siren.active)
    if siren is None or not ended or (after.siren and after.siren.proven):
        return None
    return Finding(CAUSE, key(siren), siren.since.at, siren.since, siren.event_ids, verdict="below_minimum")


def _finding(siren: Siren, at: datetime, lasted_s: float | None) -> Finding:
    evidence = partial(_evidence, siren, lasted_s)
    return Finding(CAUSE, key(siren), at, siren.since, siren.event_ids, evidence)


def _evidence(siren: Siren, lasted_s: float | None) -> tuple[Evidence, ...]:
    what = said.say("siren") if lasted_s is None else said.say("siren_for", seconds=f"{lasted_s:g}")
    return (said.evidence(siren.since.at, what, event_id=siren.event_ids[0] if siren.event_ids else None),)


def key(siren: Siren) -> str:
    """What tells one episode from the next."""
    return siren.event_ids[0] if siren.event_ids else siren.since.at.isoformat()
