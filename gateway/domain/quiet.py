"""
The short way through a step: a car that is driven or parked says so again, and nothing comes of it.

Nine of ten facts are of this kind. It gives exactly what the whole step gives, or leaves the fact to it; a
property test runs both.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import force_setattr, replace

from gateway.domain import escalation, silence
from gateway.domain.dead_zones import SILENT_FOR
from gateway.domain.parts import WAKES, WATCHES
from gateway.domain.rules import nothing_due
from gateway.domain.signals import Movement
from gateway.domain.situation import apply
from gateway.domain.thresholds import Thresholds
from gateway.domain.timers import SOON
from gateway.domain.vehicle import Past, Vehicle, bare, compact

_watches = WATCHES.get(Movement, ())


def moved(vehicle: Vehicle, fact: Movement, now: datetime, thresholds: Thresholds) -> Vehicle | None:
    """The vehicle after its newest statement of movement; None: something may come of it."""
    past, heard_at, wake_at = vehicle.past, vehicle.heard_at, vehicle.wake_at
    if fact.position is not None or heard_at is None or not _is_calm(vehicle):
        return None
    if wake_at is not None and now >= wake_at - SOON:
        return None  # something ends now
    received_at, at, window = fact.received_at, fact.at, past.window
    if not heard_at < received_at < heard_at + SILENT_FOR or (window and window[-1].at >= at):
        return None
    counting, before = vehicle.counting_cards, past.now
    if not nothing_due(before, counting):
        return None
    after = apply(before, fact, thresholds, counting)
    if before.moving_since is None and not nothing_due(after, counting):
        return None  # of what this looks at, only the movement can have changed
    base, kept = compact(past.base, (*window, bare(fact)), at, thresholds, counting)
    past = Past(base, kept, after, past.folded + len(window) + 1 - len(kept))
    heard = replace(vehicle, past=past, heard_at=received_at, version=vehicle.version + 1)
    for watch in _watches:
        if watch(heard, fact, now) is not None:
            return None
    force_setattr(heard, "wake_at", _wake_at(heard, received_at, now, thresholds))  # nobody else has it yet
    return heard


def _is_calm(vehicle: Vehicle) -> bool:
    """Whether nothing is waited for or gathered that hearing of the vehicle could change."""
    if vehicle.suppressed or vehicle.pending:
        return False
    for alarm in vehicle.alarms.values():
        if alarm.gathering or alarm.cause == silence.SUPERVISION:
            return False
    return True


def _wake_at(vehicle: Vehicle, heard_at: datetime, now: datetime, thresholds: Thresholds) -> datetime:
    """When its silence would be noted, or a part wants to be woken: no rule waits for anything here."""
    if vehicle.sensed or vehicle.held_back:
        silent = silence.Silence(heard_at, broken=True)
        soonest = silence.wake_at(vehicle, silent, thresholds) or silence.noted_at(vehicle, heard_at)
    else:
        soonest = silence.noted_at(vehicle, heard_at)
    if vehicle.alarms:
        soonest = min([soonest, *escalation.wakes(vehicle, thresholds.escalation, now)])
    for wakes in WAKES:
        if times := wakes(vehicle):
            soonest = min(soonest, *times)
    return soonest if soonest > now else now + SOON
