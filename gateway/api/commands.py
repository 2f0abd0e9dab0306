"""
Remote access over HTTP: commands, what became of them, theft reports, and what waits for a second person.

A request's body is read by the same code as a message on the request topic: it is refused alike, by the same
reasons in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, JSONBody
from msgspec.json import schema as schema_of

from gateway.api.command_bodies import (
    ApprovalPage,
    ApprovalView,
    CommandAnswer,
    CommandView,
    PendingView,
    TheftReportBody,
    TheftReported,
)
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.grants import grant, may_see
from gateway.api.policy import OWNERS
from gateway.api.problems import Problem, problems
from gateway.api.trail import audit
from gateway.domain.approvals import APPROVAL_LIVES, approval_key
from gateway.domain.effects import Effect, Refused
from gateway.domain.remote_access.effects import (
    ApprovalPending,
    ChallengeGiven,
    CommandChanged,
    RequestAnswered,
)
from gateway.domain.signals import TheftReport
from gateway.domain.theft_report import CAUSE
from gateway.ports import CommandRow, Token
from gateway.wire.command_request import Payload
from gateway.wire.command_response import Challenge
from gateway.wire.topics import is_vin

RETRY = {"Retry-After": "1"}


@dataclass
class _Body(Schema):
    """The request as its codec documents it."""

    def to_schema(self) -> dict[str, Any]:
        """JSON Schema of the codec's own Struct, without Python's spelling of patterns."""
        stated: dict[str, Any] = schema_of(Payload)["$defs"]["Payload"]
        request_id = stated["properties"]["request_id"]
        pattern = request_id["pattern"].replace("\\Z", "$")
        return stated | {
            "properties": stated["properties"] | {"request_id": request_id | {"pattern": pattern}}
        }


@dataclass
class _CommandOperation(Operation):
    """Names the body of a request, which is read by its codec and not by the framework."""

    def __post_init__(self) -> None:
        """Add the body."""
        content = {"application/json": OpenAPIMediaType(schema=_Body())}
        self.request_body = RequestBody(content=content, required=True)


_waits = ResponseSpec(
    CommandAnswer | PendingView, description="Accepted, or it waits for the same call by another person."
)


@post(
    "/vehicles/{vin:str}/commands",
    operation_id="requestCommand",
    summary="Ask for a command",
    status_code=200,
    operation_class=_CommandOperation,
    responses={202: _waits, **problems(404, 413, 415, 429)},
)
async def request_command(
    deps: FromApp, who: Caller, vin: FromPath[str], request: Request[Token, Any, Any]
) -> Response[CommandAnswer | Challenge | PendingView]:
    """
    Ask for a command: 202 if it is accepted, 200 with ``refused`` and the reason if it is not.

    The same ``request_id`` of the same user gives the same answer and one command. The action ``challenge``
    answers a challenge. Another party's vehicle is 404.
    ``block_engine_start`` needs the same call by a second person.
    """
    if not is_vin(vin):
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    stranger = who.role in OWNERS and not may_see(who, vin, await deps.store.registration(vin))
    effects = await deps.commands.ask(vin, who, await request.body(), request.url.path, stranger=stranger)
    if effects is None:
        raise Problem(429, "too_many_requests", "Too many requests: try again in a second.", headers=RETRY)
    if stranger:
        raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
    return _answer(effects)


@get(
    "/commands/{command_id:str}",
    operation_id="readCommand",
    summary="Read a command",
    responses=problems(404),
)
async def read_command(deps: FromApp, who: Caller, command_id: FromPath[str]) -> CommandView:
    """What became of a command: for who asked for it, and for the SOC."""
    row = await deps.store.command(command_id)
    if row is None or (who.role in OWNERS and not await _is_own(deps, who, row)):
        raise Problem(404, "unknown_command", "There is no such command.")
    return CommandView(
        command_id=row.command_id,
        request_id=row.request_id,
        vin=row.vin,
        action=row.action,
        status=row.status,  # type: ignore[arg-type]  # as it was told
        reason=row.reason,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        changed_at=row.changed_at,
    )


@post(
    "/vehicles/{vin:str}/theft-report",
    operation_id="reportTheft",
    summary="Report a theft",
    status_code=201,
    responses={
        202: ResponseSpec(PendingView, description="It waits for the same call by another person."),
        **problems(400, 404, 413, 415, 422),
    },
)
async def report_theft(
    deps: FromApp,
    who: Caller,
    vin: FromPath[str],
    request: Request[Token, Any, Any],
    data: JSONBody[TheftReportBody | None] = None,
) -> Response[TheftReported | PendingView]:
    """Raise ``manual_report``: the main user at once, the SOC with a second person."""
    await grant(deps, who, vin)
    note = "" if data is None else data.note
    key = approval_key(request.url.path, {"note": note})
    now = deps.clock.now()
    fact = TheftReport(
        received_at=now, by=who.person, role=who.role, user=who.user, note=note, approval_key=key
    )
    for effect in await deps.acts.act(vin, fact):
        if isinstance(effect, ApprovalPending):
            return Response(PendingView(effect.approval_id), status_code=202)
        if isinstance(effect, Refused):
            raise Problem(403 if effect.code == "not_authorised" else 409, effect.code, effect.detail)
    alarm = (await grant(deps, who, vin)).vehicle.alarms.get(CAUSE)
    shown = None if alarm is None or who.role in OWNERS else alarm.alarm_id
    return Response(TheftReported("reported", shown))


@get(
    "/vehicles/{vin:str}/approvals",
    operation_id="listApprovals",
    summary="List what waits for a second person",
    responses=problems(404),
)
async def list_approvals(deps: FromApp, who: Caller, vin: FromPath[str]) -> ApprovalPage:
    """Acts on this vehicle that one person has asked for."""
    granted, now = await grant(deps, who, vin), deps.clock.now()
    await audit(deps, who, "approval.listed", vin)
    waiting = granted.vehicle.approvals.waiting
    items = [
        ApprovalView(one.approval_id, one.what, one.asked_by, one.asked_at, one.asked_at + APPROVAL_LIVES)
        for one in waiting
        if now < one.asked_at + APPROVAL_LIVES
    ]
    return ApprovalPage(items, None)


async def _is_own(deps: Deps, who: Token, row: CommandRow) -> bool:
    if row.user != (who.user or who.person):
        return False
    return may_see(who, row.vin, await deps.store.registration(row.vin))


def _answer(effects: tuple[Effect, ...]) -> Response[CommandAnswer | Challenge | PendingView]:
    """The first effect that answers this request: what became of other commands meanwhile is none."""
    for effect in effects:
        match effect:
            case RequestAnswered(reason="unknown_vehicle"):
                raise Problem(404, "unknown_vehicle", "There is no such vehicle.")
            case RequestAnswered():
                status = 200 if effect.status == "refused" else 202
                body = CommandAnswer(effect.request_id, effect.command_id, effect.status, effect.reason)  # type: ignore[arg-type]  # a command's status, or refused
                return Response(body, status_code=status)
            case CommandChanged() if effect.command.status == "accepted":
                one = effect.command
                return Response(CommandAnswer(one.request_id, one.command_id, "accepted"), status_code=202)
            case ChallengeGiven():
                given = Challenge(
                    effect.request_id, effect.challenge, effect.salt, effect.rounds, effect.expires_at
                )
                return Response(given)
            case ApprovalPending():
                return Response(PendingView(effect.approval_id), status_code=202)
            case Refused():
                raise Problem(409, effect.code, "The request could not be decided.")
            case _:
                pass
    raise Problem(500, "internal_error", "The request was not answered.")


routes = Router(
    "/", route_handlers=[request_command, read_command, report_theft, list_approvals], tags=["remote access"]
)
