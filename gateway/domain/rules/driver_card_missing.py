"""The vehicle moves and no counting Driver Card has been present for the grace time or more."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.domain import said
from gateway.domain.finding import Finding, OnClock
from gateway.domain.moment import Moment
from gateway.domain.said import Evidence
from gateway.domain.situation import MOVEMENT_HOLDS, Situation
from gateway.domain.thresholds import Thresholds

CAUSE = "driver_card_missing"


def due(
    situation: Situation, counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> Finding | None:
    """Fulfilled when the card has been gone for the grace time while a statement of movement holds."""
    since, stated, drive = situation.moving_since, situation.moving_stated, situation.drive_since
    if since is None or stated is None or drive is None:
        return None
    gone = situation.driver_gone_since(counting)
    if gone is None:
        return None
    gone_at, since_at, stated_at = on(gone), on(since), on(stated)
    if gone_at is None or since_at is None or stated_at is None:
        return None
    fulfilled = max(gone_at + timedelta(seconds=thresholds.driver_card_grace_s), since_at)
    if fulfilled >= stated_at + MOVEMENT_HOLDS:
        return None
    return Finding(
        CAUSE,
        key=f"{gone.at.isoformat()}/{drive.at.isoformat()}",
        at=fulfilled,
        since=gone,
        evidence=partial(_evidence, situation, thresholds, gone, stated),
    )


def _evidence(
    situation: Situation, thresholds: Thresholds, gone: Moment, stated: Moment
) -> tuple[Evidence, ...]:
    grace_s = f"{thresholds.driver_card_grace_s:g}"
    weak = sorted(card_id for card_id, card in situation.cards.items() if card.battery == "low")
    return (
        said.evidence(gone.at, said.say("no_card", seconds=grace_s)),
        said.evidence(stated.at, said.say("moves_without_card")),
        *(said.evidence(gone.at, said.say("card_weak", card=card_id)) for card_id in weak),
    )
