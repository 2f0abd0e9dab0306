"""For those who watch the gateway itself: audit trail, quarantine, deliveries, sinks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, PathParameter, QueryParameter

from gateway.api.control_bodies import (
    AuditLine,
    AuditPage,
    DeliveryLine,
    DeliveryPage,
    QuarantineLine,
    QuarantinePage,
    SinkTest,
)
from gateway.api.deps import Caller, FromApp
from gateway.api.paging import MAX_SEQUENCE, After, Limit, cut
from gateway.api.problems import Problem, problems
from gateway.api.trail import audit
from gateway.ports import AuditFilter, Delivered, DeliveryRow, DeliveryState, Outcome, Park

SinkName = Annotated[str | None, QueryParameter(max_length=64)]
Said = Annotated[str | None, QueryParameter(min_length=1, max_length=256, description="Exactly this.")]
Time = Annotated[datetime | None, QueryParameter(description="Without an offset: UTC.")]
Order = Annotated[Literal["oldest", "newest"], QueryParameter(description="Which entries come first.")]
DeliveryId = Annotated[int, PathParameter(ge=1, le=MAX_SEQUENCE)]


@get("/audit", operation_id="readAudit", summary="Read the audit trail", responses=problems(422))
async def read_audit(
    *,
    deps: FromApp,
    actor: Said = None,
    subject: Said = None,
    action: Said = None,
    since: Time = None,
    until: Time = None,
    order: Order = "oldest",
    after: After = 0,
    limit: Limit = 100,
) -> AuditPage:
    """
    Who did what to what, each entry chained to the one before by its hash.

    ``after`` goes on behind an entry in the order that is asked for. A page may be short, or empty, and yet
    not the last: only ``next_after`` says that.
    """
    where = AuditFilter(actor, subject, action, _utc(since), _utc(until), order == "newest")
    page = await deps.store.audit_page(after, limit, where)
    return AuditPage([msgspec.convert(_plain(row), AuditLine) for row in page.items], page.next_after)


@get("/quarantine", operation_id="readQuarantine", summary="Read the quarantine", responses=problems(422))
async def read_quarantine(deps: FromApp, after: After = 0, limit: Limit = 100) -> QuarantinePage:
    """Payloads that could not be decoded, oldest first."""
    rows, last = cut(await deps.store.quarantine_page(after, limit + 1), limit)
    items = [msgspec.convert(_plain(row), QuarantineLine) for row in rows]
    return QuarantinePage(items, None if last is None else int(last["n"]))


@get("/deliveries", operation_id="listDeliveries", summary="List deliveries", responses=problems(422))
async def list_deliveries(
    deps: FromApp,
    delivery_state: Annotated[DeliveryState | None, QueryParameter(name="state")] = None,
    sink: SinkName = None,
    after: After = 0,
    limit: Limit = 100,
) -> DeliveryPage:
    """Messages on their way to the sinks."""
    rows, last = cut(await deps.store.deliveries(delivery_state, sink, after, limit + 1), limit)
    return DeliveryPage([_line(row) for row in rows], None if last is None else last.id)


@post(
    "/deliveries/{delivery_id:int}/resend",
    operation_id="resendDelivery",
    summary="Send a message again",
    status_code=200,
    responses=problems(404, 422),
)
async def resend(deps: FromApp, who: Caller, delivery_id: DeliveryId) -> DeliveryLine:
    """Make a parked or done delivery pending again; the sink knows the message by its id."""
    row = await deps.store.resend(delivery_id)
    if row is None:
        raise Problem(404, "unknown_delivery", "There is no such delivery.")
    deps.sinks.poke(row.sink, row.subject)
    await audit(deps, who, "delivery.resent", str(delivery_id), sink=row.sink, sequence=row.sequence)
    return _line(row)


@post(
    "/sinks/{name:str}/test",
    operation_id="testSink",
    summary="Send a marked test alarm",
    status_code=200,
    responses=problems(404),
)
async def test_sink(deps: FromApp, who: Caller, name: FromPath[str]) -> SinkTest:
    """Send a test alarm to one sink and say what came back. It takes no sequence and is no alarm."""
    outcome = await deps.sinks.test(name)
    if outcome is None:
        raise Problem(404, "unknown_sink", "There is no such sink.")
    answer = tested(name, outcome)
    await audit(deps, who, "sink.tested", name, outcome=answer.outcome)
    return answer


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def tested(name: str, outcome: Outcome) -> SinkTest:
    """What an outcome says to people."""
    if isinstance(outcome, Delivered):
        return SinkTest(name, "delivered", None)
    return SinkTest(name, "refused" if isinstance(outcome, Park) else "failed", outcome.reason)


def _line(row: DeliveryRow) -> DeliveryLine:
    return DeliveryLine(row.id, row.sink, row.soc, row.sequence, row.state, row.attempts, row.last_error)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A stored row as JSON values; bytes that are no text show as replacement characters."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if hasattr(value, "isoformat") else value


routes = Router(
    "/", route_handlers=[read_audit, read_quarantine, list_deliveries, resend, test_sink], tags=["control"]
)
