"""Topic ``remote-access/command``: do this before it expires, once (contract 4.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

KIND = "remote-access/command"


class Payload(Struct, frozen=True):
    """
    The message as documented.

    The vehicle executes a ``command_id`` at most once, never after ``expires_at``, and nothing whose
    ``counter`` is not above the last one's.
    """

    command_id: str
    action: str
    params: dict[str, Any]
    issued_at: datetime
    expires_at: datetime
    counter: int
    key_id: str | None = None
    signature: str | None = None
