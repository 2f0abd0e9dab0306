"""Topic ``v1/users/{user}/notifications``: what the owner is told; never a silent alarm (contract 5.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct


class Payload(Struct, frozen=True):
    """The message as documented."""

    id: str
    at: datetime
    vin: str
    kind: str
    code: str
    text: str
    data: dict[str, Any] = {}
