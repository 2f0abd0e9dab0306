"""What deciding asks for. The pipeline carries it out; nothing here does anything."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from gateway.domain.alarms import Alarm
from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.remote_access.effects import (
    ApprovalPending,
    ChallengeGiven,
    CommandChanged,
    RequestAnswered,
)
from gateway.domain.signals import Registration

MessageType = Literal[
    "alarm.raised",
    "alarm.updated",
    "alarm.suppressed",
    "alarm.acknowledged",
    "alarm.closed",
    "alarm.unrecorded",
]


class Announce(Struct, frozen=True):
    """Tell the SOC about an alarm; ``event_ids`` are the triggers first told by this message."""

    type: MessageType
    alarm: Alarm
    event_ids: tuple[str, ...] = ()


class Verdict(Struct, frozen=True):
    """What became of a theft-sensor trigger: ``alarm`` or ``suppressed`` with its id, or why it is none."""

    event_id: str
    verdict: Literal["alarm", "below_minimum", "pending", "suppressed"]
    alarm_id: str | None = None


class Notify(Struct, frozen=True):
    """Tell a person something that is no silent alarm. ``gateway.texts`` has the words for kind and code."""

    user: str
    kind: str
    code: str
    data: dict[str, Any] = {}


class Refused(Struct, frozen=True):
    """A person's act is not possible now; ``code`` is the stable problem code."""

    code: Literal[
        "illegal_transition",
        "case_decides",
        "case_claimed",
        "case_limit",
        "unknown_alarm",
        "unknown_mode",
        "not_authorised",
        "mode_limit",
        "call_soc",
        "security_code_locked",
        "security_code_required",
        "security_code_wrong",
        "invalid_request",
        "unknown_user",
        "unknown_transfer",
        "not_main_user",
        "has_main_user",
        "too_many_users",
        "code_wrong",
        "code_locked",
        "service_not_active",
        "not_heard",
    ]
    detail: str
    by: str | None = None
    """Who stands in the way, where a person does."""


class Silent(Struct, frozen=True):
    """The vehicle has been silent for longer than expected; ``held``: as many are, it makes no alarm."""

    held: bool


class Audited(Struct, frozen=True):
    """Write into the audit trail who did what, how and why, in the same transaction."""

    actor: str
    action: str
    details: dict[str, Any] = {}


class Register(Struct, frozen=True):
    """Write the vehicle's registry entry, in the same transaction; the vehicle holds it already."""

    registration: Registration


class Revoke(Struct, frozen=True):
    """These users are none of the vehicle any more: their tokens for it and what waits for them end."""

    users: tuple[str, ...]
    unnamed: bool = False
    """Owners' tokens that are bound to the vehicle and to no user as well."""


Effect = (
    Announce
    | Verdict
    | Notify
    | Refused
    | Silent
    | Audited
    | Register
    | Revoke
    | CommandChanged
    | RequestAnswered
    | ChallengeGiven
    | ApprovalPending
    | CaseChanged
    | CaseNoted
    | Escalated
)
