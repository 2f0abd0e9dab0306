"""Topic ``v1/gateway/{instance}/status``: how a gateway is; retained, and its last will (contract 2)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

KIND = "status"


class Payload(Struct, frozen=True):
    """The message as documented."""

    status: Literal["ready", "degraded", "offline"]
    at: datetime
