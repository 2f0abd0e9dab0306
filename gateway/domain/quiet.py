"""
The short way through a step: a car that is driven or parked says so again, and nothing comes of it.

Nine of ten facts are of this kind. It gives exactly what the whole step gives, or leaves the fact to it; a
property test runs both.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import force_setattr, replace

from gateway.domain import escalation, parts, silence
from gateway.domain.dead_zones import SILENT_FOR
from gateway.domain.rules import car_alarm, nothing_due
from gateway.domain.signals import Movement
from gateway.domain.situation import Situation, moment_of, moved_on
from gateway.domain.thresholds import Thresholds
from gateway.domain.timers import SOON
from gateway.domain.vehicle import Past, Vehicle, bare, compact, is_before


def moved(vehicle: Vehicle, fact: Movement, now: datetime, thresholds: Thresholds) -> Vehicle | None:
    """The vehicle after its newest statement of movement; None: something may come of it."""
    past, heard_at, wake_at = vehicle.past, vehicle.heard_at, vehicle.wake_at
    if fact.position is not None or heard_at is None or vehicle.pending or not parts.is_idle(vehicle):
        return None
    if wake_at is not None and now >= wake_at - SOON:
        return None  # something ends now
    received_at, moment, window = fact.received_at, moment_of(fact), past.window
    if not heard_at < received_at < heard_at + SILENT_FOR:
        return None
    if window and not is_before(window[-1], moment.at):
        return None
    if vehicle.alarms and not _are_told(vehicle):
        return None
    counting, before = vehicle.counting_cards, past.now
    after = moved_on(before, fact, moment)
    # Of what rules look at, only the movement changes: one of the two tells for both.
    telling = after if before.moving_since is None else before
    if not nothing_due(telling if telling.siren is None else _but_told_siren(vehicle, telling), counting):
        return None
    base, kept = compact(past.base, (*window, bare(fact)), moment.at, thresholds, counting)
    past = Past(base, kept, after, past.folded + len(window) + 1 - len(kept))
    heard = replace(vehicle, past=past, heard_at=received_at, version=vehicle.version + 1)
    force_setattr(heard, "wake_at", _wake_at(heard, received_at, now, thresholds))  # nobody else has it yet
    return heard


def _are_told(vehicle: Vehicle) -> bool:
    """Whether hearing of the vehicle changes no alarm: nothing is gathered, and none is of its silence."""
    for alarm in vehicle.alarms.values():
        if alarm.gathering or alarm.cause == silence.SUPERVISION:
            return False
    return True


def _but_told_siren(vehicle: Vehicle, situation: Situation) -> Situation:
    """Leave out a siren that had its alarm: it is kept until the next one, and nothing comes of it."""
    siren = situation.siren
    if siren is None or f"{car_alarm.CAUSE}/{car_alarm.key(siren)}" not in vehicle.settled:
        return situation
    return replace(situation, siren=None)


def _wake_at(vehicle: Vehicle, heard_at: datetime, now: datetime, thresholds: Thresholds) -> datetime:
    """When its silence would be noted, or a part wants to be woken: no rule waits for anything here."""
    soonest, part_at = silence.noted_at(vehicle, heard_at), parts.soonest_notice(vehicle)
    if vehicle.held_back or (vehicle.sensed and silence.jammed(vehicle) is not None):
        silent = silence.Silence(heard_at, broken=True)
        soonest = silence.wake_at(vehicle, silent, thresholds) or soonest
    if vehicle.alarms:
        soonest = min([soonest, *escalation.wakes(vehicle, thresholds.escalation, now)])
    if part_at is not None and part_at < soonest:
        soonest = part_at
    return soonest if soonest > now else now + SOON
