"""
How an emulated vehicle spends its time: acts that plan each other.

A trip has a fixed order: card near, unlocked, door open and shut, ignition, gear, away; and backwards at its
end. So no honest trip moves without its card, and none stands armed with its ignition on.
Where it goes and when is its ``diary``: everyday life, with tunnels, garages, a card that drops out or stays
in the car. With a driving share it is on the road for that share of the time, and none of this happens.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from vehicle_emulator import air, body, bundle, diary, journey, parked, power, sky
from vehicle_emulator.diary import Stop
from vehicle_emulator.journey import Journey

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

# Below the contract's 30 s, so that a late message still keeps the promise.
CORE_EVERY_MS: Final = 25_000
LEFT_LONG_AGO: Final = 0.7
_TRIP_MS = 480_000
_FIRST_TRIP_WITHIN_MS = 20_000
_ABOUT_A_TRIP_MS = 1_200_000
_SHORTEST_STAY_MS = 45_000
# A ramp: so long before standing in a garage, and after leaving it, nothing is heard of the car.
_RAMP_S = 15.0
_CARD_LEFT_INSIDE = 0.03
# A card's radio drops out once in five hours at the wheel, and is back before 15 s count as missing.
_FLAP_PER_MS = 1 / (5 * 3_600_000)
_FLAP_MS = (2_000, 9_000)
_FLAP_LAST_S = 60.0
_PASSENGER = 0.35
_LOADING = 0.25
_LONGEST_STAND_DAYS: Final = 14
_FUEL: Final = Stop("fuel", 360.0)
_FAST_CHARGE: Final = Stop("charge", 1_500.0)


def begin(vehicle: Vehicle, at_ms: int) -> None:
    """
    Power up and take up the life: on the road soon with the driving share's chance, else later.

    Most of those that stay were left long ago: their computers sleep.
    """
    vehicle.power_up(at_ms)
    share = vehicle.driving_share
    soon = bool(share) and vehicle.dice.chance(share or 0.0)
    vehicle.stand_still(at_ms, asleep=not soon and vehicle.radio_dice.chance(LEFT_LONG_AGO))
    parked.begin(vehicle, at_ms)
    if share is None:
        _take_up(vehicle, at_ms)
    elif share > 0.0:
        delay_ms = vehicle.dice.below(_FIRST_TRIP_WITHIN_MS) if soon else _pause_ms(vehicle)
        vehicle.plan(at_ms + delay_ms, set_out)


def set_out(vehicle: Vehicle, at_ms: int) -> None:
    """A driver with the card walks up, gets in and drives off."""
    vehicle.wake_clock(at_ms)
    vehicle.put_card(at_ms, present=True)
    vehicle.plan(at_ms + 1_000, unlock)
    if vehicle.model.has_boot and vehicle.dice.chance(_LOADING):
        vehicle.plan(at_ms + 2_000, partial(_move, name=body.TRUNK_OPEN, is_open=True))
        vehicle.plan(at_ms + 7_000, partial(_move, name=body.TRUNK_OPEN, is_open=False))
    _pass_doors(vehicle, at_ms + 3_000, at_ms + 8_000)
    vehicle.plan(at_ms + 10_000, ignite)
    vehicle.plan(at_ms + 14_000, drive_off)


def unlock(vehicle: Vehicle, at_ms: int) -> None:
    """Open the locks; a charging cable comes out first."""
    vehicle.body.lock(locked=False)
    if vehicle.is_electric:
        power.plug(vehicle, at_ms, connected=False)
    vehicle.tell_changes(at_ms)


def ignite(vehicle: Vehicle, at_ms: int) -> None:
    """Switch on; a blocked engine does not start: the dashboard lights up, and that is all."""
    vehicle.rest.drive()
    vehicle.body.set(body.IGNITION, "ACC" if vehicle.is_blocked else "ON")
    if vehicle.is_blocked:
        vehicle.tell_changes(at_ms, with_core=True)
        return
    vehicle.body.set(body.VOLTAGE, power.driving_v(0.0))
    vehicle.body.set(body.CLIMATE, vehicle.dice.chance(0.5))
    vehicle.tell_changes(at_ms, with_core=True)


def drive_off(vehicle: Vehicle, at_ms: int) -> None:
    """Away to the next stop; who can't, gets out again."""
    if not vehicle.has_ignition:
        park(vehicle, at_ms)
        return
    places = vehicle.places
    if not vehicle.stops:
        vehicle.stops = (Stop("visit", 0.0),)
    node = places.find(vehicle.stops[0].whither, vehicle.dice)
    way = places.way(vehicle.at, node)
    places.here = node
    take_way(vehicle, at_ms, way)


def take_way(vehicle: Vehicle, at_ms: int, way: tuple[journey.Leg, ...]) -> None:
    """Set off along this way, if the engine runs."""
    if not vehicle.has_ignition:
        return
    model = vehicle.model
    vehicle.journey = Journey(
        way, vehicle.dice, traffic=diary.traffic(at_ms), acceleration_mps2=model.acceleration_mps2,
        top_mps=model.top_speed_km_h / journey.KMH_PER_MPS,
    )  # fmt: skip
    vehicle.set_out_at, vehicle.moved_ms = vehicle.at, at_ms
    vehicle.drove_ms = round(vehicle.journey.takes_s * 1_000)
    vehicle.body.set(body.GEAR, body.GEAR_DRIVE)
    vehicle.body.set(body.BRAKE, value=False)
    vehicle.tell_changes(at_ms)
    vehicle.plan(at_ms + _tell_every_ms(vehicle), drive_on)


def drive_on(vehicle: Vehicle, at_ms: int) -> None:
    """One stretch of road between two telemetry messages."""
    under_way = vehicle.journey
    if under_way is None:
        return
    driven_m = under_way.advance((at_ms - vehicle.moved_ms) / 1_000)
    elapsed_ms, vehicle.moved_ms = at_ms - vehicle.moved_ms, at_ms
    _read_sensors(vehicle, under_way, driven_m)
    _follow_road(vehicle, at_ms, under_way)
    every_ms = _tell_every_ms(vehicle)
    if at_ms - vehicle.all_told_ms >= vehicle.model.cadence.everything_s * 1_000:
        vehicle.tell_everything(at_ms)
    else:
        vehicle.tell_changes(at_ms, with_core=at_ms - vehicle.core_told_ms + every_ms > CORE_EVERY_MS)
    if under_way.is_over:
        vehicle.journey = None
        park(vehicle, at_ms)
        return
    if vehicle.is_everyday and vehicle.card_present and vehicle.dice.chance(elapsed_ms * _FLAP_PER_MS):
        _flap(vehicle, at_ms, under_way)
    vehicle.plan(at_ms + every_ms, drive_on)


def park(vehicle: Vehicle, at_ms: int) -> None:
    """Stand, switch off, get out, lock, walk away with the card; drive again some time."""
    vehicle.plan(at_ms + 3_000, switch_off)
    _pass_doors(vehicle, at_ms + 6_000, at_ms + 10_000)
    vehicle.plan(at_ms + 14_000, _lock)
    vehicle.plan(at_ms + 25_000, walk_away)
    if vehicle.is_everyday:
        _go_on(vehicle, at_ms)
    elif vehicle.driving_share:
        vehicle.stops = ()
        vehicle.plan(at_ms + 60_000 + _pause_ms(vehicle), set_out)


def stand(vehicle: Vehicle, at_ms: int) -> None:
    """Stop on the spot and read zero, whatever the way still had in store."""
    vehicle.journey = None
    vehicle.body.set(body.SPEED, 0.0)
    vehicle.body.set(body.IS_MOVING, value=False)
    vehicle.tell_changes(at_ms, with_core=True)


def switch_off(vehicle: Vehicle, at_ms: int) -> None:
    """Gear to P, brake on, ignition off; then say so again a few times."""
    readings = vehicle.body
    readings.set(body.GEAR, body.GEAR_PARK)
    readings.set(body.BRAKE, value=True)
    readings.set(body.CLIMATE, value=False)
    readings.set(body.IGNITION, "OFF")
    vehicle.stand_still(at_ms)
    readings.set(body.VOLTAGE, power.rested_v(vehicle, at_ms))
    vehicle.tell_changes(at_ms, with_core=True)
    parked.settle(vehicle, at_ms)


def walk_away(vehicle: Vehicle, at_ms: int) -> None:
    """The driver leaves, with the card or, now and then, without."""
    if not vehicle.is_everyday or not vehicle.dice.chance(_CARD_LEFT_INSIDE):
        vehicle.put_card(at_ms, present=False)
    vehicle.state_bundle(at_ms)


def read_position(vehicle: Vehicle, under_way: Journey) -> None:
    """What the satellite receiver reads under way, a few metres off; wheels and ignition have no say."""
    latitude, longitude = vehicle.set_out_at
    north_deg = under_way.north_m / journey.METRES_PER_DEGREE
    vehicle.at = latitude + north_deg, longitude + under_way.east_m * vehicle.degrees_per_m_east
    sky.read(vehicle, is_urban=under_way.leg.is_urban)
    vehicle.body.set(body.HEADING, int(under_way.heading_deg))


def _take_up(vehicle: Vehicle, at_ms: int) -> None:
    """Where the diary says that the car is at this moment, and when it leaves."""
    day = diary.local_day(at_ms)
    for outing in diary.today(vehicle.dice_seed, vehicle.vin, vehicle.model.life, day):
        leaves_ms = outing.leave_ms
        for index, stop in enumerate(outing.stops[:-1]):
            arrives_ms = leaves_ms + _ABOUT_A_TRIP_MS
            leaves_ms = arrives_ms + round(stop.stay_s * 1_000)
            if arrives_ms <= at_ms < leaves_ms:
                _stand_at(vehicle, stop)
                vehicle.stops = outing.stops[index + 1 :]
                vehicle.plan(leaves_ms, _leave)
                return
    _plan_outing(vehicle, at_ms)


def _stand_at(vehicle: Vehicle, stop: Stop) -> None:
    places = vehicle.places
    places.here = places.find(stop.whither, vehicle.dice)
    vehicle.at = places.region.place(places.here)
    sky.read(vehicle)


def _go_on(vehicle: Vehicle, at_ms: int) -> None:
    """Arrived: stay for as long as the stop takes, or until the next outing."""
    stop, vehicle.stops = vehicle.stops[0], vehicle.stops[1:]
    if stop.whither == "fuel" and vehicle.model.burns:
        vehicle.plan(at_ms + 120_000, power.refuel)
    vehicle.is_at_fast_charger = stop.whither == "charge"
    if vehicle.stops:
        stay_ms = max(_SHORTEST_STAY_MS, round(stop.stay_s * 1_000))
        vehicle.plan(at_ms + stay_ms, _leave)
    else:
        _plan_outing(vehicle, at_ms + _SHORTEST_STAY_MS)


def _plan_outing(vehicle: Vehicle, from_ms: int) -> None:
    """Look through the diary for the next outing, today or on one of the next days."""
    day = diary.local_day(from_ms)
    for later in range(_LONGEST_STAND_DAYS):
        for outing in diary.today(vehicle.dice_seed, vehicle.vin, vehicle.model.life, day + later):
            if outing.leave_ms >= from_ms:
                vehicle.stops = outing.stops
                vehicle.plan(outing.leave_ms, _leave)
                return
    vehicle.plan((day + _LONGEST_STAND_DAYS) * diary.DAY_MS, _plan_outing)


def _leave(vehicle: Vehicle, at_ms: int) -> None:
    """Set out; first to where it is filled up, if it runs low."""
    if power.share(vehicle) < power.LOW_SHARE and vehicle.stops[0].whither not in {"fuel", "charge"}:
        vehicle.stops = (_FUEL if vehicle.model.burns else _FAST_CHARGE, *vehicle.stops)
    set_out(vehicle, at_ms)


def _pass_doors(vehicle: Vehicle, open_ms: int, shut_ms: int) -> None:
    """People get in or out: the driver, and sometimes somebody else."""
    doors = body.DOORS_OPEN[: vehicle.model.doors]
    for door in doors:
        if door == body.DOOR_OPEN or vehicle.dice.chance(_PASSENGER / len(doors)):
            vehicle.plan(open_ms, partial(_move, name=door, is_open=True))
            vehicle.plan(shut_ms, partial(_move, name=door, is_open=False))


def _move(vehicle: Vehicle, at_ms: int, name: str, *, is_open: bool) -> None:
    vehicle.body.set(name, is_open)
    vehicle.tell_changes(at_ms)


def _lock(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.lock(locked=True)
    if vehicle.is_electric:
        has_socket = vehicle.places.here in vehicle.places.sockets
        power.arrive(vehicle, at_ms, has_socket=has_socket, is_fast=vehicle.is_at_fast_charger)
    vehicle.tell_changes(at_ms)


def _flap(vehicle: Vehicle, at_ms: int, under_way: Journey) -> None:
    """The card's radio drops out for a moment; not so late that the driver walks off with it."""
    if under_way.left_s > _FLAP_LAST_S:
        vehicle.put_card(at_ms, present=False)
        low_ms, high_ms = _FLAP_MS
        back_ms = at_ms + low_ms + vehicle.dice.below(high_ms - low_ms)
        vehicle.plan(back_ms, lambda car, now_ms: car.put_card(now_ms, present=True))


def _follow_road(vehicle: Vehicle, at_ms: int, under_way: Journey) -> None:
    """The radio has what the road offers; a garage swallows it."""
    places, leg = vehicle.places, under_way.leg
    if not vehicle.is_everyday:
        air.be_at(vehicle, at_ms, leg.air or "E", is_abroad=leg.is_abroad)
    elif places.here in places.garages and under_way.left_s < _RAMP_S:
        air.lose(vehicle, at_ms)
    elif vehicle.air.is_covered or under_way.elapsed_s > _RAMP_S:
        air.be_at(vehicle, at_ms, leg.air, is_abroad=leg.is_abroad)


def _read_sensors(vehicle: Vehicle, under_way: Journey, driven_m: float) -> None:
    readings = vehicle.body
    noise, other = vehicle.dice.pair()
    speed_kmh = round(under_way.speed_mps * journey.KMH_PER_MPS * (1.0 + 0.004 * noise), 1)
    readings.set(body.SPEED, speed_kmh)
    readings.set(body.IS_MOVING, speed_kmh > 0.0)
    read_position(vehicle, under_way)
    readings.set(body.VOLTAGE, power.driving_v(other))
    vehicle.driven_m += driven_m
    readings.set(body.ODOMETER, int(vehicle.driven_m))
    power.use(vehicle, driven_m)
    bundle.use(vehicle, driven_m)


def _tell_every_ms(vehicle: Vehicle) -> int:
    return round(vehicle.model.cadence.driving_s * 1_000)


def _pause_ms(vehicle: Vehicle) -> int:
    """Parked between two trips, so that the driving share comes out."""
    share = min(0.95, vehicle.driving_share or 0.0)
    mean_ms = (vehicle.drove_ms or _TRIP_MS) * (1.0 - share) / share
    return int(vehicle.dice.between(0.3, 1.7) * mean_ms)
