"""
The cell of a Driver Card: its owner hears once that it is low, before the card falls silent in motion.

No Driver Card is named: which one it is, its owner sees on the card.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.domain.effects import Notify
from gateway.domain.outcome import Outcome, Part
from gateway.domain.signals import DriverCard
from gateway.domain.vehicle import CardCell, Vehicle

TOLD_AGAIN_AFTER = timedelta(days=7)
"""A weak cell recovers when it is warm: low, ok and low again within days is one weak cell."""
MAX_CELLS = 16


def watch(vehicle: Vehicle, fact: DriverCard, now: datetime) -> Outcome | None:
    """Note what a card says of its cell, and tell the main user when it is low."""
    counting = vehicle.counting_cards
    if fact.battery is None or (counting and fact.card_id not in counting):
        return None
    known = next((one for one in vehicle.card_cells if one.card_id == fact.card_id), None)
    if known is not None and known.at > fact.at:
        return None
    told_at = None if known is None else known.told_at
    user = vehicle.registration.main_user if vehicle.registration else None
    low = fact.battery == "low"
    was_low = known is not None and known.low
    fresh = told_at is None or (not was_low and now - told_at >= TOLD_AGAIN_AFTER)
    tells = low and fresh and user is not None
    cell = CardCell(fact.card_id, low, fact.at, now if tells else told_at)
    others = tuple(one for one in vehicle.card_cells if one.card_id != fact.card_id)
    vehicle = replace(vehicle, card_cells=(*others, cell)[-MAX_CELLS:])
    return Outcome(vehicle, (Notify(user, "card_battery", "low"),) if tells and user else ())


PART = Part(watches=(DriverCard,), watch=watch)
