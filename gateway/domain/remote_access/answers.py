"""What whoever asked is told, and what the audit trail is told."""

from __future__ import annotations

from typing import Any

from gateway.domain.effects import Audited, Effect
from gateway.domain.remote_access.authorise import Denial
from gateway.domain.remote_access.effects import RequestAnswered
from gateway.domain.remote_access.facts import Asked
from gateway.domain.remote_access.state import Command, RefusedRequest, Remembered


def again(fact: Asked, known: Command | RefusedRequest | Remembered) -> tuple[Effect, ...]:
    """The same answer; and where the command stands by now, if that is further."""
    if isinstance(known, RefusedRequest):
        return (answered(fact, "refused", known.reason),)
    first = answered(fact, "accepted", None, known.command_id)
    if known.status == "accepted":
        return (first,)
    return (first, answered(fact, known.status, known.reason, known.command_id))


def answered(fact: Asked, status: str, reason: str | None, command_id: str | None = None) -> RequestAnswered:
    """Answer whoever asked."""
    return RequestAnswered(
        user=fact.user,
        request_id=fact.request_id,
        status=status,
        command_id=command_id,
        reason=reason,
        tell=fact.role is None,
        correlation=fact.correlation,
    )


def refusal(fact: Asked, denial: Denial, action: str) -> tuple[Effect, ...]:
    """Tell the person the reason, and the audit trail the cause."""
    details = {**who(fact), "action": action, "reason": denial.reason, "cause": denial.cause}
    audited = Audited(fact.by, "command.refused", details)
    return (answered(fact, "refused", denial.reason), audited)


def who(fact: Asked) -> dict[str, Any]:
    """Who asked, for the audit trail."""
    return {"user": fact.user, "role": fact.role, "request_id": fact.request_id}
