"""
What happens to cars in scenarios, as acts that several of them share.

A deed is an ``Act`` (a function of the vehicle and the moment), or makes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from vehicle_emulator import body, journey, life, messages
from vehicle_emulator.journey import Journey, Leg
from vehicle_emulator.vehicle import CARD_ID

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Act, Vehicle

NIGHT_S: Final = 6 * 3_600.0
# What carries a car away wakes its tracker: it tells its position as often as a drive would.
_FIX_EVERY_MS = 5_000


def nothing(_vehicle: Vehicle, _at_ms: int) -> None:
    """Only keep the scene open."""


def trigger(cause: str, **details: Any) -> Act:  # optional fields of contract 3.2
    """A theft sensor triggers."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.trigger(at_ms, cause, **details)

    return act


def restore(cause: str, **details: Any) -> Act:  # optional fields of contract 3.2
    """A theft sensor is at rest again."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.restore(at_ms, cause, **details)

    return act


def together(*acts: Act) -> Act:
    """Several acts in one moment."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        for one in acts:
            one(vehicle, at_ms)

    return act


# -- radio and power --------------------------------------------------------------------------------------


def fall_silent(vehicle: Vehicle, _at_ms: int) -> None:
    """The radio is off the air: jammed, cut or without coverage."""
    vehicle.is_on_air = False


def be_heard(vehicle: Vehicle, _at_ms: int) -> None:
    """The radio works again; the unit has been awake all the time."""
    vehicle.is_on_air = True


def wake(vehicle: Vehicle, at_ms: int) -> None:
    """Power is back: a new boot, a counter that starts again, and the sensor says so."""
    vehicle.power_up(at_ms)
    vehicle.restore(at_ms, "battery_disconnect")


def sink_to(volts: float) -> Act:
    """The 12 V battery reads this."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.body.set(body.VOLTAGE, volts)
        vehicle.tell_changes(at_ms)

    return act


def shift_clock(by_ms: int) -> Act:
    """The car's clock is set forward by so much, or back."""

    def act(vehicle: Vehicle, _at_ms: int) -> None:
        vehicle.body.ahead_ms += by_ms

    return act


# -- the driver and the card ------------------------------------------------------------------------------


def get_in(vehicle: Vehicle, at_ms: int) -> None:
    """A driver with the card unlocks, sits down and, 8 s after, switches on."""
    vehicle.put_card(at_ms, present=True)
    vehicle.plan(at_ms + 1_000, life.unlock)
    vehicle.plan(at_ms + 8_000, life.ignite)


def get_out(vehicle: Vehicle, at_ms: int) -> None:
    """The driver stops, switches off and, 10 s after, is away with the card."""
    life.stand(vehicle, at_ms)
    vehicle.plan(at_ms + 3_000, life.switch_off)
    vehicle.plan(at_ms + 10_000, life.walk_away)


def take_key(vehicle: Vehicle, at_ms: int) -> None:
    """Somebody with a key and no card unlocks and switches on."""
    life.unlock(vehicle, at_ms)
    life.ignite(vehicle, at_ms)


def lose_card(vehicle: Vehicle, at_ms: int) -> None:
    """The card is gone."""
    vehicle.put_card(at_ms, present=False)


def card_says(battery: Literal["ok", "low"], *, present: bool) -> Act:
    """The card is stated with the state of its cell."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.card_present = present
        fields = {"present": present, "card_id": CARD_ID, "battery": battery}
        vehicle.event(at_ms, messages.DRIVER_CARD, messages.DriverCard, **fields)

    return act


def grant_remote_access(vehicle: Vehicle, at_ms: int) -> None:
    """Whoever sits in the car allows remote access: what only the car itself can say."""
    vehicle.event(at_ms, messages.MODE, messages.Mode, remote_access_enabled=True)


def install(state: str, package_id: str = "UPDATE-1") -> Act:
    """A software update says how far it is (contract 3.7)."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        fields = {"package_id": package_id, "package_kind": "update", "state": state}
        vehicle.event(at_ms, messages.SOFTWARE, messages.Software, **fields)

    return act


# -- on the road, and carried -----------------------------------------------------------------------------


def take_the_road(length_m: float, speed_km_h: float) -> Act:
    """Drive along one straight road: no turn, no traffic light, no arrival before its end."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        life.take_way(vehicle, at_ms, (_straight(vehicle, length_m, speed_km_h),))

    return act


def carried(length_m: float, speed_km_h: float) -> Act:
    """Something carries the car: only its receiver notices, wheels and ignition read as parked."""

    def act(vehicle: Vehicle, at_ms: int) -> None:
        vehicle.journey = Journey((_straight(vehicle, length_m, speed_km_h),), vehicle.dice)
        vehicle.set_out_at = (vehicle.body.number(body.LATITUDE), vehicle.body.number(body.LONGITUDE))
        vehicle.moved_ms = at_ms
        vehicle.plan(at_ms + _FIX_EVERY_MS, _carry)

    return act


def _straight(vehicle: Vehicle, length_m: float, speed_km_h: float) -> Leg:
    return Leg(float(vehicle.dice.below(360)), length_m, speed_km_h / journey.KMH_PER_MPS)


def _carry(vehicle: Vehicle, at_ms: int) -> None:
    carrier = vehicle.journey
    if carrier is None:
        return
    carrier.advance((at_ms - vehicle.moved_ms) / 1_000)
    vehicle.moved_ms = at_ms
    life.read_position(vehicle, carrier)
    vehicle.tell_changes(at_ms, with_core=True)
    vehicle.plan(at_ms + _FIX_EVERY_MS, _carry)
