"""Topic ``receipt``: these events are durably recorded, those will never be accepted (contract 2.1)."""

from __future__ import annotations

from msgspec import Struct

KIND = "receipt"


class Rejection(Struct, frozen=True):
    """An event that will never be accepted as it is."""

    event_id: str
    reason: str


class Payload(Struct, frozen=True):
    """The message as documented."""

    event_ids: list[str]
    rejected: list[Rejection]
