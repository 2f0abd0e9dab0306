"""
What people, vehicles and time do to commands. Pure: a vehicle in, a vehicle and what follows out.

Rules of this file:

1. A request is decided once. The same ``request_id`` of the same user gets the same answer again.
2. A command is published by the step that makes it ``sent``, and by no other: after a crash between commit
   and publish it ends as ``unknown``, never as a second unlock.
3. A command that has waited for its vehicle is looked at again before it is sent.
4. A person is told the reason; the audit trail and the SOC hear the true cause. Neither sees code material.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain import approvals, proof, said, security_code
from gateway.domain.alarms import MAX_EVIDENCE
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Audited, Effect, Notify
from gateway.domain.identity import identity
from gateway.domain.offline import is_online
from gateway.domain.outcome import Found, Outcome, Part
from gateway.domain.remote_access.actions import ACTIONS, OWNERS
from gateway.domain.remote_access.answers import again, refusal, who
from gateway.domain.remote_access.authorise import (
    WRONG_ANSWER,
    Denial,
    Granted,
    authorise,
    is_bound,
    role_of,
    still_allowed,
)
from gateway.domain.remote_access.challenge import challenged
from gateway.domain.remote_access.effects import ApprovalPending, CommandChanged
from gateway.domain.remote_access.facts import ChallengeRequested, CommandRequested, Stated
from gateway.domain.remote_access.interlocks import woken
from gateway.domain.remote_access.state import (
    LIFE,
    LOOK_AGAIN,
    Command,
    RefusedRequest,
    What,
    next_counter,
    put,
    refuse,
    remember,
)
from gateway.domain.signals import (
    Charging,
    CommandResult,
    Connection,
    DataBundle,
    DriverCard,
    Ignition,
    Located,
    Mode,
    Movement,
    Software,
    TheftSensor,
    Tick,
)
from gateway.domain.vehicle import Vehicle

AFTER_THE_CODE = frozenset({"not_supported", "vehicle_moving", "door_open", "state_unknown", "wake_budget"})
"""Refusals of a request whose challenge was answered rightly."""


# -- people -----------------------------------------------------------------------------------------------


def requested(vehicle: Vehicle, fact: CommandRequested, now: datetime) -> Outcome:
    """Decide what a person asks for."""
    known = None if fact.request_id is None else vehicle.remote.asked(fact.user, fact.request_id)
    if known is not None:
        return Outcome(vehicle, again(fact, known))
    decided = authorise(vehicle, fact, now)
    if isinstance(decided, Denial):
        return _denied(vehicle, fact, decided, now)
    vehicle = _code_used(vehicle, fact)
    if decided.action.second_person:
        return _with_second_person(vehicle, fact, decided, now)
    return _accept(vehicle, fact, decided, now)


def _denied(vehicle: Vehicle, fact: CommandRequested, denial: Denial, now: datetime) -> Outcome:
    effects = refusal(fact, denial, fact.action)
    found: tuple[Found, ...] = ()
    if denial.cause == WRONG_ANSWER:
        vehicle, told, found = _wrong_answer(vehicle, fact, now)
        effects = (*effects, *told)
    elif denial.reason in AFTER_THE_CODE:
        vehicle = _code_used(vehicle, fact)
    elif denial.reason == "call_soc":
        vehicle = _shown_to_soc(vehicle, fact, now)
    if fact.request_id is not None and role_of(fact, vehicle.registration) is not None:
        entry = RefusedRequest(fact.user, fact.request_id, denial.reason, now)
        vehicle = replace(vehicle, remote=refuse(vehicle.remote, entry, now))
    return Outcome(vehicle, effects, found)


def _code_used(vehicle: Vehicle, fact: CommandRequested) -> Vehicle:
    """A right answer serves once, whatever becomes of the request."""
    action = ACTIONS.get(fact.action)
    if action is None or not action.needs_code or fact.challenge is None:
        return vehicle
    return replace(vehicle, code_guard=security_code.right(vehicle.code_guard, fact.challenge, fact.user))


def _wrong_answer(
    vehicle: Vehicle, fact: CommandRequested, now: datetime
) -> tuple[Vehicle, tuple[Effect, ...], tuple[Found, ...]]:
    vehicle, found = proof.wrong(vehicle, fact.user, fact.action, now)
    until = security_code.locked_until(vehicle.code_guard, fact.user, now)
    main_user = vehicle.registration.main_user if vehicle.registration else None
    if until is None or main_user is None:
        return vehicle, (), found
    data = {"user": fact.user, "until": until}
    return vehicle, (Notify(main_user, "remote_access", "security_code_locked", data),), found


def _shown_to_soc(vehicle: Vehicle, fact: CommandRequested, now: datetime) -> Vehicle:
    """The operator sees in the alarm that somebody with the owner's phone tries."""
    theft = [alarm for alarm in vehicle.alarms.values() if BY_NAME[alarm.cause].cause_class == "theft"]
    if not theft:
        return vehicle
    alarm = max(theft, key=lambda one: one.raised_at)
    told = said.say("told_call_soc", user=fact.user, action=repr(fact.action[:32])[1:-1])
    every = (*alarm.evidence, said.evidence(now, told))
    kept = every if len(every) <= MAX_EVIDENCE else (every[0], *every[-(MAX_EVIDENCE - 1) :])
    shown = replace(alarm, evidence=kept, gathering=True)
    return replace(vehicle, alarms={**vehicle.alarms, alarm.cause: shown})


def _with_second_person(vehicle: Vehicle, fact: CommandRequested, granted: Granted, now: datetime) -> Outcome:
    request = None if fact.request_id is None else (fact.user, fact.request_id)
    asked, answer = approvals.ask(
        vehicle.approvals,
        vin=vehicle.vin,
        key=fact.approval_key,
        what=fact.action,
        by=fact.by,
        now=now,
        request=request,
    )
    vehicle, approval = replace(vehicle, approvals=asked), answer.approval
    if isinstance(answer, approvals.Approved):
        return _accept(vehicle, fact, granted, now, approval=approval)
    details = {**who(fact), "action": fact.action, "approval_id": approval.approval_id}
    pending = ApprovalPending(approval.approval_id)
    return Outcome(vehicle, (Audited(fact.by, "command.approval_asked", details), pending))


def _accept(
    vehicle: Vehicle,
    fact: CommandRequested,
    granted: Granted,
    now: datetime,
    *,
    approval: approvals.Approval | None = None,
) -> Outcome:
    number = vehicle.remote.made + 1
    command = Command(
        command_id=identity(vehicle.vin, "command", number, now),
        request_id=fact.request_id or "",
        user=fact.user,
        by=fact.by,
        role=granted.role,
        action=fact.action,
        status="accepted",
        issued_at=granted.issued_at,
        expires_at=granted.expires_at,
        changed_at=now,
        params=fact.params,
        listed=granted.role in OWNERS and not is_bound(fact, vehicle.registration),
        approved_by=None if approval is None else approval.asked_by,
        correlation=fact.correlation,
        stated=fact.stated,
    )
    remote = put(replace(vehicle.remote, made=number), command, now)
    if approval is not None:
        remote = remember(remote, command, now, *approval.requests)
    told = (CommandChanged(command), _audited(command, "command.accepted"))
    outcome = Outcome(replace(vehicle, remote=remote), told)
    if not _is_there(vehicle, fact.stated):
        return outcome
    if fact.stated is not None and not fact.stated.reachable:
        return Outcome(_looking(outcome.vehicle, now + LOOK_AGAIN), outcome.effects)
    return outcome.then(_send(outcome.vehicle, command, now))


def _looking(vehicle: Vehicle, at: datetime | None) -> Vehicle:
    return replace(vehicle, remote=replace(vehicle.remote, look_at=at))


def _is_there(vehicle: Vehicle, stated: Stated | None) -> bool:
    """Whether the vehicle is there to hear it: what was heard after its last will counts."""
    connection = vehicle.stated.get("connection")
    heard_at = None if stated is None else stated.heard_at
    if heard_at is not None and (connection is None or heard_at > connection.received_at):
        return True
    return bool(is_online(vehicle))


# -- the life of a command ----------------------------------------------------------------------------------


def _send(vehicle: Vehicle, command: Command, now: datetime) -> Outcome:
    remote = vehicle.remote
    counter = next_counter(remote, now)
    sent = replace(command, status=LIFE[command.status, "send"], counter=counter, changed_at=now, stated=None)
    remote = replace(put(remote, sent, now), counter=counter, wakes=woken(remote, vehicle, now))
    effects = (CommandChanged(sent, send=True), _audited(sent, "command.sent"))
    return Outcome(replace(vehicle, remote=remote), effects)


def _become(vehicle: Vehicle, command: Command, what: What, reason: str | None, now: datetime) -> Outcome:
    status = LIFE[command.status, what]
    changed = replace(command, status=status, reason=reason, changed_at=now, stated=None)
    vehicle = replace(vehicle, remote=put(vehicle.remote, changed, now))
    return Outcome(vehicle, (CommandChanged(changed), _audited(changed, f"command.{status}")))


def heard(vehicle: Vehicle, fact: Any, now: datetime) -> Outcome | None:
    """The vehicle is there, and so is the gateway's broker: send what waits, if it still may be."""
    if not vehicle.remote.open or (isinstance(fact, Connection) and not fact.online):
        return None
    waiting, look_at = vehicle.remote.waiting, vehicle.remote.look_at
    if not waiting or not is_online(vehicle):
        return None if look_at is None else Outcome(_looking(vehicle, None))
    if isinstance(fact, Tick) and not fact.reachable:
        due = look_at is not None and look_at <= now
        return Outcome(_looking(vehicle, now + LOOK_AGAIN)) if due else None
    outcome = Outcome(vehicle if look_at is None else _looking(vehicle, None))
    for command in waiting:
        denial = still_allowed(outcome.vehicle, command, now)
        if denial is None:
            outcome = outcome.then(_send(outcome.vehicle, command, now))
        else:
            outcome = outcome.then(_become(outcome.vehicle, command, "give_up", denial.reason, now))
    return outcome


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """What was not sent has expired; what was sent and not answered is unknown, never failed."""
    over = [one for one in vehicle.remote.open if one.expires_at <= now]
    if not over:
        return None
    outcome = Outcome(vehicle)
    for command in over:
        outcome = outcome.then(_become(outcome.vehicle, command, "time", None, now))
    return outcome


def resulted(vehicle: Vehicle, fact: CommandResult, now: datetime) -> Outcome:
    """Take what the vehicle says became of a command, however late; the first word of it counts."""
    command = vehicle.remote.command(fact.command_id)
    what: What = "failed" if fact.status == "refused" else fact.status
    if command is None or (command.status, what) not in LIFE:
        if command is not None and command.status == what:
            return Outcome(vehicle)
        stands = None if command is None else command.status
        details = {"command_id": fact.command_id, "status": fact.status, "stands": stands}
        return Outcome(vehicle, (Audited("vehicle", "command.result_left_out", details),))
    reason = fact.reason or ("refused" if fact.status == "refused" else None)
    return _become(vehicle, command, what, reason, now)


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When each of them is over, and when to look for the broker."""
    remote = vehicle.remote
    if not remote.open:
        return []
    over = [one.expires_at for one in remote.open]
    return over if remote.look_at is None else [*over, remote.look_at]


def _audited(command: Command, action: str) -> Audited:
    details: dict[str, Any] = {
        "command_id": command.command_id,
        "request_id": command.request_id,
        "action": command.action,
        "user": command.user,
        "role": command.role,
        "reason": command.reason,
    }
    if command.approved_by is not None:
        details["asked_by"] = command.approved_by
    return Audited(command.by, action, details)


PART = Part(
    acts={
        CommandRequested: requested,
        ChallengeRequested: challenged,
        CommandResult: resulted,
    },
    watches=(
        Connection,
        Movement,
        Ignition,
        Located,
        TheftSensor,
        DriverCard,
        DataBundle,
        Mode,
        Software,
        Charging,
        CommandResult,
        Tick,
    ),
    watch=heard,
    expire=expire,
    wakes=wakes,
)
