"""
What the SOC and the owners may see of vehicles. Every read stands in the audit trail before it is answered.

Theft alarms are silent: nothing here tells an owner, or a thief with the owner's phone, of one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from litestar import Router, get
from litestar.params import FromPath, QueryParameter
from msgspec.structs import replace

from gateway.api.alarm_bodies import SaidView
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.grants import Grant, decode_vehicle, grant, is_gateway, may_see
from gateway.api.modes import running
from gateway.api.paging import Limit, cut
from gateway.api.policy import OWNERS
from gateway.api.problems import problems
from gateway.api.trail import audit
from gateway.api.vehicle_bodies import (
    BundleView,
    CardView,
    ConnectionView,
    DriverCardView,
    OpenAlarmView,
    ServiceView,
    StackedBundleView,
    VehicleLine,
    VehiclePage,
    VehicleView,
    WholeBundleView,
)
from gateway.domain.arming import ArmingState, arming_state
from gateway.domain.causes import BY_NAME
from gateway.domain.offline import Offline, is_online, why_offline
from gateway.domain.services.availability import EXTERNAL_SIM, equipment_of
from gateway.domain.services.connection import notes
from gateway.domain.services.data_bundle import Bundles, bundle_state, whole
from gateway.domain.services.entitlements import SERVICES, CarSecurity, car_security, term_of, why_not
from gateway.domain.signals import Connection, Mode, Registration
from gateway.domain.vehicle import Vehicle
from gateway.ports import SignalValue, Token

POSITION = "Vehicle.CurrentLocation."

Shown = Literal["no", "case", "break_glass", "consent"]
Reason = Annotated[
    str | None,
    QueryParameter(
        min_length=3, max_length=500, description="Why the position is needed without a case; audited."
    ),
]
AfterVin = Annotated[str, QueryParameter(max_length=64, description="Only VINs that come after this one.")]


@get("/vehicles", operation_id="listVehicles", summary="List vehicles", responses=problems(422))
async def list_vehicles(deps: FromApp, who: Caller, after: AfterVin = "", limit: Limit = 100) -> VehiclePage:
    """The vehicles that the caller may see, by VIN."""
    await audit(deps, who, "vehicle.listed", after=after, limit=limit)
    page = (
        await _own(deps, who, after, limit)
        if who.role in OWNERS
        else await _lines(deps, None, after, limit + 1)
    )
    items, last = cut(page, limit)
    return VehiclePage(items, None if last is None else last.vin)


@get(
    "/vehicles/{vin:str}",
    operation_id="readVehicle",
    summary="Read one vehicle",
    responses=problems(404, 422),
)
async def read_vehicle(deps: FromApp, who: Caller, vin: FromPath[str], reason: Reason = None) -> VehicleView:
    """
    What is known of one vehicle.

    Its position is shown with an open case, for a stated ``reason`` (break-glass), or to its own users with
    consent; never in private mode.
    """
    granted = await grant(deps, who, vin)
    shown = position_shown(granted, reason)
    why = {} if reason is None else {"reason": reason}
    await audit(deps, who, "vehicle.read", vin, position=shown, **why)
    return _view(deps, granted, shown)


def position_shown(granted: Grant, reason: str | None) -> Shown:
    """Whether and why the caller may see where the vehicle is."""
    if granted.vehicle.is_private:
        return "no"
    if granted.party == "owner":
        if granted.vehicle.stolen:
            return "no"  # a thief may hold the phone
        consents = granted.registration.consents if granted.registration else {}
        return "consent" if consents.get("position") else "no"
    if granted.vehicle.case_id is not None:
        return "case"
    return "no" if reason is None or not reason.strip() else "break_glass"


def private_mode(vehicle: Vehicle) -> bool | None:
    """Whether the driver has switched private mode on; None if it was never stated."""
    stated = vehicle.stated.get("mode")
    return stated.private_mode if isinstance(stated, Mode) else None


def _offline(vehicle: Vehicle, now: datetime, *, soc: bool) -> Offline | None:
    """Sensors are the SOC's: to an owner, jammed or cut off looks like no coverage."""
    return why_offline(vehicle if soc else replace(vehicle, sensed={}), now)


def arming(deps: Deps, vehicle: Vehicle) -> ArmingState | None:
    """Where the vehicle is between disarmed and armed; None: nobody stated its ignition."""
    window, now = vehicle.past.window, deps.clock.now()
    newest_at = window[-1].at if window else None
    return arming_state(
        vehicle.past.now, vehicle.counting_cards, deps.thresholds, now=now, newest_at=newest_at
    )


def armed(state: ArmingState | None) -> bool | None:
    """Whether it is armed, as the contract's field says it."""
    return None if state is None else state == "armed"


def _view(deps: Deps, granted: Grant, shown: Shown) -> VehicleView:
    vehicle, registration, now = granted.vehicle, granted.registration, deps.clock.now()
    soc = granted.party == "soc"
    mode, offline = vehicle.stated.get("mode"), _offline(vehicle, now, soc=soc)
    state = arming(deps, vehicle)
    return VehicleView(
        vin=vehicle.vin,
        registered=registration is not None,
        online=is_online(vehicle),
        why_offline=None if offline is None else offline.reason,
        why_offline_evidence=None if offline is None or not soc else offline.evidence,
        why_offline_said=[SaidView(offline.said.code, offline.said.values)] if offline and soc else [],
        armed=armed(state),
        arming=state,
        stolen=vehicle.stolen if soc else None,
        signals=_signals(deps, vehicle, shown),
        driver_card=_driver_card(vehicle, registration),
        data_bundle=_bundle(deps, vehicle),
        modes=running(granted),
        service=car_security(registration, now),
        services={service: _service(registration, service, now) for service in SERVICES},
        heard_at=vehicle.heard_at,
        connection=_connection(deps, vehicle, registration),
        private_mode=private_mode(vehicle),
        remote_access_enabled=mode.remote_access_enabled if isinstance(mode, Mode) else None,
        country=registration.country if registration else None,
        model=registration.model if registration else None,
        position_shown=shown,
        case_id=vehicle.case_id if soc else None,
        alarms=_alarms(vehicle) if soc else [],
    )


def _signals(deps: Deps, vehicle: Vehicle, shown: Shown) -> dict[str, SignalValue]:
    if vehicle.is_private:
        return {}
    signals = deps.vehicles.signals(vehicle.vin)
    return {name: value for name, value in signals.items() if shown != "no" or not name.startswith(POSITION)}


def _driver_card(vehicle: Vehicle, registration: Registration | None) -> DriverCardView | None:
    counting = frozenset(registration.driver_cards) if registration else frozenset()
    cards = [
        CardView(
            card_id,
            card.present,
            card.since.at,
            not counting or card_id in counting,
            card.battery,
            card.flaps,
        )
        for card_id, card in sorted(vehicle.past.now.cards.items())
    ]
    if not cards and not counting:
        return None
    counted = [card for card in cards if card.counts]
    batteries = {card.battery for card in counted}
    return DriverCardView(
        any(card.present for card in counted),
        cards,
        sum(card.flaps for card in counted),
        "low" if "low" in batteries else "ok" if "ok" in batteries else None,
    )


def _bundle(deps: Deps, vehicle: Vehicle) -> BundleView:
    newest, now = vehicle.bundles.newest, deps.clock.now()
    state = bundle_state(newest, now)
    if newest is None:
        return BundleView(state, None, None, None, None, None, None, None)
    return BundleView(
        state,
        newest.bundle_id,
        newest.used_mb,
        newest.total_mb,
        newest.valid_until,
        newest.auto_renew,
        newest.renewal,
        newest.hotspot,
        _whole(vehicle.bundles, now),
    )


def _whole(bundles: Bundles, now: datetime) -> WholeBundleView:
    found = whole(bundles, now)
    stack = [
        StackedBundleView(
            one.bundle_id,
            bundle_state(one.stated, now),
            one.stated.used_mb if one.stated else None,
            one.stated.total_mb if one.stated else None,
            one.stated.valid_until if one.stated else None,
            one.failures,
        )
        for one in found.stack
    ]
    return WholeBundleView(found.state, found.used_mb, found.total_mb, found.valid_until, stack)


def _service(registration: Registration | None, service: str, now: datetime) -> ServiceView:
    cause, term = why_not(registration, service, now), term_of(registration, service)
    begins_at, until = (None, None) if term is None else (term.begins_at, term.until)
    return ServiceView(cause is None, cause, begins_at, until)


def _connection(deps: Deps, vehicle: Vehicle, registration: Registration | None) -> ConnectionView | None:
    stated = vehicle.stated.get("connection")
    if not isinstance(stated, Connection):
        return None
    built_in = None if registration is None else equipment_of(registration, deps.availability)
    slot = None if built_in is None else EXTERNAL_SIM in built_in
    return ConnectionView(
        stated.online,
        stated.bearer,
        stated.source,
        stated.roaming,
        stated.at,
        list(notes(stated, external_sim=slot)),
    )


def _alarms(vehicle: Vehicle) -> list[OpenAlarmView]:
    return [
        OpenAlarmView(
            alarm.alarm_id,
            alarm.cause,
            BY_NAME[alarm.cause].severity,
            alarm.state,
            alarm.raised_at,
            alarm.count,
        )
        for alarm in vehicle.alarms.values()
    ]


async def _lines(deps: Deps, only: Token | None, after: str, limit: int) -> list[VehicleLine]:
    vins = [vin for vin in await deps.store.vehicles(after, limit) if not is_gateway(vin)]
    return await _describe(deps, only, vins)


async def _describe(deps: Deps, only: Token | None, vins: list[str]) -> list[VehicleLine]:
    known, now = await deps.store.known((), vins, ()), deps.clock.now()
    lines = []
    for vin in vins:
        registration = known.registrations.get(vin)
        if only is None or may_see(only, vin, registration):
            vehicle = decode_vehicle(vin, known.vehicles.get(vin))
            service = car_security(registration, now)
            lines.append(_line(deps, vehicle, registration, service, soc=only is None))
    return lines


def _line(
    deps: Deps, vehicle: Vehicle, registration: Registration | None, service: CarSecurity, *, soc: bool
) -> VehicleLine:
    offline = _offline(vehicle, deps.clock.now(), soc=soc)
    return VehicleLine(
        vehicle.vin,
        registration is not None,
        is_online(vehicle),
        service,
        vehicle.heard_at,
        registration.country if registration else None,
        registration.model if registration else None,
        armed(arming(deps, vehicle)),
        None if offline is None else offline.reason,
    )


async def _own(deps: Deps, who: Token, after: str, limit: int) -> list[VehicleLine]:
    """Return one line more than asked for, if there is one."""
    if who.vin is not None:
        return await _describe(deps, who, [who.vin]) if who.vin > after else []
    if who.user is not None:
        named = [vin for vin, _ in await deps.store.vehicles_of(who.user) if vin > after]
        return await _describe(deps, who, named[: limit + 1])
    lines: list[VehicleLine] = []
    while len(lines) <= limit:
        vins = await deps.store.vehicles(after, 1000)
        if not vins:
            break
        after = vins[-1]
        lines += await _describe(deps, who, vins)
    return lines


routes = Router("/", route_handlers=[list_vehicles, read_vehicle], tags=["vehicles"])
