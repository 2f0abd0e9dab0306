"""Bodies of requests and answers about remote access and approvals, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

CommandStatus = Literal["refused", "accepted", "sent", "performed", "failed", "expired", "unknown"]


class CommandAnswer(Struct, frozen=True):
    """
    The answer to a request: ``accepted`` with its ``command_id``, or ``refused`` with the first reason.

    What becomes of a command is read from ``GET /commands/{command_id}``, or heard on the response topic.
    """

    request_id: str | None
    command_id: str | None
    status: CommandStatus
    reason: str | None = None


class PendingView(Struct, frozen=True):
    """The same call by another person within ten minutes executes it."""

    approval_id: str
    approval: Literal["pending"] = "pending"


class CommandView(Struct, frozen=True, kw_only=True):
    """A command as it stands. ``unknown``: sent, and nothing was heard of it in time."""

    command_id: str
    request_id: str
    vin: str
    action: str
    status: CommandStatus
    reason: str | None
    issued_at: datetime
    expires_at: datetime
    changed_at: datetime


class TheftReportBody(Struct, frozen=True):
    """What the person adds."""

    note: Annotated[str, Meta(max_length=500)] = ""


class TheftReported(Struct, frozen=True):
    """The theft is reported; the alarm's id is for the SOC."""

    status: Literal["reported"]
    alarm_id: str | None


class ApprovalView(Struct, frozen=True):
    """An act that waits for a second person."""

    approval_id: str
    what: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime


class ApprovalPage(Struct, frozen=True):
    """What waits for one vehicle, oldest first."""

    items: list[ApprovalView]
    next_after: int | None
