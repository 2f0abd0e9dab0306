"""Which cars are not protected tonight, and why: the SOC looks ahead instead of finding out by a theft."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from litestar import Router, get
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from gateway.api.deps import Caller, FromApp
from gateway.api.paging import Limit, cut
from gateway.api.problems import Problem, problems
from gateway.domain.causes import Severity
from gateway.domain.reasons import RANK, SENTENCES, SEVERITIES, Code, Reason
from gateway.domain.services.entitlements import CarSecurity, car_security
from gateway.ports import AuditEntry, UnprotectedFilter


class UnprotectedReason(Struct, frozen=True):
    """One reason, and when it holds; null: already, or with no end that is known."""

    code: Code
    severity: Severity
    text: str
    from_at: datetime | None
    until_at: datetime | None
    detail: str | None


class UnprotectedLine(Struct, frozen=True):
    """A car that is not protected; ``severity`` is that of its worst reason."""

    vin: str
    severity: Severity
    reasons: list[UnprotectedReason]
    service: CarSecurity
    country: str | None
    model: str | None
    soc: str | None


class UnprotectedPage(Struct, frozen=True):
    """Worst first, then by VIN; ``next_after`` goes into ``after``."""

    items: list[UnprotectedLine]
    next_after: str | None


MORNING_H = 6
"""In UTC; a night is at least an hour long."""
LONGEST = timedelta(days=31)
CURSOR = re.compile(r"([0-9])\.([A-HJ-NPR-Z0-9]{17})\Z")

After = Annotated[str, QueryParameter(max_length=20, description="``next_after`` of the page before.")]
Until = Annotated[
    datetime | None, QueryParameter(description="The end of the night; by default the next 06:00 UTC.")
]


@get(
    "/unprotected",
    operation_id="listUnprotected",
    summary="List cars that are not protected tonight",
    responses=problems(422),
)
async def list_unprotected(
    *,
    deps: FromApp,
    who: Caller,
    until: Until = None,
    severity: FromQuery[Severity | None] = None,
    code: FromQuery[Code | None] = None,
    soc: Annotated[str | None, QueryParameter(max_length=64)] = None,
    after: After = "",
    limit: Limit = 100,
) -> UnprotectedPage:
    """
    Registered cars with a reason that holds now or begins before ``until``, worst first, then by VIN.

    ``severity`` asks for at least so severe reasons, ``code`` for one of them.
    """
    now = deps.clock.now()
    end = _morning(now) if until is None else until
    if end.tzinfo is None or not now < end <= now + LONGEST:
        raise Problem(422, "invalid_request", "until: a time with an offset, within the next 31 days.")
    details = {"role": who.role, "until": end, "after": after, "limit": limit}
    await deps.store.audit([AuditEntry(now, who.person, "unprotected.listed", "", details)])
    where = UnprotectedFilter(now, end, soc, code, severity)
    found = await deps.store.unprotected(where, _cursor(after), limit + 1)
    page, last = cut(found, limit)
    known = (await deps.store.known((), [one.vin for one in page], ())).registrations
    lines = []
    for one in page:
        entry = known.get(one.vin)
        lines.append(
            UnprotectedLine(
                vin=one.vin,
                severity=one.severity,
                reasons=[_reason(reason) for reason in one.reasons],
                service=car_security(entry, now),
                country=entry.country if entry else None,
                model=entry.model if entry else None,
                soc=entry.soc if entry else None,
            )
        )
    return UnprotectedPage(lines, None if last is None else f"{RANK[last.severity]}.{last.vin}")


def _morning(now: datetime) -> datetime:
    morning = now.replace(hour=MORNING_H, minute=0, second=0, microsecond=0)
    return morning if morning - now >= timedelta(hours=1) else morning + timedelta(days=1)


def _cursor(after: str) -> tuple[int, str]:
    if not after:
        return 0, ""
    found = CURSOR.match(after)
    if found is None:
        raise Problem(422, "invalid_request", "after: the next_after of the page before.")
    return int(found[1]), found[2]


def _reason(reason: Reason) -> UnprotectedReason:
    return UnprotectedReason(
        code=reason.code,
        severity=SEVERITIES[reason.code],
        text=SENTENCES[reason.code],
        from_at=reason.from_at,
        until_at=reason.until_at,
        detail=reason.detail,
    )


routes = Router("/", route_handlers=[list_unprotected], tags=["vehicles"])
