"""
Telemetry at a steady rate into a broker, each vehicle on a connection of its own, for little CPU.

    python -m bench.reading.steady --port 1 --passwords FILE --per-s 2 --report FILE

Open loop: a message is due when it is due. Each is one write of bytes that were encoded before; only its time
and number are put in. It runs until SIGTERM and then says how many left, how late, and what nobody took.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import time
from array import array
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.figures import Percentiles, percentiles
from bench.reading import traffic
from devtools.broker import HOST
from gateway.wire.topics import vehicle_topic
from vehicle_emulator import codec
from vehicle_emulator.dice import Dice

TICK_S = 0.0005
KEEPALIVE_S = 120
STAMP = "2000-01-01T00:00:00.000Z"
FIRST = 1_000_000_000
"""Numbers of this length need no other packet when they grow."""
HELLO_BYTES = 1024


class Report(msgspec.Struct, frozen=True):
    """``refused``: due, but the broker had not yet read what was sent before. ``late_ms``: of every tick."""

    sent: int
    refused: int
    late_ms: Percentiles


class Car:
    """One vehicle that drives."""

    def __init__(self, port: int, vin: str, password: str, dice: Dice) -> None:
        """Connect. Errors: OSError."""
        version = codec.Version.V5
        body = msgspec.json.encode({"occurred_at": STAMP, "seq": FIRST, "signals": traffic.signals(dice)})
        packet = codec.encode_publish(version, vehicle_topic(vin, "telemetry"), body)
        self._head, rest = packet.split(STAMP.encode())
        self._middle, self._tail = rest.split(str(FIRST).encode())
        self._left = b""
        self._socket = socket.create_connection((HOST, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(
            codec.encode_connect(version, codec.Greeting(vin, vin, password, "", b"", KEEPALIVE_S))
        )
        self._socket.recv(HELLO_BYTES)
        self._socket.setblocking(False)

    def send(self, stamp: bytes, number: int) -> bool:
        """Send the next message; False if there was no room for it."""
        packet = b"%b%b%b%b%d%b" % (self._left, self._head, stamp, self._middle, FIRST + number, self._tail)
        try:
            count = self._socket.send(packet)
        except BlockingIOError:
            return False
        self._left = packet[count:]
        return True


class Stream:
    """All cars, in turn."""

    def __init__(self, cars: list[Car], per_s: float) -> None:
        self._cars, self._per_s = cars, per_s
        self._late_ms = array("d")
        self._turns = self._refused = 0
        self.ended = False

    def run(self) -> None:
        """Send what is due, until ended."""
        began_s = time.monotonic()
        while not self.ended:
            now_s = time.monotonic()
            due = int((now_s - began_s) * self._per_s)
            if due > self._turns:
                self._late_ms.append((now_s - began_s - (self._turns + 1) / self._per_s) * 1_000)
                self._send(due)
            time.sleep(TICK_S)

    def report(self) -> Report:
        """What was done."""
        return Report(self._turns - self._refused, self._refused, percentiles(self._late_ms))

    def _send(self, due: int) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z"
        cars = self._cars
        for turn in range(self._turns, due):
            number, car = divmod(turn, len(cars))
            if not cars[car].send(stamp, number):
                self._refused += 1
        self._turns = due


def main() -> None:
    """Pour until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--passwords", type=Path, required=True)
    parser.add_argument("--per-s", type=float, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    passwords = json.loads(options.passwords.read_bytes())
    dice = Dice(1, "telemetry")
    stream = Stream(
        [Car(options.port, vin, password, dice) for vin, password in passwords.items()], options.per_s
    )

    def end(*_signal: object) -> None:
        stream.ended = True

    signal.signal(signal.SIGTERM, end)
    stream.run()
    options.report.write_bytes(msgspec.json.encode(stream.report()))


if __name__ == "__main__":
    main()
