"""Signals within their physical range; a bad value costs its message."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.wire.telemetry import MAX_SIGNALS, SIGNALS, Telemetry, decode

NOW = datetime(2026, 11, 22, 9, 30, 1, tzinfo=UTC)


def telemetry(signals: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"occurred_at": "2026-11-22T09:30:00Z", "signals": signals, **more}).encode()


RANGES: dict[str, tuple[float, float]] = {
    "Vehicle.Speed": (-300, 500),
    "Vehicle.CurrentLocation.Latitude": (-90, 90),
    "Vehicle.CurrentLocation.Longitude": (-180, 180),
    "Vehicle.CurrentLocation.HorizontalAccuracy": (0, 1e7),
    "Vehicle.CurrentLocation.Heading": (0, 360),
    "Vehicle.TraveledDistance": (0, 1e10),
    "Vehicle.LowVoltageBattery.CurrentVoltage": (0, 60),
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": (0, 100),
    "Vehicle.Powertrain.Range": (0, 5e6),
    "Vehicle.Powertrain.Transmission.SelectedGear": (-128, 127),
}
BOOLEANS = [
    "Vehicle.IsMoving",
    "Vehicle.Powertrain.TractionBattery.Charging.IsCharging",
    "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected",
    "Vehicle.Chassis.ParkingBrake.IsEngaged",
    *(f"Vehicle.Cabin.Door.Row{row}.DriverSide.{what}" for row in (1, 2) for what in ("IsOpen", "IsLocked")),
    *(
        f"Vehicle.Cabin.Door.Row{row}.PassengerSide.{what}"
        for row in (1, 2)
        for what in ("IsOpen", "IsLocked")
    ),
    "Vehicle.Body.Hood.IsOpen",
    "Vehicle.Body.Trunk.Rear.IsOpen",
    "Vehicle.Cabin.HVAC.IsAirConditioningActive",
]
IGNITION = "Vehicle.LowVoltageSystemState"


def test_the_tables_name_every_signal() -> None:
    assert {*RANGES, *BOOLEANS, IGNITION} == set(SIGNALS)


@pytest.mark.parametrize(("name", "limits"), RANGES.items())
def test_numbers_within_their_range(name: str, limits: tuple[float, float]) -> None:
    low, high = limits
    whole = name.endswith("Gear")
    for value in (low, high, 0, *([] if whole else [low + 0.5, high - 0.5])):
        assert decode(telemetry({name: value}), NOW).signals == {name: value}
    wrong: list[Any] = [low - 1, high + 1, True, None, "1", [], {}, 10**30, *([0.5] if whole else [])]
    for bad in wrong:
        with pytest.raises(ValueError, match=f"{name}: wrong type or outside its range"):
            decode(telemetry({name: bad}), NOW)


@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans(name: str) -> None:
    for value in (True, False):
        assert decode(telemetry({name: value}), NOW).signals == {name: value}
    wrong: tuple[Any, ...] = (0, 1, "true", None, [], {})
    for bad in wrong:
        with pytest.raises(ValueError, match="wrong type"):
            decode(telemetry({name: bad}), NOW)


def test_ignition() -> None:
    for state in ("LOCK", "OFF", "ACC", "ON", "START"):
        assert decode(telemetry({IGNITION: state}), NOW).signals == {IGNITION: state}
    wrong: tuple[Any, ...] = ("on", "", True, None, 0, ["ON"], {"ON": 1})
    for bad in wrong:
        with pytest.raises(ValueError, match="wrong type"):
            decode(telemetry({IGNITION: bad}), NOW)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("pine", True),
        ("x" * 256, True),
        ("x" * 257, False),
        (1.5, True),
        (False, True),
        (2**63 - 1, True),
        (2**63, False),
        (-(2**63), False),
        (10**400, False),
        (None, False),
        ([], False),
        ({}, False),
    ],
)
def test_a_signal_without_meaning_is_kept_if_it_can_be(value: Any, kept: bool) -> None:
    signals = decode(telemetry({"Acme.Scent": value, "Vehicle.Speed": 1}), NOW).signals
    assert signals == ({"Acme.Scent": value} if kept else {}) | {"Vehicle.Speed": 1}


def test_long_names_are_left_out() -> None:
    assert decode(telemetry({"x" * 64: 1, "y" * 65: 1}), NOW).signals == {"x" * 64: 1}


def test_a_message_has_an_end() -> None:
    assert (
        len(decode(telemetry({f"x{number}": 1 for number in range(MAX_SIGNALS)}), NOW).signals) == MAX_SIGNALS
    )
    with pytest.raises(ValueError, match="more than 400 signals"):
        decode(telemetry({f"x{number}": 1 for number in range(MAX_SIGNALS + 1)}), NOW)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"occurred_at":"2026-11-22T09:30:00Z"}', id="no signals"),
        pytest.param(b'{"signals":{}}', id="no time"),
        pytest.param(telemetry({}, seq=-1), id="negative seq"),
        pytest.param(telemetry({}, seq=2**63), id="2^63"),
        pytest.param(telemetry({"Vehicle.Speed": float("nan")}), id="NaN"),
        pytest.param(telemetry({}).replace(b"{}", b'{"Vehicle.Speed":1e400}'), id="1e400"),
        pytest.param(telemetry({}).replace(b"{}", b'{"x":1e400}'), id="1e400 without meaning"),
        pytest.param(telemetry({}).replace(b"{}", b'{"x":"\xff"}'), id="no UTF-8"),
        pytest.param(telemetry({}).replace(b"{}", b'{"x":' + b"1" * 5000 + b"}"), id="5,000 digits"),
        pytest.param(telemetry({}).replace(b"{}", b"[" * 100_000), id="nested 100,000 deep"),
        pytest.param(
            telemetry({}).replace(b"2026-11-22T09:30:00Z", b"0001-01-01T00:00:00+23:59"), id="before year 1"
        ),
        pytest.param(
            telemetry({}).replace(b"2026-11-22T09:30:00Z", b"9999-12-31T23:59:59-23:59"), id="after year 9999"
        ),
    ],
)
def test_what_costs_a_message(payload: bytes) -> None:
    with pytest.raises((ValueError, RecursionError, msgspec.MsgspecError)):
        decode(payload, NOW)


def test_the_time_is_the_same_instant_in_any_offset() -> None:
    payload = telemetry({}).replace(b"09:30:00Z", b"10:30:00+01:00")
    assert decode(payload, NOW) == Telemetry(datetime(2026, 11, 22, 9, 30, tzinfo=UTC), NOW, {})
