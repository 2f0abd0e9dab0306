"""Bodies of answers about audit trail, quarantine and deliveries, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from gateway.ports import DeliveryState


class AuditLine(Struct, frozen=True):
    """Who did what to what; ``hash`` chains it to the entry before."""

    n: int
    at: str
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    hash: str


class AuditPage(Struct, frozen=True):
    """Audit entries in the order that was asked for."""

    items: list[AuditLine]
    next_after: int | None


class QuarantineLine(Struct, frozen=True):
    """A payload that could not be decoded: its first 4 KiB as text, and how often it came."""

    n: int
    topic: str
    sha256: str
    reason: str
    payload: str
    count: int
    vin: str | None = None
    first_at: str | None = None
    last_at: str | None = None


class QuarantinePage(Struct, frozen=True):
    """Quarantined payloads, oldest first."""

    items: list[QuarantineLine]
    next_after: int | None


class DeliveryLine(Struct, frozen=True):
    """One message on its way to one sink."""

    id: int
    sink: str
    soc: str
    sequence: int
    state: DeliveryState
    attempts: int
    last_error: str | None


class DeliveryPage(Struct, frozen=True):
    """Deliveries in the order of their ids."""

    items: list[DeliveryLine]
    next_after: int | None


class SinkTest(Struct, frozen=True):
    """What the sink answered to a marked test alarm."""

    sink: str
    outcome: Literal["delivered", "failed", "refused"]
    reason: str | None
