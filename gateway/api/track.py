"""Where a vehicle was while a theft alarm of it was open. Nothing else is kept, and every read is audited."""

from __future__ import annotations

from datetime import datetime

from litestar import Router, get
from litestar.params import FromPath
from msgspec import Struct

from gateway.api.deps import Caller, FromApp
from gateway.api.grants import grant
from gateway.api.paging import After, Limit, cut
from gateway.api.problems import Problem, problems
from gateway.api.trail import audit
from gateway.api.vehicles import Reason


class TrackPoint(Struct, frozen=True):
    """One position: degrees, metres."""

    n: int
    case_id: str
    at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None


class TrackPage(Struct, frozen=True):
    """Positions in the order in which they came."""

    items: list[TrackPoint]
    next_after: int | None


@get(
    "/vehicles/{vin:str}/track",
    operation_id="readTrack",
    summary="Read the track of a theft",
    responses=problems(404, 422),
)
async def read_track(
    *,
    deps: FromApp,
    who: Caller,
    vin: FromPath[str],
    reason: Reason = None,
    after: After = 0,
    limit: Limit = 100,
) -> TrackPage:
    """Positions kept under theft alarms: with an open case, or for a stated ``reason``."""
    granted = await grant(deps, who, vin)
    stated = (reason or "").strip()
    shown = "case" if granted.vehicle.case_id is not None else "break_glass" if stated else "no"
    await audit(deps, who, "track.read", vin, position=shown, reason=reason)
    if shown == "no":
        raise Problem(403, "no_open_case", "Without an open case this needs a reason.")
    rows, last = cut(await deps.store.track(vin, after, limit + 1), limit)
    items = [
        TrackPoint(n, row.case_id, row.at, row.latitude, row.longitude, row.accuracy_m) for n, row in rows
    ]
    return TrackPage(items, None if last is None else last[0])


routes = Router("/", route_handlers=[read_track], tags=["vehicles"])
