"""Hand out a case's evidence: to its holder, or to a supervisor, and never unseen."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from gateway.api import alarms
from gateway.api.console import language_of
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.evidence.check import EXPORTED
from gateway.api.evidence.document import Content, Export, content_of, digests, document, mode_ids
from gateway.api.evidence.page import POLICY, VERSION, page
from gateway.api.grants import grant
from gateway.api.problems import Problem, problems
from gateway.api.vehicles import Reason
from gateway.ports import AlarmFilter, AuditEntry, AuditScope, CaseEvidence, StoredAlarm, Token

AT_ONCE = 1_000

Format = Annotated[
    Literal["json", "html"], QueryParameter(name="format", description="A page to print, or JSON.")
]
Language = Annotated[
    Literal["en", "nl"] | None,
    QueryParameter(description="Language of the page; as the reader's browser asks if it is not stated."),
]
_file = ResponseSpec(
    bytes, description="JSON, or a page to print.", media_type=MediaType.JSON, generate_examples=False
)


@get(
    "/cases/{case_id:str}/export",
    operation_id="exportCase",
    summary="Export a case's evidence",
    media_type=MediaType.JSON,
    responses={200: _file, **problems(403, 404, 422)},
)
async def export(
    *,
    deps: FromApp,
    who: Caller,
    request: Request[Any, Any, Any],
    case_id: FromPath[str],
    form: Format = "json",
    reason: Reason = None,
    language: Language = None,
) -> Response[bytes]:
    """Everything of a case in one file to be checked offline; a closed case's positions for a reason."""
    found = await _found(deps, who, case_id)
    stored, now = found.file.stored, deps.clock.now()
    granted = await grant(deps, who, stored.vin)
    stated = (reason or "").strip()
    sealed = stored.case.closed_at is not None and not stated
    made = Export(now, who.person, who.role, deps.instance, sealed)
    modes = mode_ids(granted, stored.case.opened_at, stored.case.closed_at or now)
    held_back = await _held_back(deps, stored.vin, modes)
    scope = await _scope(deps, found, held_back)
    audited = await deps.store.audited(scope)

    def content() -> tuple[Content, dict[str, str]]:
        sections = content_of(found, granted, held_back, made, audited)
        return sections, digests(sections)

    # A long case takes its time: not the loop's.
    sections, sums = await asyncio.to_thread(content)
    details = {"role": who.role, "vin": stored.vin, "format": form, "track": sections["track"]["state"]}
    details |= {"reason": stated} if stated else {}
    details |= {"page": VERSION} if form == "html" else {}
    await deps.store.audit([AuditEntry(now, who.person, EXPORTED, case_id, {**details, "sha256": sums})])
    proof = await deps.store.audit_proof(scope)
    shown_in = language or language_of(request)
    return await asyncio.to_thread(_answer, document(sections, proof), form, shown_in, case_id)


async def _found(deps: Deps, who: Token, case_id: str) -> CaseEvidence:
    """The case, for who may take it out of the house."""
    found = await deps.store.evidence(case_id)
    if found is None:
        raise Problem(404, "unknown_case", "There is no such case.")
    now = deps.clock.now()
    holder = found.file.stored.case.holder(now)
    if who.role != "supervisor" and holder != who.person:
        details = {"role": who.role, "vin": found.file.stored.vin}
        await deps.store.audit([AuditEntry(now, who.person, "case.export_refused", case_id, details)])
        raise Problem(403, "case_not_held", "Claim the case first, or ask a supervisor.", by=holder)
    return found


async def _held_back(deps: Deps, vin: str, modes: frozenset[str]) -> list[StoredAlarm]:
    """All that these modes held back; there is one alarm for each mode and cause."""
    found: list[StoredAlarm] = []
    page = await deps.store.alarms(AlarmFilter(state="suppressed", vin=vin), 0, AT_ONCE)
    while modes and page:
        found += (one for one in page if alarms.view(one).suppressed_by in modes)
        after = page[-1].first_sequence
        page = await deps.store.alarms(AlarmFilter(state="suppressed", vin=vin), after, AT_ONCE)
    return found


async def _scope(deps: Deps, found: CaseEvidence, held_back: list[StoredAlarm]) -> AuditScope:
    """The audit rows that belong to a case, as they stand now."""
    case = found.file.stored.case
    head = await deps.store.audit_head()
    subjects = (case.case_id, *(one.alarm_id for one in (*found.file.alarms, *held_back)))
    return AuditScope(subjects, found.file.stored.vin, case.closed_at, (head and head.n) or 0)


def _answer(made: dict[str, Any], form: str, language: str, case_id: str) -> Response[bytes]:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", case_id)
    headers = {"Content-Disposition": f'attachment; filename="case-{name}.{form}"'}
    if form == "json":
        return Response(msgspec.json.encode(made), media_type="application/json", headers=headers)
    headers["Content-Security-Policy"] = POLICY
    return Response(page(made, language).encode(), media_type="text/html", headers=headers)


routes = Router("/", route_handlers=[export], tags=["cases"])
