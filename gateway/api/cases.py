"""
Cases: list them, read one with its timeline, and act on it (contract 5.2).

Everything is decided in the vehicle's one fold: of two operators who claim at once one wins, and the other is
told who.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from gateway.api.alarms import Text
from gateway.api.alarms import view as alarm_view
from gateway.api.case_bodies import (
    CallView,
    CaseLine,
    CasePage,
    CaseView,
    ContactBody,
    DecidedBody,
    EntryView,
    NoteBody,
    PoliceBody,
    SaidBody,
    SentView,
    line,
)
from gateway.api.command_bodies import PendingView
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.paging import After, Limit, cut
from gateway.api.problems import Problem, problems
from gateway.api.trail import audit
from gateway.domain.approvals import approval_key
from gateway.domain.cases import INSTRUCTIONS, Case, CaseAct, CaseState, next_contact
from gateway.domain.effects import Refused
from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.signals import ActOnCase
from gateway.ports import CaseFile, CaseFilter, StoredEntry, Token

FIRST_PAGE = 100
WRONG = (400, 404, 409, 413, 415, 422)

AnyRequest = Request[Token, Any, Any]
Answer = Response[CaseView | PendingView]


@get("/cases", operation_id="listCases", summary="List cases", responses=problems(422))
async def list_cases(
    *,
    deps: FromApp,
    who: Caller,
    case_state: Annotated[CaseState | None, QueryParameter(name="state")] = None,
    soc: Text = None,
    vin: Text = None,
    claimed_by: Text = None,
    escalated: Annotated[
        int | None, QueryParameter(ge=0, le=2, description="At least this level; 0: not escalated.")
    ] = None,
    after: After = 0,
    limit: Limit = 100,
) -> CasePage:
    """Cases in the order in which they were opened."""
    await audit(deps, who, "case.listed", after=after, limit=limit, vin=vin)
    where = CaseFilter(case_state, soc, vin, claimed_by, escalated)
    page, last = cut(await deps.store.cases(where, after, limit + 1), limit)
    return CasePage([CaseLine(**line(one)) for one in page], None if last is None else last.n)


@get("/cases/{case_id:str}", operation_id="readCase", summary="Read one case", responses=problems(404, 422))
async def read_case(
    *, deps: FromApp, who: Caller, case_id: FromPath[str], after: After = 0, limit: Limit = FIRST_PAGE
) -> CaseView:
    """One case, its alarms, whom to call, and a page of its timeline."""
    file = await _file(deps, case_id, after, limit + 1)
    await audit(deps, who, "case.read", case_id, vin=file.stored.vin)
    return await _view(deps, file, limit)


_pending = ResponseSpec(PendingView, description="Asked for; another person's same call executes it.")


def _route(act: CaseAct, operation_id: str, summary: str, *, waits: bool = False) -> post:
    """Where an act is called. ``waits``: a second person's call may be needed."""
    pending = {202: _pending} if waits else {}
    return post(
        f"/cases/{{case_id:str}}/{act}",
        operation_id=operation_id,
        summary=summary,
        status_code=200,
        responses={**pending, **problems(*WRONG)},
    )


def _plain(act: CaseAct, operation_id: str, summary: str, says: str, *, waits: bool = False) -> Any:
    """Make the route of an act that states no more than a note."""

    async def plain(
        deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[SaidBody | None] = None
    ) -> Answer:
        return await _act(deps, request, case_id, act, data)

    plain.__name__, plain.__doc__ = act, says
    return _route(act, operation_id, summary, waits=waits)(plain)


PLAIN = [
    _plain(
        "claim",
        "claimCase",
        "Claim a case",
        "Take it for 15 minutes, which each act renews. A supervisor may take it over.",
    ),
    _plain("release", "releaseCase", "Release a case", "Give it back."),
    _plain(
        "confirm",
        "confirmCase",
        "Confirm the theft",
        "Say that the owner has confirmed it: the vehicle is stolen.",
    ),
    _plain(
        "recover",
        "recoverCase",
        "Say that the vehicle is back",
        "The vehicle is recovered and no longer stolen; two persons say so.",
        waits=True,
    ),
    _plain(
        "lost",
        "giveUpCase",
        "Give the vehicle up",
        "The vehicle is given up and no longer tracked as stolen; two persons say so.",
        waits=True,
    ),
]


@_route("contact", "noteContact", "Note a call")
async def contact(
    deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[ContactBody]
) -> Answer:
    """Write down one attempt to reach somebody."""
    file = await _file(deps, case_id)
    place, name = _called(await _contacts(deps, file.stored.vin), file.stored.case, data)
    more = {"contact": name, "place": place, "outcome": data.outcome, "reference": data.call_reference}
    return await _act(deps, request, case_id, "contact", data, **more)


@_route("dismiss", "dismissCase", "Dismiss a case")
async def dismiss(
    deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[DecidedBody | None] = None
) -> Answer:
    """Say that it was no theft."""
    disposition = None if data is None else data.disposition
    return await _act(deps, request, case_id, "dismiss", data, disposition=disposition)


@_route("police", "notePolice", "Note the police")
async def police(
    deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[PoliceBody]
) -> Answer:
    """Write down the reference of the police."""
    return await _act(deps, request, case_id, "police", data, reference=data.reference)


@_route("close", "closeCase", "Close a case", waits=True)
async def close(
    deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[DecidedBody | None] = None
) -> Answer:
    """Close it with its alarms. A critical one that nobody was called about waits for a supervisor."""
    disposition = None if data is None else data.disposition
    return await _act(deps, request, case_id, "close", data, disposition=disposition)


@_route("note", "noteCase", "Note something")
async def note(
    deps: FromApp, request: AnyRequest, case_id: FromPath[str], data: JSONBody[NoteBody]
) -> Answer:
    """Write a note."""
    return await _act(deps, request, case_id, "note", data)


async def _act(
    deps: Deps,
    request: AnyRequest,
    case_id: str,
    act: CaseAct,
    data: Struct | None,
    **more: Any,
) -> Answer:
    """Let the vehicle's one writer decide; answers the case as it is stored afterwards."""
    file = await _file(deps, case_id)
    stated = {} if data is None else msgspec.to_builtins(data)
    fact = ActOnCase(
        received_at=deps.clock.now(),
        case_id=case_id,
        act=act,
        by=request.user.person,
        role=request.user.role,
        note=stated.get("note"),
        approval_key=approval_key(request.url.path, stated),
        **more,
    )
    for effect in await deps.acts.act(file.stored.vin, fact):
        if isinstance(effect, Refused):
            raise Problem(409, effect.code, effect.detail, by=effect.by)
        if isinstance(effect, ApprovalPending):
            return Response(PendingView(effect.approval_id), status_code=202)
    return Response(await _view(deps, await _file(deps, case_id, 0, FIRST_PAGE + 1), FIRST_PAGE))


async def _file(deps: Deps, case_id: str, after: int = 0, limit: int = 0) -> CaseFile:
    file = await deps.store.case(case_id, after, limit)
    if file is None:
        raise Problem(404, "unknown_case", "There is no such case.")
    return file


async def _contacts(deps: Deps, vin: str) -> tuple[dict[str, Any], ...]:
    known = await deps.store.registration(vin)
    return () if known is None else known.contacts


def _names(contacts: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    return tuple(str(one.get("name", "")) for one in contacts)


def _called(contacts: tuple[dict[str, Any], ...], case: Case, body: ContactBody) -> tuple[int | None, str]:
    """Who was called: place in the order of contacts, and name."""
    names, stated = _names(contacts), body.contact
    if isinstance(stated, str):
        return (names.index(stated) + 1 if stated in names else None), stated
    place = stated if stated is not None else next_contact(case, names)
    if place is not None and place > len(names):
        raise Problem(422, "invalid_request", f"contact: the vehicle has {len(names)} contacts.")
    return place, "" if place is None else names[place - 1]


async def _view(deps: Deps, file: CaseFile, limit: int) -> CaseView:
    case, contacts = file.stored.case, await _contacts(deps, file.stored.vin)
    entries, last = cut(list(file.entries), limit)
    names = _names(contacts)
    calls = [
        CallView(place, name, one.get("phone"), case.tried.get(name, 0))
        for place, (name, one) in enumerate(zip(names, contacts, strict=True), 1)
    ]
    return CaseView(
        **line(file.stored),
        instructions=list(INSTRUCTIONS[case.handling]),
        calls=calls,
        next_contact=None if case.state == "closed" else next_contact(case, names),
        alarms=[alarm_view(one) for one in file.alarms],
        entries=[entry(one) for one in entries],
        next_after=None if last is None else last.n,
    )


def entry(stored: StoredEntry) -> EntryView:
    """A line of a timeline."""
    said = stored.entry
    deliveries = [
        SentView(one.id, one.sink, one.state, f"/api/v1/deliveries?after={one.id - 1}&limit=1")
        for one in stored.deliveries
    ]
    link = None if said.alarm_id is None else f"/api/v1/alarms/{said.alarm_id}"
    return EntryView(stored.n, said.at, said.actor, said.what, said.details, link, deliveries)


routes = Router(
    "/",
    route_handlers=[list_cases, read_case, *PLAIN, contact, dismiss, police, close, note],
    tags=["cases"],
)
