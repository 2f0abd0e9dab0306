"""
How a part of a vehicle's life takes part in the fold, and what it answers.

A part is a module of pure functions that names what it decides, watches, and when it wants to be woken.
``gateway.domain.parts`` lists them all; ``step`` asks each in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.said import Evidence
from gateway.domain.signals import Fact
from gateway.domain.vehicle import Vehicle


class Found(Struct, frozen=True):
    """An alarm that follows."""

    cause: str
    at: datetime
    evidence: tuple[Evidence, ...]
    note: str | None = None


class Outcome(Struct, frozen=True):
    """The vehicle afterwards, what to do, and what to alarm."""

    vehicle: Vehicle
    effects: tuple[Effect, ...] = ()
    found: tuple[Found, ...] = ()

    def then(self, following: Outcome) -> Outcome:
        """Both, one after the other: ``following`` was made from this outcome's vehicle."""
        return Outcome(
            following.vehicle, (*self.effects, *following.effects), (*self.found, *following.found)
        )


Act = Callable[[Vehicle, Any, datetime], Outcome]
"""Decides one fact: (vehicle, fact, now)."""
Watch = Callable[[Vehicle, Any, datetime], Outcome | None]
"""Looks at a fact after the vehicle's own state has taken it in; None: nothing follows."""


class Part(Struct, frozen=True):
    """
    One part; whatever it leaves out it has no need of.

    A function keeps no vehicle that it was given: the step goes on writing to it.
    """

    acts: dict[type[Fact], Act] = {}
    """Facts that this part alone decides."""
    watches: tuple[type[Fact], ...] = ()
    watch: Watch | None = None
    expire: Callable[[Vehicle, datetime], Outcome | None] | None = None
    """What is over by the gateway's clock; asked before a fact once a time of ``wakes`` has come."""
    wakes: Callable[[Vehicle], list[datetime]] | None = None
    """Every time at which ``expire`` would find something; what makes one must stand in ``parts.is_idle``."""
