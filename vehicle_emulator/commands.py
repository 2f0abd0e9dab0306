"""
What a vehicle makes of commands and packages sent to it (contract 4.2, 4.3, 3.7), as acts.

What may be done with a command is decided in ``remote``; here it meets the body and the agenda.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from vehicle_emulator import body, messages, power, remote
from vehicle_emulator.messages import Command, Package
from vehicle_emulator.remote import Answer, Situation, Turn

if TYPE_CHECKING:
    from vehicle_emulator.vehicle import Vehicle

LOOK_AGAIN_MS: Final = 1_000
BOOT_MS: Final = 3_000
_STAGES: Final = (("downloading", 1_000), ("downloaded", 6_000), ("installing", 8_000), ("active", 15_000))


def hear(vehicle: Vehicle, kind: str, payload: bytes, at_ms: int) -> bool:
    """Plan what a message to the vehicle asks for; False if it can't be read."""
    try:
        if kind == messages.COMMAND:
            _take(vehicle, messages.decode_command(payload), at_ms)
        elif kind == messages.PACKAGE:
            _plan_package(vehicle, messages.decode_package(payload), at_ms)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def resume(vehicle: Vehicle, at_ms: int) -> None:
    """After a boot: say what the restart broke off, and go on with what waits."""
    vehicle.orders, broken, waiting = remote.restart(vehicle.orders)
    for answer in broken:
        _state(vehicle, at_ms, answer)
    vehicle.rest.ready_ms = at_ms + BOOT_MS
    for command in waiting:
        _plan_turn(vehicle, at_ms, command)


def _take(vehicle: Vehicle, command: Command, at_ms: int) -> None:
    """A command has its turn when the vehicle is awake; what is no command for it is answered at once."""
    turn = remote.hear(vehicle.orders, command, _clock_ms(vehicle, at_ms))
    vehicle.orders = turn.memory
    if turn.command is not None:
        _plan_turn(vehicle, at_ms, turn.command)
    elif turn.answer is not None:
        vehicle.plan(at_ms, partial(_state, answer=turn.answer))


def _plan_turn(vehicle: Vehicle, at_ms: int, command: Command) -> None:
    takes_ms = EFFECTS[command.action].takes_ms
    turn_ms = vehicle.rest.turn_ms(at_ms, takes_ms, vehicle.radio_dice)
    vehicle.rouse(at_ms)
    vehicle.plan(turn_ms, partial(_begin, command_id=command.command_id))


def _begin(vehicle: Vehicle, at_ms: int, command_id: str) -> None:
    """Its turn."""
    clock_ms, situation = _clock_ms(vehicle, at_ms), _situation(vehicle)
    _follow(vehicle, at_ms, remote.begin(vehicle.orders, command_id, clock_ms, situation))


def _finish(vehicle: Vehicle, at_ms: int, command_id: str) -> None:
    """The moment of effect."""
    clock_ms, situation = _clock_ms(vehicle, at_ms), _situation(vehicle)
    _follow(vehicle, at_ms, remote.finish(vehicle.orders, command_id, clock_ms, situation))


def _follow(vehicle: Vehicle, at_ms: int, turn: Turn) -> None:
    """Do what was decided: the memory is first, and the signals show an effect before the result tells it."""
    vehicle.orders, command = turn.memory, turn.command
    if command is not None:
        effect = EFFECTS[command.action]
        if turn.then == "effect":
            effect.take(vehicle, at_ms)
            vehicle.tell_changes(at_ms, with_core=command.action == "locate")
        elif turn.then == "finish":
            vehicle.plan(at_ms + effect.takes_ms, partial(_finish, command_id=command.command_id))
        else:
            vehicle.plan(at_ms + LOOK_AGAIN_MS, partial(_begin, command_id=command.command_id))
    if turn.answer is not None:
        _state(vehicle, at_ms, turn.answer)


def _state(vehicle: Vehicle, at_ms: int, answer: Answer) -> None:
    vehicle.event(at_ms, messages.RESULT, messages.Result, **msgspec.structs.asdict(answer))


def _clock_ms(vehicle: Vehicle, at_ms: int) -> int:
    """The vehicle's clock; where the emulator is late, an act has its due time, and a command must not."""
    return vehicle.clock_ms(max(at_ms, vehicle.wall_ms))


def _situation(vehicle: Vehicle) -> Situation:
    readings = vehicle.body
    return Situation(
        moving=readings.is_moving,
        door_open=any(readings.get(door, default=False) for door in body.DOORS_OPEN),
        electric=vehicle.is_electric,
        plugged=bool(readings.get(body.IS_PLUGGED, default=False)),
    )


def _plan_package(vehicle: Vehicle, package: Package, at_ms: int) -> None:
    for state, later_ms in _STAGES:
        vehicle.plan(at_ms + later_ms, partial(_progress, package=package, state=state))


def _progress(vehicle: Vehicle, at_ms: int, package: Package, state: str) -> None:
    fields = {"package_id": package.package_id, "package_kind": package.kind, "state": state}
    vehicle.event(at_ms, messages.SOFTWARE, messages.Software, **fields)


def _nothing_to_show(_vehicle: Vehicle, _at_ms: int) -> None:
    """Lights and horn leave no trace in the signals."""


def _climate(vehicle: Vehicle, _at_ms: int, *, on: bool) -> None:
    vehicle.body.set(body.CLIMATE, on)


def _lock(vehicle: Vehicle, _at_ms: int, *, locked: bool) -> None:
    vehicle.body.lock(locked=locked)


def _block(vehicle: Vehicle, _at_ms: int, *, blocked: bool) -> None:
    """Only the next start feels it."""
    vehicle.is_blocked = blocked


class Effect(NamedTuple):
    """What an action does to the vehicle, and how long its actuators take for it."""

    take: Callable[..., None]
    takes_ms: int


EFFECTS: Final[dict[str, Effect]] = {
    "lock": Effect(partial(_lock, locked=True), 300),
    "unlock": Effect(partial(_lock, locked=False), 300),
    "locate": Effect(_nothing_to_show, 100),
    "honk_flash": Effect(_nothing_to_show, 200),
    "climate_start": Effect(partial(_climate, on=True), 900),
    "climate_stop": Effect(partial(_climate, on=False), 400),
    "charge_start": Effect(partial(power.charge, on=True), 800),
    "charge_stop": Effect(partial(power.charge, on=False), 500),
    "block_engine_start": Effect(partial(_block, blocked=True), 500),
    "release_engine_start": Effect(partial(_block, blocked=False), 500),
}
