"""
Topic ``telemetry``: signals under their COVESA VSS 6.0 names (contract 3.1).

A value of the wrong type or outside its physical range costs that message, never the connection.
Names without meaning are kept as last known values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

import msgspec
from msgspec import Meta, Struct

from gateway.wire.event import Seq, Time, utc

KIND = "telemetry"

MAX_SIGNALS = 400
MAX_OTHER_NAME = 64
MAX_OTHER_TEXT = 256
MAX_OTHER_WHOLE = 2**63 - 1

SPEED = "Vehicle.Speed"
IS_MOVING = "Vehicle.IsMoving"
IGNITION = "Vehicle.LowVoltageSystemState"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
ACCURACY = "Vehicle.CurrentLocation.HorizontalAccuracy"
ODOMETER = "Vehicle.TraveledDistance"
CHARGING = "Vehicle.Powertrain.TractionBattery.Charging"

IGNITION_STATES = ("LOCK", "OFF", "ACC", "ON", "START")
IGNITION_OFF = ("OFF", "LOCK")


class Number(Struct, frozen=True):
    """A number within a physical range."""

    low: float
    high: float
    whole: bool = False

    def fits(self, value: object) -> bool:
        """Whether ``value`` can be this signal."""
        kinds: tuple[type, ...] = (int,) if self.whole else (int, float)
        return type(value) in kinds and self.low <= value <= self.high  # type: ignore[operator]


SIGNALS: dict[str, Number | Literal["boolean"] | tuple[str, ...]] = {
    SPEED: Number(-300, 500),
    IS_MOVING: "boolean",
    IGNITION: IGNITION_STATES,
    LATITUDE: Number(-90, 90),
    LONGITUDE: Number(-180, 180),
    ACCURACY: Number(0, 1e7),
    "Vehicle.CurrentLocation.Heading": Number(0, 360),
    ODOMETER: Number(0, 1e10),
    "Vehicle.LowVoltageBattery.CurrentVoltage": Number(0, 60),
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": Number(0, 100),
    f"{CHARGING}.IsCharging": "boolean",
    f"{CHARGING}.ChargingPort.AnyPosition.IsChargingCableConnected": "boolean",
    "Vehicle.Powertrain.Range": Number(0, 5e6),
    "Vehicle.Powertrain.Transmission.SelectedGear": Number(-128, 127, whole=True),
    "Vehicle.Chassis.ParkingBrake.IsEngaged": "boolean",
    **{
        f"Vehicle.Cabin.Door.{row}.{side}.{what}": "boolean"
        for row in ("Row1", "Row2")
        for side in ("DriverSide", "PassengerSide")
        for what in ("IsOpen", "IsLocked")
    },
    "Vehicle.Body.Hood.IsOpen": "boolean",
    "Vehicle.Body.Trunk.Rear.IsOpen": "boolean",
    "Vehicle.Cabin.HVAC.IsAirConditioningActive": "boolean",
}


class Payload(Struct, frozen=True, kw_only=True):
    """The message as documented."""

    occurred_at: Time
    signals: dict[str, Any]
    seq: Seq | None = None


class Telemetry(Struct, frozen=True):
    """One decoded message."""

    occurred_at: datetime | None
    """None where the vehicle's clock can't be believed."""
    received_at: datetime
    signals: dict[str, Any]
    seq: int | None = None
    """Grows with each message of one boot."""


class Plain(Struct, frozen=True, gc=False):
    """A message of known signals only, each checked while it was decoded."""

    occurred_at: Time
    signals: dict[str, Any]
    seq: Seq | None = None


def typed(expected: Number | Literal["boolean"] | tuple[str, ...]) -> Any:
    """What msgspec checks a signal by."""
    if isinstance(expected, Number):
        return Annotated[int if expected.whole else float, Meta(ge=expected.low, le=expected.high)]
    return bool if expected == "boolean" else Literal[expected]


_Known = TypedDict(  # type: ignore[misc]  # made from the table above
    "_Known", {name: typed(expected) for name, expected in SIGNALS.items()}, total=False
)
_Checked: type[Plain] = msgspec.defstruct(  # type: ignore[assignment]  # what it is made of, says ``bases``
    "_Checked", [("signals", _Known)], bases=(Plain,), frozen=True, gc=False
)
_plain = msgspec.json.Decoder(_Checked)
_decoder = msgspec.json.Decoder(Payload)


def decode_plain(payload: bytes) -> Plain | None:
    """
    Decode a message that has nothing unusual, at a third of the cost of ``decode``; None for any other.

    Names are known, values fit. Every name and every text costs two quotation marks: if there are no more of
    nothing was left out. Never raises.
    """
    try:
        message = _plain.decode(payload)
    except Exception:  # noqa: BLE001  # deep nesting and bad UTF-8 raise no DecodeError
        return None
    signals = message.signals
    texts = 3 + len(signals) + (message.seq is not None) + (IGNITION in signals)
    return message if payload.count(b'"') == 2 * texts else None


def decode(payload: bytes, received_at: datetime) -> Telemetry:
    """
    Turn a payload into checked signals.

    Errors:  ValueError (msgspec's included), RecursionError, UnicodeDecodeError: the message is quarantined.
    """
    plain = decode_plain(payload)
    if plain is not None:
        return Telemetry(utc(plain.occurred_at), received_at, plain.signals, plain.seq)
    stated = _decoder.decode(payload)
    signals = stated.signals
    if len(signals) > MAX_SIGNALS:
        message = f"more than {MAX_SIGNALS} signals"
        raise ValueError(message)
    other: list[str] = []
    for name, value in signals.items():
        expected = SIGNALS.get(name)
        if expected is None:
            if not _keepable(name, value):
                other.append(name)
        elif not _fits(expected, value):
            message = f"{name}: wrong type or outside its range"
            raise ValueError(message)
    for name in other:
        del signals[name]
    return Telemetry(utc(stated.occurred_at), received_at, signals, stated.seq)


def _fits(expected: Number | str | tuple[str, ...], value: object) -> bool:
    if isinstance(expected, Number):
        return expected.fits(value)
    if expected == "boolean":
        return isinstance(value, bool)
    return value in expected


def _keepable(name: str, value: object) -> bool:
    if len(name) > MAX_OTHER_NAME:
        return False
    if isinstance(value, int):
        return abs(value) <= MAX_OTHER_WHOLE
    return isinstance(value, float) or (isinstance(value, str) and len(value) <= MAX_OTHER_TEXT)
