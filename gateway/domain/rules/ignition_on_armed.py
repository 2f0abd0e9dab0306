"""The ignition was switched on while the car was armed, and no Driver Card came with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from gateway.domain import said
from gateway.domain.arming import has_card_fitted
from gateway.domain.finding import Finding, OnClock, on_gateway_clock, on_vehicle_clock
from gateway.domain.moment import Spell
from gateway.domain.said import Evidence
from gateway.domain.situation import Situation
from gateway.domain.thresholds import Thresholds

CAUSE = "ignition_on_armed"
CARD_MAY_FOLLOW = timedelta(seconds=3)
"""A card is stated on another topic than the ignition: the one may overtake the other."""


def due(
    situation: Situation, counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> Finding | None:
    """Fulfilled shortly after the ignition ended a time that armed; without a card fitted it only disarms."""
    spell = situation.off_spell
    if spell is None or not has_card_fitted(situation, counting):
        return None
    until, lasted = on(spell.until), max(_lengths(spell), default=timedelta(0))
    if until is None or lasted < timedelta(seconds=thresholds.arming_delay_s):
        return None
    return Finding(
        CAUSE,
        key=spell.until.at.isoformat(),
        at=until + CARD_MAY_FOLLOW,
        since=spell.until,
        evidence=partial(_evidence, spell, lasted),
    )


def _evidence(spell: Spell, off: timedelta) -> tuple[Evidence, ...]:
    off_s = round(off.total_seconds())
    return (
        said.evidence(spell.until.at, said.say("ignition_on", seconds=off_s)),
        said.evidence(spell.since.at, said.say("ignition_on_clears")),
    )


def _lengths(spell: Spell) -> Iterator[timedelta]:
    """By each clock that can be believed: the ignition being on is the fact that proves what went before."""
    for on in (on_vehicle_clock, on_gateway_clock):
        since, until = on(spell.since), on(spell.until)
        if since is not None and until is not None:
            yield until - since
