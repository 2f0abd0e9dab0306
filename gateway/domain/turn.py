"""One step while it happens: the state so far and the effects so far."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.domain.effects import Effect
from gateway.domain.finding import Finding
from gateway.domain.identity import identity
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle


class Turn:
    """
    What the functions of a step hand to each other.

    It lives as long as one call of ``step``; nothing of it is seen outside but the vehicle and the effects.
    """

    def __init__(self, vehicle: Vehicle, now: datetime, thresholds: Thresholds) -> None:
        self.vehicle = vehicle
        self.now = now
        self.thresholds = thresholds
        self.effects: list[Effect] = []
        self.flapping = False
        """The fact is one more flip of a sensor that comes and goes: no reason to reopen an alarm."""
        self.silent_from: datetime | None = None
        self.hold_until: datetime | None = None
        """See ``silence.Silence``; both are set by a tick only."""
        self.due_of: tuple[object, ...] | None = None
        self.due: list[Finding] = []
        """What is due by the gateway's clock, and the objects it was computed from (see ``timers``)."""

    def set(self, **changes: object) -> None:
        """Change fields of the vehicle."""
        self.vehicle = replace(self.vehicle, **changes)

    def within(self, since: datetime, span: timedelta) -> bool:
        """Whether less than ``span`` has passed; not if our clock was set back behind ``since``."""
        return since <= self.now < since + span

    def identity(self, what: str, number: int) -> str:
        """An opaque id that a replay gives again."""
        return identity(self.vehicle.vin, what, number, self.now)
