"""Requests for a second person end by themselves, and the audit trail says so."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.approvals import APPROVAL_LIVES
from gateway.domain.effects import Audited
from gateway.domain.outcome import Outcome, Part
from gateway.domain.vehicle import Vehicle


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """End what no second person has approved in time."""
    waiting = vehicle.approvals.waiting
    over = tuple(one for one in waiting if one.asked_at + APPROVAL_LIVES <= now) if waiting else ()
    if not over:
        return None
    left = tuple(one for one in waiting if one not in over)
    said = tuple(
        Audited("gateway", "approval.expired", {"approval_id": one.approval_id, "what": one.what})
        for one in over
    )
    return Outcome(replace(vehicle, approvals=replace(vehicle.approvals, waiting=left)), said)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When each of them ends."""
    waiting = vehicle.approvals.waiting
    return [one.asked_at + APPROVAL_LIVES for one in waiting] if waiting else []


PART = Part(expire=expire, wakes=wakes)
