"""The car is carried away: its ignition is off and it is far from where it was parked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.domain import said
from gateway.domain.finding import Finding, OnClock
from gateway.domain.parking import Fix, Parking
from gateway.domain.said import Evidence
from gateway.domain.situation import Situation
from gateway.domain.thresholds import Thresholds

CAUSE = "towed"
AT_MOST_EVERY = timedelta(minutes=15)


def due(
    situation: Situation, _counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> Finding | None:
    """Fulfilled by the position that takes the smoothed distance over the limit; then every 15 minutes."""
    parking = situation.parking
    if (
        parking is None
        or parking.spot is None
        or parking.beyond is None
        or situation.ignition_on is not False
    ):
        return None
    at = on(parking.fix.moment)
    if at is None or parking.smoothed_m <= thresholds.towed_distance_m:
        return None
    turn = (parking.fix.moment.at - parking.beyond.at) // AT_MOST_EVERY
    key = f"{parking.spot.moment.at.isoformat()}/{turn}"
    evidence = partial(_evidence, parking, parking.spot, thresholds)
    return Finding(CAUSE, key, at, parking.beyond, evidence=evidence)


def _evidence(parking: Parking, spot: Fix, thresholds: Thresholds) -> tuple[Evidence, ...]:
    far_m, limit_m = round(parking.smoothed_m), f"{thresholds.towed_distance_m:g}"
    evidence = [
        said.evidence(parking.fix.moment.at, said.say("towed", far=far_m, limit=limit_m)),
        said.evidence(spot.moment.at, said.say("towed_parked")),
    ]
    if parking.left_out:
        count = said.say("towed_left_out", count=parking.left_out)
        evidence.append(said.evidence(parking.fix.moment.at, count))
    return tuple(evidence)
