"""
The fleet on a map: where the vehicles with an open case are, and how many others there are.

Every other vehicle's position is sealed (contract 7), so of those only a count by country of registration is
told, which no position is needed for. Every read stands in the audit trail before it is answered.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from litestar import Router, get
from msgspec import Struct

from gateway.api.alarm_bodies import PositionView
from gateway.api.alarms import Text
from gateway.api.deps import Caller, FromApp
from gateway.api.grants import decode_vehicle
from gateway.api.mode_bodies import PlaceView
from gateway.api.paging import After, Limit, cut
from gateway.api.problems import problems
from gateway.api.trail import audit
from gateway.domain.alarms import PositionFix
from gateway.domain.cases import CaseState
from gateway.domain.causes import BY_NAME, Severity
from gateway.domain.reasons import RANK
from gateway.domain.vehicle import Vehicle
from gateway.ports import OpenCase, StoredVehicle

AT_ONCE = 50
"""Vehicles that are read in one go: alarms go first."""


class FleetMode(Struct, frozen=True):
    """A special mode that runs, and the place that it is bound to."""

    mode: str
    place: PlaceView


class FleetCase(Struct, frozen=True, kw_only=True):
    """A vehicle with an open case; ``position`` is the newest that an alarm stated or its track has."""

    case_id: str
    vin: str
    soc: str
    state: CaseState
    stolen: bool
    severity: Severity
    causes: list[str]
    claimed_by: str | None
    opened_at: datetime
    position: PositionView | None
    modes: list[FleetMode]


class FleetPage(Struct, frozen=True):
    """Open cases in the order in which they were opened."""

    items: list[FleetCase]
    next_after: int | None


class CountryView(Struct, frozen=True):
    """So many registered vehicles; ``country`` null: they state none."""

    country: str | None
    vehicles: int


class CountriesView(Struct, frozen=True):
    """The whole fleet by country of registration, most vehicles first."""

    items: list[CountryView]


@get("/fleet-map", operation_id="readFleetMap", summary="Read the fleet map", responses=problems(422))
async def read_fleet(
    deps: FromApp, who: Caller, soc: Text = None, after: After = 0, limit: Limit = 100
) -> FleetPage:
    """Vehicles with an open case and where they were last; no other vehicle, and none in private mode."""
    await audit(deps, who, "fleet_map.read", soc=soc, after=after, limit=limit)
    page, last = cut(await deps.store.open_cases(soc, after, limit + 1), limit)
    known = await deps.store.known((), [one.stored.vin for one in page], ())
    items = []
    for place, one in enumerate(page, 1):
        items.append(_case(one, known.vehicles.get(one.stored.vin)))
        if place % AT_ONCE == 0:
            await asyncio.sleep(0)
    return FleetPage(items, None if last is None else last.stored.n)


@get(
    "/fleet-map/countries",
    operation_id="readFleetCountries",
    summary="Count the fleet by country",
    responses=problems(),
)
async def read_countries(deps: FromApp, who: Caller) -> CountriesView:
    """How many vehicles are registered in each country."""
    await audit(deps, who, "fleet_map.counted")
    return CountriesView([CountryView(one.country, one.vehicles) for one in await deps.store.countries()])


def _case(one: OpenCase, stored: StoredVehicle | None) -> FleetCase:
    case, vehicle = one.stored.case, decode_vehicle(one.stored.vin, stored)
    places = ((mode.mode, mode.place) for mode in vehicle.modes.running)
    return FleetCase(
        case_id=case.case_id,
        vin=one.stored.vin,
        soc=one.stored.soc,
        state=case.state,
        stolen=vehicle.stolen,
        severity=min(
            (BY_NAME[cause].severity for cause in case.causes), key=RANK.__getitem__, default="critical"
        ),
        causes=list(case.causes),
        claimed_by=case.claimed_by,
        opened_at=case.opened_at,
        position=_position(one, vehicle),
        modes=[
            FleetMode(mode, PlaceView(place.latitude, place.longitude, place.radius_m))
            for mode, place in places
            if place is not None and not (place.derived and vehicle.is_private)
        ],
    )


def _position(one: OpenCase, vehicle: Vehicle) -> PositionView | None:
    """The newest one; in private mode only what a theft sensor has stated, as the feed tells it."""
    case_id, last = one.stored.case.case_id, None if vehicle.is_private else one.last
    fixes = [
        alarm.position
        for alarm in vehicle.alarms.values()
        if alarm.case_id == case_id and alarm.position is not None
    ]
    if last is not None:
        fixes.append(PositionFix(last.latitude, last.longitude, last.accuracy_m, last.at))
    newest = max(fixes, key=lambda fix: fix.at, default=None)
    if newest is None:
        return None
    return PositionView(newest.latitude, newest.longitude, newest.accuracy_m, newest.at)


routes = Router("/", route_handlers=[read_fleet, read_countries], tags=["vehicles"])
