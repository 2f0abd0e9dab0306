"""What a vehicle runs on: tank, traction battery and its charging, 12 V battery. Acts and readings; pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import body, messages

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

LOW_SHARE: Final = 0.18
_PLUG_IN_BELOW = 0.7
_PLUG_IN_ANYWAY = 0.3
# A battery is charged fast up to here, then slower and slower.
_TAPER_FROM = 0.8
_TAPER_TO = 0.15
_FULL_SHARE = 0.999
_FAST_FULL_SHARE = 0.85
_SOC_STEP_PERCENT = 0.1
_RANGE_STEP_M = 1_000
_DRIVING_V = 14.1
_RESTED_V = (12.45, 12.7)
# Just switched off the 12 V battery reads more; half of it is gone in an hour, and a day costs a little.
_FRESH_V = 0.3
_FRESH_HOUR_MS = 3_600_000.0
_DAY_V = 0.03
_DAY_MS = 86_400_000.0
_WEAKEST_V = 11.9


class Stores(msgspec.Struct):
    """Litres, kilowatt hours and, of the 12 V battery, volts when rested; ``kw``: what comes in."""

    fuel_l: float = 0.0
    battery_kwh: float = 0.0
    rested_v: float = 0.0
    kw: float = 0.0
    counted_ms: int = 0


def fill(vehicle: Vehicle) -> None:
    """Begin somewhere between low and full."""
    dice, model = vehicle.dice, vehicle.model
    stores = vehicle.stores
    stores.fuel_l = model.tank_l * dice.between(0.25, 1.0)
    stores.battery_kwh = model.battery_kwh * dice.between(0.4, 0.9)
    stores.rested_v = dice.between(*_RESTED_V)
    vehicle.body.set(body.VOLTAGE, round(stores.rested_v, 2))
    if vehicle.is_electric:
        vehicle.body.set(body.IS_PLUGGED, value=False)
        vehicle.body.set(body.IS_CHARGING, value=False)
    _read(vehicle)


def share(vehicle: Vehicle) -> float:
    """How full what drives it is, from 0 to 1."""
    return vehicle.stores.fuel_l / vehicle.model.tank_l if vehicle.model.burns else _charge(vehicle)


def use(vehicle: Vehicle, driven_m: float) -> None:
    """Drive so far."""
    model, stores = vehicle.model, vehicle.stores
    stores.fuel_l = max(0.0, stores.fuel_l - driven_m * model.l_per_100km / 100_000)
    if model.can_charge:
        used_kwh = driven_m * model.kwh_per_100km / 100_000
        stores.battery_kwh = max(0.0, stores.battery_kwh - used_kwh)
    elif model.battery_kwh:
        # A hybrid's small battery fills and empties all the time.
        swing = 0.02 * vehicle.dice.pair()[0]
        level = min(0.8, max(0.3, stores.battery_kwh / model.battery_kwh + swing))
        stores.battery_kwh = level * model.battery_kwh
    _read(vehicle)


def refuel(vehicle: Vehicle, at_ms: int) -> None:
    """Fill the tank up."""
    vehicle.stores.fuel_l = vehicle.model.tank_l
    _read(vehicle)
    vehicle.tell_changes(at_ms)


def arrive(vehicle: Vehicle, at_ms: int, *, has_socket: bool, is_fast: bool) -> None:
    """Parked and locked: take the cable where there is one and it is worth it."""
    if not vehicle.model.can_charge or not (has_socket or is_fast):
        return
    if is_fast or _charge(vehicle) < _PLUG_IN_BELOW or vehicle.dice.chance(_PLUG_IN_ANYWAY):
        fast_kw = vehicle.model.fast_charge_kw
        vehicle.stores.kw = (is_fast and fast_kw) or vehicle.model.charge_kw
        plug(vehicle, at_ms, connected=True)


def plug(vehicle: Vehicle, at_ms: int, *, connected: bool) -> None:
    """The charging cable goes in or comes out."""
    if vehicle.body.get(body.IS_PLUGGED, default=False) != connected:
        vehicle.body.set(body.IS_PLUGGED, connected)
        _switch(vehicle, at_ms, on=connected)


def charge(vehicle: Vehicle, at_ms: int, *, on: bool) -> None:
    """Somebody starts or stops it."""
    if vehicle.body.get(body.IS_CHARGING, default=False) != on:
        _switch(vehicle, at_ms, on=on)


def rested_v(vehicle: Vehicle, at_ms: int) -> float:
    """What the 12 V battery reads, parked since then."""
    parked_ms = at_ms - (vehicle.rest.parked_ms if vehicle.rest.parked_ms is not None else at_ms)
    fresh_v = _FRESH_V / (1.0 + parked_ms / _FRESH_HOUR_MS)
    volts = vehicle.stores.rested_v + fresh_v - _DAY_V * parked_ms / _DAY_MS
    return round(max(_WEAKEST_V, volts), 2)


def driving_v(noise: float) -> float:
    """What the 12 V battery reads while it is charged by the engine."""
    return round(_DRIVING_V + 0.05 * noise, 1)


def _switch(vehicle: Vehicle, at_ms: int, *, on: bool) -> None:
    vehicle.body.set(body.IS_CHARGING, on)
    connected = bool(vehicle.body.get(body.IS_PLUGGED, default=False))
    vehicle.event(at_ms, messages.CHARGING, messages.Charging, connected=connected, charging=on)
    if on and vehicle.model.can_charge:
        vehicle.stores.counted_ms = at_ms
        _plan_step(vehicle, at_ms)


def _plan_step(vehicle: Vehicle, at_ms: int) -> None:
    """Look again when the display has changed, on a beat of the publish interval."""
    beat_ms = round(vehicle.model.cadence.charging_s * 1_000)
    step_kwh = vehicle.model.battery_kwh * _SOC_STEP_PERCENT / 100
    step_ms = step_kwh / max(0.1, _kw(vehicle)) * 3_600_000
    beats = max(1, -int(-step_ms // beat_ms))
    vehicle.plan(at_ms + beats * beat_ms, partial(_step, since_ms=vehicle.stores.counted_ms))


def _step(vehicle: Vehicle, at_ms: int, since_ms: int) -> None:
    """So much came in; ``since_ms``: of this charging, not of one before it."""
    stores, model = vehicle.stores, vehicle.model
    if not vehicle.body.get(body.IS_CHARGING, default=False) or stores.counted_ms != since_ms:
        return
    stores.battery_kwh += _kw(vehicle) * (at_ms - since_ms) / 3_600_000
    stores.battery_kwh = min(model.battery_kwh, stores.battery_kwh)
    stores.counted_ms = at_ms
    _read(vehicle)
    vehicle.tell_changes(at_ms, with_core=True)
    if _charge(vehicle) >= (_FULL_SHARE if stores.kw <= model.charge_kw else _FAST_FULL_SHARE):
        _switch(vehicle, at_ms, on=False)
    else:
        _plan_step(vehicle, at_ms)


def _charge(vehicle: Vehicle) -> float:
    return vehicle.stores.battery_kwh / vehicle.model.battery_kwh


def _kw(vehicle: Vehicle) -> float:
    """What the battery takes: less and less above four fifths."""
    level = _charge(vehicle)
    kw = vehicle.stores.kw or vehicle.model.charge_kw
    if level <= _TAPER_FROM or kw <= vehicle.model.charge_kw:
        return kw
    return kw * max(_TAPER_TO, (1.0 - level) / (1.0 - _TAPER_FROM))


def _read(vehicle: Vehicle) -> None:
    """What the displays show."""
    model, stores, readings = vehicle.model, vehicle.stores, vehicle.body
    range_m = 0.0
    if model.burns:
        readings.set(body.FUEL, round(stores.fuel_l / model.tank_l * 100))
        range_m += stores.fuel_l / model.l_per_100km * 100_000
    if model.battery_kwh:
        readings.set(body.CHARGE, round(stores.battery_kwh / model.battery_kwh * 100, 1))
    if model.can_charge:
        range_m += stores.battery_kwh / model.kwh_per_100km * 100_000
    readings.set(body.RANGE, int(range_m) // _RANGE_STEP_M * _RANGE_STEP_M)
