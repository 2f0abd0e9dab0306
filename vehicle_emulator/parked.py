"""
What a parked vehicle still says, and when: ever more rarely. Acts; pure.

After switching off the standstill is repeated, because telemetry is QoS 0 and one lost message must not leave
a car "moving"; then comes one message each ``awake_s`` until its computers sleep, then one each ``asleep_s``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vehicle_emulator import body, power, sky

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.vehicle import Vehicle

SETTLING_MS: Final = (5_000, 15_000)


def begin(vehicle: Vehicle, at_ms: int) -> None:
    """At the beginning each car of a fleet is somewhere between two signs of life."""
    cadence = vehicle.model.cadence
    every_s = cadence.asleep_s if at_ms >= vehicle.rest.awake_until_ms else cadence.awake_s
    _plan(vehicle, at_ms + vehicle.dice.below(round(every_s * 1_000)), _sign)


def settle(vehicle: Vehicle, at_ms: int) -> None:
    """Just switched off."""
    for later_ms in SETTLING_MS:
        _plan(vehicle, at_ms + later_ms, _repeat)
    _plan(vehicle, at_ms + round(vehicle.model.cadence.awake_s * 1_000), _sign)


def _plan(vehicle: Vehicle, at_ms: int, act: Callable[[Vehicle, int, int | None], None]) -> None:
    """Only for as long as this standing lasts."""
    since_ms = vehicle.rest.parked_ms
    vehicle.plan(at_ms, lambda car, now_ms: act(car, now_ms, since_ms))


def _repeat(vehicle: Vehicle, at_ms: int, since_ms: int | None) -> None:
    if vehicle.rest.parked_ms == since_ms and vehicle.journey is None:
        vehicle.tell_changes(at_ms, with_core=True)


def _sign(vehicle: Vehicle, at_ms: int, since_ms: int | None) -> None:
    """A sign of life; a unit without power gives none."""
    rest, cadence = vehicle.rest, vehicle.model.cadence
    if rest.parked_ms != since_ms or since_ms is None:
        return
    is_asleep = at_ms >= since_ms + round(rest.habit.sleep_after_s * 1_000)
    if vehicle.journey is None and (vehicle.is_on_air or vehicle.air.is_given_up):
        vehicle.rouse(at_ms)
        _read(vehicle, at_ms)
        if at_ms - vehicle.all_told_ms >= cadence.everything_s * 1_000:
            vehicle.tell_everything(at_ms)
        else:
            vehicle.tell_changes(at_ms, with_core=True)
    every_s = cadence.asleep_s if is_asleep else cadence.awake_s
    _plan(vehicle, at_ms + round(every_s * 1_000), _sign)


def _read(vehicle: Vehicle, at_ms: int) -> None:
    """The receiver takes another fix, the 12 V battery sinks a little."""
    sky.read(vehicle)
    charging = bool(vehicle.body.get(body.IS_CHARGING, default=False))
    if not charging:
        volts = min(vehicle.body.number(body.VOLTAGE), power.rested_v(vehicle, at_ms))
        vehicle.body.set(body.VOLTAGE, volts)
