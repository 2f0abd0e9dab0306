"""Topic ``software/package``: a booked package to download (contract 3.7)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

KIND = "software/package"


class Payload(Struct, frozen=True):
    """The message as documented."""

    package_id: str
    kind: Literal["function", "update"]
    function: str | None
    expires_at: datetime
