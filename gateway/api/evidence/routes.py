"""Hand out a case's evidence: to its holder, or to a supervisor, and never unseen."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from gateway.api.console import language_of
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.evidence.document import Content, content_of, digests, document
from gateway.api.evidence.page import POLICY, page
from gateway.api.grants import grant
from gateway.api.problems import Problem, problems
from gateway.api.vehicles import Reason
from gateway.ports import AlarmFilter, AuditEntry, CaseEvidence, StoredAlarm, Token

MAX_HELD_BACK = 1_000

Format = Annotated[
    Literal["json", "html"], QueryParameter(name="format", description="A page to print, or JSON.")
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
) -> Response[bytes]:
    """Everything of a case in one file that can be checked offline; a closed case's track for a reason."""
    found = await _found(deps, who, case_id)
    stored, now = found.file.stored, deps.clock.now()
    granted = await grant(deps, who, stored.vin)
    stated = (reason or "").strip()
    sealed = stored.case.closed_at is not None and not stated
    held_back = await _held_back(deps, stored.vin)

    def content() -> tuple[Content, dict[str, str]]:
        made = content_of(found, granted, held_back, instance=deps.instance, now=now, sealed=sealed)
        return made, digests(made)

    # A long case takes its time: not the loop's.
    sections, sums = await asyncio.to_thread(content)
    said = {"role": who.role, "vin": stored.vin, "format": form, "track": sections["track"]["state"]}
    if stated:
        said["reason"] = stated
    details = {**said, "sha256": sums}
    await deps.store.audit([AuditEntry(now, who.person, "case.exported", case_id, details)])
    subjects = [case_id, *(one["alarm_id"] for one in (*sections["alarms"], *sections["held_back"]))]
    proof = await deps.store.audit_proof(subjects, stored.vin, stored.case.closed_at)
    language = language_of(request)
    return await asyncio.to_thread(_answer, document(sections, proof), form, language, case_id)


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


async def _held_back(deps: Deps, vin: str) -> list[StoredAlarm]:
    return await deps.store.alarms(AlarmFilter(state="suppressed", vin=vin), 0, MAX_HELD_BACK)


def _answer(made: dict[str, Any], form: str, language: str, case_id: str) -> Response[bytes]:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", case_id)
    headers = {"Content-Disposition": f'attachment; filename="case-{name}.{form}"'}
    if form == "json":
        return Response(msgspec.json.encode(made), media_type="application/json", headers=headers)
    headers["Content-Security-Policy"] = POLICY
    return Response(page(made, language).encode(), media_type="text/html", headers=headers)


routes = Router("/", route_handlers=[export], tags=["cases"])
