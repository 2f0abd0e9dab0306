"""Why cars are not protected, as the store keeps it and gives it back."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from gateway.domain.causes import Severity
from gateway.domain.reasons import Code, Reason


class UnprotectedRow(Struct, frozen=True):
    """Every reason of one vehicle; replaces what was kept of it."""

    vin: str
    soc: str
    reasons: tuple[Reason, ...]


class UnprotectedFilter(Struct, frozen=True):
    """What holds at some time from ``begin`` to ``end``; None: any."""

    begin: datetime
    end: datetime
    soc: str | None = None
    code: Code | None = None
    severity: Severity | None = None
    """At least so severe."""


class UnprotectedVehicle(Struct, frozen=True):
    """One car, its worst severity, and every reason that holds in the time asked for."""

    vin: str
    severity: Severity
    reasons: tuple[Reason, ...]
