"""One step while it happens: the state so far and the effects so far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import force_setattr

from gateway.domain.effects import Effect
from gateway.domain.finding import Finding
from gateway.domain.identity import identity
from gateway.domain.situation import Situation
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle


class Turn(Struct, gc=False):
    """
    What the functions of a step hand to each other.

    It lives as long as one call of ``step``; nothing of it is seen outside but the vehicle and the effects.
    """

    vehicle: Vehicle
    """The turn's own until the step ends: no one else holds it, so ``set`` may write to it."""
    now: datetime
    thresholds: Thresholds
    effects: list[Effect] = []
    flapping: bool = False
    """The fact is one more flip of a sensor that comes and goes: no reason to reopen an alarm."""
    silent_from: datetime | None = None
    hold_until: datetime | None = None
    """See ``silence.Silence``; both are set by a tick only."""
    heard: bool = False
    """The vehicle was not heard as late as this before: nothing of its silence can be settled."""
    quiet: Situation | None = None
    """A situation that no rule finds anything in: told once, for a step asks more than once."""
    due_of: tuple[object, ...] | None = None
    due: Sequence[Finding] = ()
    """What is due by the gateway's clock, and the objects it was computed from (see ``timers``)."""

    def set(self, **changes: object) -> None:
        """Change fields of the vehicle; what a part has seen of it before must not be kept (see ``Part``)."""
        vehicle = self.vehicle
        for field, value in changes.items():
            force_setattr(vehicle, field, value)

    def within(self, since: datetime, span: timedelta) -> bool:
        """Whether less than ``span`` has passed; not if our clock was set back behind ``since``."""
        return since <= self.now < since + span

    def identity(self, what: str, number: int) -> str:
        """An opaque id that a replay gives again."""
        return identity(self.vehicle.vin, what, number, self.now)
