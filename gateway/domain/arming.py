"""
Whether a car is armed: disarmed → arming → armed, from ignition and Driver Card (contract 3.3).

With a card fitted: ignition off and no counting card for the delay arms, a counting card disarms; a card that
is seen while arming lets the delay start again. Without a card fitted: ignition off for the delay arms,
ignition on disarms. Nothing is stored: the situation holds what it follows from, so any order of arrival and
any restart give the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from gateway.domain.moment import Moment, OnClock, on_gateway_clock, on_vehicle_clock
from gateway.domain.situation import Situation
from gateway.domain.thresholds import Thresholds

ArmingState = Literal["disarmed", "arming", "armed"]


def has_card_fitted(situation: Situation, counting: frozenset[str]) -> bool:
    """Whether the registry lists a card or one was ever stated."""
    return bool(counting or situation.cards)


def armed_at(
    situation: Situation, counting: frozenset[str], thresholds: Thresholds, on: OnClock
) -> datetime | None:
    """When the car became armed on this clock, or will be if nothing contrary happens; None: never."""
    delay = timedelta(seconds=thresholds.arming_delay_s)
    spell = situation.off_spell
    if spell is not None and has_card_fitted(situation, counting):
        since, until = on(spell.since), on(spell.until)
        if since is not None and until is not None and until - since >= delay:
            return since + delay
    began = situation.unattended_since(counting)
    since = None if began is None else on(began)
    return None if since is None else since + delay


def armed_from(situation: Situation, counting: frozenset[str]) -> Moment | None:
    """The moment from which the delay runs or ran: what tells one arming from the next."""
    spell = situation.off_spell
    return situation.unattended_since(counting) if spell is None else spell.since


def arming_state(
    situation: Situation,
    counting: frozenset[str],
    thresholds: Thresholds,
    *,
    now: datetime,
    newest_at: datetime | None,
) -> ArmingState | None:
    """
    The state by whichever clock comes first; None while nobody stated the ignition.

    ``newest_at`` is the time of the newest fact on the vehicle's clock.
    """
    if situation.ignition_on is None:
        return None
    by_gateway = armed_at(situation, counting, thresholds, on_gateway_clock)
    by_vehicle = armed_at(situation, counting, thresholds, on_vehicle_clock)
    proven = by_vehicle is not None and newest_at is not None and by_vehicle <= newest_at
    if proven or (by_gateway is not None and by_gateway <= now):
        return "armed"
    return "disarmed" if by_gateway is None or situation.ignition_on else "arming"
