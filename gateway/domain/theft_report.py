"""A person reports a theft: the main user at once, an operator with a second person (contract 7)."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain import approvals, said
from gateway.domain.effects import Audited, Refused
from gateway.domain.outcome import Found, Outcome, Part
from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.signals import TheftReport, names_another_owner
from gateway.domain.vehicle import Vehicle

CAUSE = "manual_report"


def report(vehicle: Vehicle, fact: TheftReport, now: datetime) -> Outcome:
    """Raise ``manual_report``, or wait for the second person."""
    if fact.role == "main_user" and names_another_owner(vehicle.registration, fact.user):
        refused = Refused("not_authorised", "The registry names another main user.")
        return Outcome(vehicle, (refused, _audited(fact, "theft.report_refused", code=refused.code)))
    if fact.role == "main_user":
        return Outcome(vehicle, (_audited(fact, "theft.reported"),), _found(fact, "the main user", now))
    asked, answer = approvals.ask(
        vehicle.approvals, vin=vehicle.vin, key=fact.approval_key, what=CAUSE, by=fact.by, now=now
    )
    vehicle, approval = replace(vehicle, approvals=asked), answer.approval
    details = {"approval_id": approval.approval_id}
    if isinstance(answer, approvals.Pending):
        pending = ApprovalPending(approval.approval_id)
        return Outcome(vehicle, (_audited(fact, "theft.report_asked", **details), pending))
    details["asked_by"] = approval.asked_by
    who = f"{approval.asked_by} and {fact.by}"
    return Outcome(vehicle, (_audited(fact, "theft.reported", **details),), _found(fact, who, now))


def _found(fact: TheftReport, who: str, now: datetime) -> tuple[Found, ...]:
    parts = [said.say("reported", who=who), *([said.say("they_add", note=fact.note)] if fact.note else [])]
    return (Found(CAUSE, now, (said.evidence(now, *parts),)),)


def _audited(fact: TheftReport, action: str, **details: str) -> Audited:
    return Audited(fact.by, action, {"role": fact.role, "note": fact.note, **details})


PART = Part(acts={TheftReport: report})
