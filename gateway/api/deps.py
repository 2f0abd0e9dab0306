"""What the HTTP side is given."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from gateway.domain.services.availability import EVERYWHERE, Availability
from gateway.domain.thresholds import Thresholds
from gateway.ports import (
    Acts,
    Clock,
    Commands,
    HealthReporter,
    LiveCases,
    LiveFeed,
    LiveVehicles,
    Seal,
    SinkTester,
    SiteMap,
    Store,
    Token,
)

DEFAULTS = Thresholds()


def _ignore(_count: int) -> None:
    """Count nothing."""


def _ignore_code(_code: str) -> None:
    """Count nothing."""


def _challenge() -> str:
    """Make a question that nobody can foresee."""
    return secrets.token_hex(32)


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Ports that routes work with; the composition root fills them."""

    store: Store
    acts: Acts
    commands: Commands
    feed: LiveFeed
    cases: LiveCases
    vehicles: LiveVehicles
    health: HealthReporter
    sinks: SinkTester
    seal: Seal
    clock: Clock
    instance: str
    metrics: Callable[[], bytes]
    """The metrics as Prometheus text."""
    thresholds: Thresholds = DEFAULTS
    """Numbers of the theft rules, as configured."""
    availability: Availability = EVERYWHERE
    """Which service can be had where, as configured."""
    on_readers: Callable[[int], None] = _ignore
    """Told the number of live feed readers whenever it changes."""
    on_code_refused: Callable[[str], None] = _ignore_code
    """Told why a pairing code, an invitation's or a hand-over's did not serve."""
    new_challenge: Callable[[], str] = _challenge
    https: bool = False
    """Whether browsers reach this over HTTPS."""
    origin: str | None = None
    """Where browsers reach this, if a proxy stands in front."""
    site_map: SiteMap | None = None
    """The site's own map, if it has one."""
    comment_every_s: float = 15
    max_readers: int = 200


# Ports are Protocols: there is nothing that the framework could validate.
FromApp = NamedDependency[SkipValidation[Deps]]
Caller = NamedDependency[SkipValidation[Token]]
