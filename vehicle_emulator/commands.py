"""What a vehicle makes of commands and packages sent to it (contract 4.2, 4.3, 3.7), as acts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import body, messages
from vehicle_emulator.messages import Command, Package

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.vehicle import Vehicle

HANDLING_MS: Final = 400
_STAGES: Final = (("downloading", 1_000), ("downloaded", 6_000), ("installing", 8_000), ("active", 15_000))


def hear(vehicle: Vehicle, kind: str, payload: bytes, at_ms: int) -> bool:
    """Plan what a message to the vehicle asks for; False if it can't be read."""
    try:
        if kind == messages.COMMAND:
            _plan_command(vehicle, messages.decode_command(payload), at_ms)
        elif kind == messages.PACKAGE:
            _plan_package(vehicle, messages.decode_package(payload), at_ms)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def perform(vehicle: Vehicle, at_ms: int, command: Command) -> None:
    """Carry a command out, or say why not."""
    status, reason = "performed", None
    if at_ms > command.expires_at.timestamp() * 1_000:
        status = "expired"
    elif (action := ACTIONS.get(command.action)) is None:
        status, reason = "refused", "not_supported"
    else:
        action(vehicle)
        vehicle.tell_changes(at_ms)
    fields = {"command_id": command.command_id, "status": status, "reason": reason}
    vehicle.event(at_ms, messages.RESULT, messages.Result, **fields)


def _plan_command(vehicle: Vehicle, command: Command, at_ms: int) -> None:
    """At most once: a command whose counter is not above the last one's is a repeat."""
    if vehicle.command_counter is not None and command.counter <= vehicle.command_counter:
        return
    vehicle.command_counter = command.counter
    vehicle.plan(at_ms + HANDLING_MS, partial(perform, command=command))


def _plan_package(vehicle: Vehicle, package: Package, at_ms: int) -> None:
    for state, later_ms in _STAGES:
        vehicle.plan(at_ms + later_ms, partial(_progress, package=package, state=state))


def _progress(vehicle: Vehicle, at_ms: int, package: Package, state: str) -> None:
    fields = {"package_id": package.package_id, "package_kind": package.kind, "state": state}
    vehicle.event(at_ms, messages.SOFTWARE, messages.Software, **fields)


def _nothing_to_show(vehicle: Vehicle) -> None:
    """Lights, horn and position reports leave no trace in the signals."""


def _climate(vehicle: Vehicle, *, on: bool) -> None:
    vehicle.body.set(body.CLIMATE, on)


def _charge(vehicle: Vehicle, *, on: bool) -> None:
    vehicle.body.set(body.IS_CHARGING, on)


def _lock(vehicle: Vehicle, *, locked: bool) -> None:
    vehicle.body.lock(locked=locked)


ACTIONS: Final[dict[str, Callable[[Vehicle], None]]] = {
    "lock": partial(_lock, locked=True),
    "unlock": partial(_lock, locked=False),
    "locate": _nothing_to_show,
    "honk_flash": _nothing_to_show,
    "climate_start": partial(_climate, on=True),
    "climate_stop": partial(_climate, on=False),
    "charge_start": partial(_charge, on=True),
    "charge_stop": partial(_charge, on=False),
    "block_engine_start": _nothing_to_show,
    "release_engine_start": _nothing_to_show,
}
