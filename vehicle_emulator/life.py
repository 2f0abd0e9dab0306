"""
How an emulated vehicle spends its time: acts that plan each other.

A trip has a fixed order: card near, unlocked, door open and shut, ignition, gear, away; and backwards at its
end. So no honest trip moves without its card, and none stands armed with its ignition on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vehicle_emulator import body, journey, messages
from vehicle_emulator.journey import Journey

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

# Below the contract's 30 s, so that a late message still keeps the promise.
CORE_EVERY_MS: Final = 25_000
AWAKE_MS: Final = 60_000
ASLEEP_MS: Final = 600_000
LEFT_LONG_AGO: Final = 0.7
# Right after parking the standstill is repeated: telemetry is QoS 0, and one lost message must not leave a
# car "moving".
SETTLING_MS: Final = (5_000, 15_000, AWAKE_MS)
MB_PER_KM: Final = 0.4
_TRIP_MS = 480_000
_FIRST_TRIP_WITHIN_MS = 20_000


def begin(vehicle: Vehicle, at_ms: int) -> None:
    """
    Power up and take up the life: on the road soon with the driving share's chance, else later.

    Most of those that stay were left long ago: their computers sleep.
    """
    vehicle.power_up(at_ms)
    vehicle.plan(at_ms + vehicle.dice.below(ASLEEP_MS), stay_parked)
    soon = vehicle.driving_share > 0.0 and vehicle.dice.chance(vehicle.driving_share)
    vehicle.stand_still(at_ms, asleep=not soon and vehicle.radio_dice.chance(LEFT_LONG_AGO))
    if vehicle.driving_share > 0.0:
        delay_ms = vehicle.dice.below(_FIRST_TRIP_WITHIN_MS) if soon else _pause_ms(vehicle)
        vehicle.plan(at_ms + delay_ms, set_out)


def set_out(vehicle: Vehicle, at_ms: int) -> None:
    """A driver with the card walks up, gets in and drives off."""
    vehicle.put_card(at_ms, present=True)
    vehicle.plan(at_ms + 1_000, unlock)
    vehicle.plan(at_ms + 3_000, _open_door)
    vehicle.plan(at_ms + 8_000, _shut_door)
    vehicle.plan(at_ms + 10_000, ignite)
    vehicle.plan(at_ms + 14_000, drive_off)


def unlock(vehicle: Vehicle, at_ms: int) -> None:
    """Open the locks; a charging cable comes out first."""
    vehicle.body.lock(locked=False)
    if vehicle.is_electric:
        plug(vehicle, at_ms, connected=False)
    vehicle.tell_changes(at_ms)


def _open_door(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.DOOR_OPEN, value=True)
    vehicle.tell_changes(at_ms)


def _shut_door(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.set(body.DOOR_OPEN, value=False)
    vehicle.tell_changes(at_ms)


def ignite(vehicle: Vehicle, at_ms: int) -> None:
    """Switch on; a blocked engine does not start: the dashboard lights up, and that is all."""
    vehicle.rest.drive()
    vehicle.body.set(body.IGNITION, "ACC" if vehicle.is_blocked else "ON")
    if vehicle.is_blocked:
        vehicle.tell_changes(at_ms, with_core=True)
        return
    vehicle.body.set(body.VOLTAGE, 14.1)
    vehicle.body.set(body.CLIMATE, vehicle.dice.chance(0.5))
    vehicle.tell_changes(at_ms, with_core=True)


def drive_off(vehicle: Vehicle, at_ms: int) -> None:
    """Away: out along a new way, or back along the one the car came. Who can't, gets out again."""
    if not vehicle.has_ignition:
        park(vehicle, at_ms)
        return
    came, vehicle.way = vehicle.way, () if vehicle.way else journey.plan(vehicle.dice)
    take_way(vehicle, at_ms, vehicle.way or journey.back(came))


def take_way(vehicle: Vehicle, at_ms: int, way: tuple[journey.Leg, ...]) -> None:
    """Set off along this way, if the engine runs."""
    if not vehicle.has_ignition:
        return
    vehicle.journey = Journey(way, vehicle.dice)
    vehicle.set_out_at = (vehicle.body.number(body.LATITUDE), vehicle.body.number(body.LONGITUDE))
    vehicle.moved_ms = at_ms
    vehicle.body.set(body.GEAR, body.GEAR_DRIVE)
    vehicle.body.set(body.BRAKE, value=False)
    vehicle.tell_changes(at_ms)
    vehicle.plan(at_ms + vehicle.tell_every_ms, drive_on)


def drive_on(vehicle: Vehicle, at_ms: int) -> None:
    """One stretch of road between two telemetry messages."""
    under_way = vehicle.journey
    if under_way is None:
        return
    driven_m = under_way.advance((at_ms - vehicle.moved_ms) / 1_000)
    vehicle.moved_ms = at_ms
    _read_sensors(vehicle, under_way, driven_m)
    vehicle.tell_changes(
        at_ms, with_core=at_ms - vehicle.core_told_ms + vehicle.tell_every_ms > CORE_EVERY_MS
    )
    if under_way.is_over:
        vehicle.journey = None
        park(vehicle, at_ms)
    else:
        vehicle.plan(at_ms + vehicle.tell_every_ms, drive_on)


def park(vehicle: Vehicle, at_ms: int) -> None:
    """Stand, switch off, get out, lock, walk away with the card; drive again some time."""
    vehicle.plan(at_ms + 3_000, switch_off)
    vehicle.plan(at_ms + 6_000, _open_door)
    vehicle.plan(at_ms + 10_000, _shut_door)
    vehicle.plan(at_ms + 14_000, _lock)
    vehicle.plan(at_ms + 25_000, walk_away)
    if vehicle.driving_share > 0.0:
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
    readings.set(body.VOLTAGE, 12.7)
    vehicle.stand_still(at_ms)
    vehicle.tell_changes(at_ms, with_core=True)
    for later_ms in SETTLING_MS:
        vehicle.plan(at_ms + later_ms, _settle)


def walk_away(vehicle: Vehicle, at_ms: int) -> None:
    """The driver leaves with the card."""
    vehicle.put_card(at_ms, present=False)
    vehicle.state_bundle(at_ms)


def stay_parked(vehicle: Vehicle, at_ms: int) -> None:
    """A sign of life now and then; the 12 V battery sinks a little and is kept above weak."""
    if vehicle.journey is None and not vehicle.has_ignition:
        vehicle.rouse(at_ms)
        vehicle.body.set(body.VOLTAGE, max(12.2, round(vehicle.body.number(body.VOLTAGE) - 0.01, 2)))
        vehicle.tell_changes(at_ms, with_core=True)
    vehicle.plan(at_ms + ASLEEP_MS, stay_parked)


def plug(vehicle: Vehicle, at_ms: int, *, connected: bool) -> None:
    """The charging cable goes in or comes out."""
    if vehicle.body.get(body.IS_PLUGGED, default=False) == connected:
        return
    vehicle.body.set(body.IS_PLUGGED, connected)
    vehicle.body.set(body.IS_CHARGING, connected)
    fields = {"connected": connected, "charging": connected}
    vehicle.event(at_ms, messages.CHARGING, messages.Charging, **fields)


def read_position(vehicle: Vehicle, under_way: Journey) -> None:
    """What the satellite receiver reads under way, a few metres off; wheels and ignition have no say."""
    dice, readings = vehicle.dice, vehicle.body
    noise_m = 2.0 * dice.bell(), 2.0 * dice.bell()
    north_m, east_m = under_way.north_m + noise_m[0], under_way.east_m + noise_m[1]
    latitude, longitude = journey.place(*vehicle.set_out_at, north_m, east_m)
    readings.set(body.LATITUDE, round(latitude, 6))
    readings.set(body.LONGITUDE, round(longitude, 6))
    readings.set(body.ACCURACY, 3 + dice.below(4))
    readings.set(body.HEADING, int(under_way.heading_deg))


def _lock(vehicle: Vehicle, at_ms: int) -> None:
    vehicle.body.lock(locked=True)
    if vehicle.is_electric and not vehicle.way:
        plug(vehicle, at_ms, connected=True)
    vehicle.tell_changes(at_ms)


def _settle(vehicle: Vehicle, at_ms: int) -> None:
    if vehicle.journey is None and not vehicle.has_ignition:
        vehicle.tell_changes(at_ms, with_core=True)


def _read_sensors(vehicle: Vehicle, under_way: Journey, driven_m: float) -> None:
    speed_kmh = round(under_way.speed_mps * journey.KMH_PER_MPS, 1)
    vehicle.body.set(body.SPEED, speed_kmh)
    vehicle.body.set(body.IS_MOVING, speed_kmh > 0.0)
    read_position(vehicle, under_way)
    vehicle.body.set(body.VOLTAGE, round(14.1 + 0.05 * vehicle.dice.bell(), 1))
    _use_up(vehicle, driven_m)


def _use_up(vehicle: Vehicle, driven_m: float) -> None:
    """Odometer and range in metres; data while driving."""
    readings = vehicle.body
    readings.set(body.ODOMETER, int(readings.number(body.ODOMETER) + driven_m + 0.5))
    left_m = readings.number(body.RANGE) - driven_m
    readings.set(body.RANGE, int(left_m) if left_m > 0.0 else 400_000)
    vehicle.bundle.used_mb = min(
        vehicle.bundle.total_mb * 0.75, vehicle.bundle.used_mb + driven_m / 1_000 * MB_PER_KM
    )


def _pause_ms(vehicle: Vehicle) -> int:
    """Parked between two trips, so that the driving share comes out."""
    share = min(0.95, vehicle.driving_share)
    mean_ms = _TRIP_MS * (1.0 - share) / share
    return int(vehicle.dice.between(0.3, 1.7) * mean_ms)
