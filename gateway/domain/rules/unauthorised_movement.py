"""The armed car moves and its ignition is off: someone pushes, tows or loads it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.domain import said
from gateway.domain.arming import armed_at, armed_from, has_card_fitted
from gateway.domain.finding import Finding, OnClock
from gateway.domain.moment import Moment
from gateway.domain.said import Evidence
from gateway.domain.situation import MOVEMENT_HOLDS, Situation
from gateway.domain.thresholds import Thresholds

CAUSE = "unauthorised_movement"
IGNITION_IS_REPEATED_WITHIN = timedelta(seconds=30)
"""Without a card only the ignition disarms: where its statement may be lost, its repeat is awaited."""


def due(
    situation: Situation, counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> Finding | None:
    """Fulfilled when the car is armed while a statement of movement holds and the ignition is off."""
    since, stated, drive = situation.moving_since, situation.moving_stated, situation.drive_since
    off, armed = situation.ignition_since, armed_from(situation, counting)
    if since is None or stated is None or drive is None or armed is None:
        return None
    if off is None or situation.ignition_on is not False:
        return None
    times = (armed_at(situation, counting, thresholds, on), on(since), on(off), on(stated))
    armed_since, since_at, off_at, stated_at = times
    if armed_since is None or since_at is None or off_at is None or stated_at is None:
        return None
    fulfilled = max(armed_since, since_at, off_at)
    if situation.moving_in_doubt and not has_card_fitted(situation, counting):
        fulfilled += IGNITION_IS_REPEATED_WITHIN
    if fulfilled > stated_at + MOVEMENT_HOLDS:
        return None
    return Finding(
        CAUSE,
        key=f"{armed.at.isoformat()}/{drive.at.isoformat()}",
        at=fulfilled,
        since=since,
        evidence=partial(_evidence, stated, off, has_card=has_card_fitted(situation, counting)),
    )


def _evidence(stated: Moment, off: Moment, *, has_card: bool) -> tuple[Evidence, ...]:
    return (
        said.evidence(stated.at, said.say("moves_card" if has_card else "moves")),
        said.evidence(off.at, said.say("armed_since")),
    )
