"""Telemetry of a fleet that drives, encoded before anything is measured, and poured into sockets."""

from __future__ import annotations

import selectors
import socket
import time
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.wire.topics import vehicle_topic
from vehicle_emulator import codec
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import vins

PART_BYTES = 1 << 18
PATIENCE_S = 120.0
_U16 = 1 << 16


def streams(
    *, vehicles: int, messages: int, qos: int, version: codec.Version = codec.Version.V5, count: int = 1
) -> list[bytes]:
    """
    So many PUBLISH packets of cars that take turns, each a second further; times end about now.

    Six signals, 340 bytes: what a driving car repeats. A car's messages stand in one of ``count`` streams.
    """
    dice, names = Dice(1, "telemetry"), vins(1, vehicles)
    parts: list[list[bytes]] = [[] for _ in range(count)]
    began = datetime.now(UTC) - timedelta(seconds=messages // vehicles + 1)
    for number in range(messages):
        second, vin = number // vehicles, names[number % vehicles]
        body = {
            "occurred_at": began + timedelta(seconds=second),
            "seq": second + 1,
            "signals": signals(dice, second),
        }
        packet_id = number % (_U16 - 1) + 1 if qos else 0
        topic, payload = vehicle_topic(vin, "telemetry"), msgspec.json.encode(body)
        packet = codec.encode_publish(version, topic, payload, packet_id=packet_id)
        parts[number % vehicles % count].append(packet)
    return [b"".join(some) for some in parts]


def signals(dice: Dice, second: int = 0) -> dict[str, object]:
    """What a driving car repeats."""
    return {
        "Vehicle.Speed": round(dice.between(30, 90), 1),
        "Vehicle.IsMoving": True,
        "Vehicle.LowVoltageSystemState": "ON",
        "Vehicle.CurrentLocation.Latitude": round(dice.between(51, 53), 6),
        "Vehicle.CurrentLocation.Longitude": round(dice.between(4, 6), 6),
        "Vehicle.TraveledDistance": 15_000_000 + 17 * second,
    }


def pour(sockets: list[socket.socket], data: list[bytes]) -> None:
    """Send to each socket its stream, and read what comes back (acknowledgements): nobody waits for us."""
    left = {sock: memoryview(stream) for sock, stream in zip(sockets, data, strict=True)}
    until = time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while any(left.values()) and time.monotonic() < until:
            for key, events in selector.select(1.0):
                _exchange(key.fileobj, events, left, selector)  # type: ignore[arg-type]  # a socket


def _exchange(
    sock: socket.socket, events: int, left: dict[socket.socket, memoryview], selector: selectors.BaseSelector
) -> None:
    if events & selectors.EVENT_READ:
        sock.recv(PART_BYTES)
    if events & selectors.EVENT_WRITE:
        left[sock] = left[sock][sock.send(left[sock][:PART_BYTES]) :]
        if not left[sock]:
            selector.modify(sock, selectors.EVENT_READ)


def read_to_end(sock: socket.socket) -> None:
    """Throw away what comes until the other side has gone."""
    sock.setblocking(True)
    sock.settimeout(PATIENCE_S)
    while sock.recv(PART_BYTES):
        pass
