"""
Duration rules: a cause that nobody states, or that must last before it counts.

Add one: a file with ``CAUSE`` and ``due``, and its line in ``RULES``.
"""

from __future__ import annotations

from typing import Protocol

from gateway.domain.finding import Finding, OnClock
from gateway.domain.rules import (
    car_alarm,
    driver_card_missing,
    ignition_on_armed,
    towed,
    unauthorised_movement,
)
from gateway.domain.situation import Situation
from gateway.domain.thresholds import Thresholds


class Rule(Protocol):
    """One alarm cause as a pure function of the situation."""

    CAUSE: str

    def due(
        self, situation: Situation, counting: frozenset[str], thresholds: Thresholds, on: OnClock
    ) -> Finding | None:
        """When the rule is fulfilled if nothing contrary happens; None if it can't be."""
        ...


RULES: tuple[Rule, ...] = (
    driver_card_missing,
    unauthorised_movement,
    ignition_on_armed,
    towed,
    car_alarm,
)


def nothing_due(situation: Situation, counting: frozenset[str]) -> bool:
    """Whether no rule can be fulfilled, told cheaply: most facts are of a car driven with its card."""
    siren, parking = situation.siren, situation.parking
    if situation.off_spell is not None or (siren is not None and (siren.active or siren.proven)):
        return False
    if parking is not None and parking.beyond is not None:
        return False
    return situation.moving_since is None or situation.card_present(counting)
