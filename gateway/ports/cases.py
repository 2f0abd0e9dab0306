"""What a decision changes in cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.cases import Case


class CaseRow(Struct, frozen=True):
    """A case as it is now. Any other open case of its vehicle is over: there is one at most."""

    vin: str
    soc: str
    case: Case


class CaseEntryRow(Struct, frozen=True):
    """One line of a case's timeline; ``details`` never hold a position."""

    case_id: str
    at: datetime
    actor: str
    what: str
    details: dict[str, Any]
    alarm_id: str | None = None


class EscalationRow(Struct, frozen=True):
    """An alarm that the standby sinks of its SOC get at once, whatever the primaries do."""

    soc: str
    alarm_id: str
