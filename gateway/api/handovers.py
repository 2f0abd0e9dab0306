"""
Notes from shift to shift: what the next one must know, with how the desk stood when it was written.

1. A note waits for each who has not written it until they have acknowledged it.
2. Once anybody has, it waits for the others for a day only: a later shift has its own.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, get_args

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.feed import Soc
from gateway.api.paging import MAX_SEQUENCE, After, Limit, cut
from gateway.api.problems import Problem, problems
from gateway.domain.cases import CaseState
from gateway.ports import (
    AuditEntry,
    CaseFilter,
    CaseThen,
    Handover,
    HandoverFilter,
    Reading,
    Standing,
    StoredCase,
    StoredHandover,
    UnprotectedFilter,
)

WAITS = timedelta(hours=24)
MAX_CASES = 200
MAX_UNPROTECTED = 50
MAX_PARKED = 1000

Number = Annotated[int, PathParameter(ge=1, le=MAX_SEQUENCE)]
CaseId = Annotated[str, Meta(min_length=1, max_length=64)]


class HandoverBody(Struct, frozen=True):
    """What the next shift must know."""

    text: Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
    cases: Annotated[list[CaseId], Meta(max_length=50, description="Cases that it is about.")] = []


class HandoverView(Struct, frozen=True):
    """A note, how the desk stood then, and everybody who has acknowledged it."""

    n: int
    at: datetime
    author: str
    soc: str
    text: str
    cases: list[str]
    standing: Standing
    read_by: list[Reading]


class HandoverPage(Struct, frozen=True):
    """Notes in the order in which they were written."""

    items: list[HandoverView]
    next_after: int | None


@get("/handovers", operation_id="listHandovers", summary="List hand-over notes", responses=problems(422))
async def list_handovers(
    *,
    deps: FromApp,
    who: Caller,
    soc: Soc = "default",
    unread: Annotated[bool, QueryParameter(description="Only what waits for the caller.")] = False,
    since: Annotated[datetime | None, QueryParameter(description="Only what was written since.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> HandoverPage:
    """Notes of one SOC."""
    where = HandoverFilter(soc, _in_utc(since), who.person if unread else None, deps.clock.now() - WAITS)
    page, last = cut(await deps.store.handovers(where, after, limit + 1), limit)
    return HandoverPage([_view(one) for one in page], None if last is None else last.n)


@post(
    "/handovers",
    operation_id="writeHandover",
    summary="Write a hand-over note",
    status_code=201,
    responses=problems(400, 404, 413, 415, 422),
)
async def write(
    deps: FromApp, who: Caller, data: JSONBody[HandoverBody], soc: Soc = "default"
) -> HandoverView:
    """Leave a note to the next shift; the open cases and what else needs somebody are added to it."""
    for case_id in data.cases:
        if await deps.store.case(case_id) is None:
            raise Problem(404, "unknown_case", f"There is no case {case_id!r}.")
    now, standing = deps.clock.now(), await _standing(deps, soc)
    note = Handover(soc, now, who.person, data.text, tuple(dict.fromkeys(data.cases)), standing)
    details = {"role": who.role, "soc": soc, "cases": len(note.cases), "open": len(standing.cases)}
    n = await deps.store.add_handover(note, AuditEntry(now, who.person, "handover.written", "", details))
    return _view(StoredHandover(n, note, ()))


@post(
    "/handovers/{n:int}/acknowledge",
    operation_id="acknowledgeHandover",
    summary="Acknowledge a hand-over note",
    status_code=200,
    responses=problems(404, 409, 422),
)
async def acknowledge(deps: FromApp, who: Caller, n: Number) -> HandoverView:
    """Say that one has read it. Again changes nothing."""
    found = await _stored(deps, n)
    if found.handover.author == who.person:
        raise Problem(409, "own_note", "Whoever wrote a note can't acknowledge it: the next shift does.")
    entry = AuditEntry(deps.clock.now(), who.person, "handover.read", str(n), {"role": who.role})
    await deps.store.read_handover(n, entry)
    return _view(await _stored(deps, n))


def _in_utc(since: datetime | None) -> datetime | None:
    """As the store compares times."""
    if since is None:
        return None
    try:
        if since.tzinfo is not None:
            return since.astimezone(UTC)
    except OverflowError:
        pass  # at the edge of the calendar
    raise Problem(422, "invalid_request", "since: a time with an offset, within the calendar.")


async def _stored(deps: Deps, n: int) -> StoredHandover:
    found = await deps.store.handover(n)
    if found is None:
        raise Problem(404, "unknown_handover", "There is no such note.")
    return found


async def _standing(deps: Deps, soc: str) -> Standing:
    """How the desk stands now."""
    now, cases = deps.clock.now(), list[CaseThen]()
    for state in get_args(CaseState):
        if state != "closed":
            found = await deps.store.cases(CaseFilter(state=state, soc=soc), 0, MAX_CASES + 1)
            cases += [_then(one) for one in found]
    cases.sort(key=lambda one: (not one.critical, one.claimed_by is not None))
    parked = await deps.store.deliveries("parked", None, 0, MAX_PARKED)
    where = UnprotectedFilter(now, now, soc, None, "critical")
    unprotected = await deps.store.unprotected(where, (0, ""), MAX_UNPROTECTED + 1)
    return Standing(
        cases=tuple(cases[:MAX_CASES]),
        more_cases=len(cases) > MAX_CASES,
        parked=dict(Counter(row.sink for row in parked if row.soc == soc)),
        unprotected=tuple(one.vin for one in unprotected[:MAX_UNPROTECTED] if one.severity == "critical"),
        more_unprotected=len(unprotected) > MAX_UNPROTECTED,
    )


def _then(stored: StoredCase) -> CaseThen:
    case = stored.case
    return CaseThen(
        case.case_id, stored.vin, case.state, case.causes, case.is_critical, case.claimed_by, case.escalated
    )


def _view(stored: StoredHandover) -> HandoverView:
    note = stored.handover
    read_by, cases = list(stored.reads), list(note.cases)
    return HandoverView(stored.n, note.at, note.author, note.soc, note.text, cases, note.standing, read_by)


routes = Router("/", route_handlers=[list_handovers, write, acknowledge], tags=["cases"])
