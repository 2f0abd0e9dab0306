"""Special modes as tests set them."""

from __future__ import annotations

from typing import Any

from gateway.domain.effects import Notify, Refused
from gateway.domain.security_code import key_of
from gateway.domain.signals import (
    EndMode,
    Located,
    Place,
    Position,
    SetMode,
)
from tests.domain.cars import (
    Car,
    at,
    registered,
    times,
)

H = 3600.0
YARD = Place(52.0907, 5.1214, 300)
CODE = {"salt": "aa", "rounds": 2, "key": key_of("1234", "aa", 2).hex()}


def put(
    mode: str, seconds: float, hours: float | None = None, role: str = "operator", **more: Any
) -> SetMode:
    user = "anna" if role == "main_user" else None
    fields = {"user": user, "reason": "Service", **more}
    duration_s = None if hours is None else hours * H
    return SetMode(mode=mode, received_at=at(seconds), by=role, role=role, duration_s=duration_s, **fields)


def stop(mode: str, seconds: float, role: str = "operator") -> EndMode:
    user = "anna" if role == "main_user" else None
    return EndMode(mode=mode, received_at=at(seconds), by=role, role=role, user=user)


def located(seconds: float, north_m: float, accuracy_m: float | None = 8) -> Located:
    position = Position(YARD.latitude + north_m / 111_195, YARD.longitude, accuracy_m)
    return Located(position=position, **times(seconds))


def owned(**more: Any) -> Car:
    car = Car()
    car.take(registered(0, "DC-1", main_user="anna", secondary_users=("bert",), **more))
    return car


def codes(car: Car) -> list[str]:
    return [one.code for one in car.effects if isinstance(one, Refused)]


def told(car: Car) -> list[tuple[str, str]]:
    return [(one.user, one.code) for one in car.effects if isinstance(one, Notify)]


def notes(car: Car) -> list[tuple[str, str, str | None]]:
    return [(one.type, one.alarm.cause, one.alarm.note) for one in car.announced]
