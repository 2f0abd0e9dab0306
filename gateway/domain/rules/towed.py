"""The car is carried away: its ignition is off and it is far from where it was parked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.domain.alarms import Evidence
from gateway.domain.finding import Finding, OnClock
from gateway.domain.parking import Fix, Parking
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
    text = (
        f"With the ignition off the car is about {far_m} m (more than {limit_m} m) from where it was parked."
    )
    evidence = [
        Evidence(text, None, parking.fix.moment.at),
        Evidence("It was parked then. The ignition being on would clear this.", None, spot.moment.at),
    ]
    if parking.left_out:
        count = f"{parking.left_out} position(s) that can't be true were left out (sensor note)."
        evidence.append(Evidence(count, None, parking.fix.moment.at))
    return tuple(evidence)
