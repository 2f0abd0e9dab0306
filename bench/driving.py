"""
A fleet that drives, and what is kept of it, in a process of its own; prints what that took as JSON.

    python -m bench.driving gateway --vehicles 1000 --rounds 5
    python -m bench.driving dict --vehicles 1000 --rounds 5 --traced

Each vehicle says six signals every 5 s, the fleet in another order each time, so that one message in eight
renews a statement of movement. Messages are made in small portions that nobody counts: only what is kept, and
what taking them costs, is measured.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from bench.meter import rss_bytes
from bench.stage import StageError
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.track import RENEW_MOVEMENT_AFTER
from gateway.ports import Inbound
from gateway.wire.telemetry import KIND
from gateway.wire.topics import vehicle_topic
from vehicle_emulator.fleet import vins

BEGAN = datetime(2026, 11, 22, 9, tzinfo=UTC)
EVERY = timedelta(seconds=5)
CYCLE = RENEW_MOVEMENT_AFTER // EVERY
"""So many rounds from one statement of movement to the next."""
PORTION = 500
UNDERWAY = timedelta(milliseconds=250)
ENDS_WITHIN_S = 1_800.0

Message = tuple[str, bytes]
"""Topic and payload."""


class Kept(msgspec.Struct, frozen=True):
    """What one process found."""

    vehicles: int
    """Of which something is kept at the end."""
    messages: int
    """Those whose cost was measured."""
    cpu_us: float
    """For each of them."""
    rss_bytes: float
    """More resident memory than before, for each vehicle."""
    traced_bytes: float
    """What Python allocated and still holds, for each vehicle; 0 where it was not traced."""


class Keeper(Protocol):
    """Takes messages in, and keeps what was said last."""

    def take(self, messages: Sequence[Message], received_at: datetime) -> None:
        """Take some that arrived together."""

    def knows(self, vin: str) -> bool:
        """Whether something of this vehicle is kept."""


class Gateway:
    """The gateway's own: by a glance, or the long way. What it states is thrown away."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        meters = Tally()
        self._intake = TelemetryIntake(self._inbox, meters)
        self._ingest = Ingest(self._inbox, self._intake, meters)

    def take(self, messages: Sequence[Message], received_at: datetime) -> None:
        """As a session does."""
        glance, long = self._ingest.glance, []
        for topic, payload in messages:
            if not glance(topic, payload, received_at):
                long.append(Inbound(topic, payload, received_at))
        self._ingest.take(long)
        self._inbox.take(len(self._inbox))

    def knows(self, vin: str) -> bool:
        """See ``Keeper``."""
        return self._intake.heard_at(vin) is not None and len(self._intake.signals(vin)) == len(signals(0, 0))


class Dicts:
    """The reference: a dict for each vehicle with the same signals, times and number of the newest."""

    def __init__(self) -> None:
        self._fleet: dict[str, dict[str, Any]] = {}

    def take(self, messages: Sequence[Message], received_at: datetime) -> None:
        """Without a check, a rule or a fact."""
        for topic, payload in messages:
            said = msgspec.json.decode(payload)
            state = self._fleet.setdefault(topic.split("/")[2], {})
            state.update(said["signals"])
            state["occurred_at"] = datetime.fromisoformat(said["occurred_at"])
            state["received_at"], state["seq"] = received_at, said["seq"]

    def knows(self, vin: str) -> bool:
        """See ``Keeper``."""
        return vin in self._fleet


KEEPERS: dict[str, type[Keeper]] = {"gateway": Gateway, "dict": Dicts}


def signals(index: int, number: int) -> dict[str, Any]:
    """What a driving car says: another value of everything in every message."""
    return {
        "Vehicle.Speed": 30 + (index + number) % 600 / 10,
        "Vehicle.IsMoving": True,
        "Vehicle.LowVoltageSystemState": "ON",
        "Vehicle.CurrentLocation.Latitude": 51 + (index + 7 * number) % 2_000_000 / 1e6,
        "Vehicle.CurrentLocation.Longitude": 4 + (index + 9 * number) % 2_000_000 / 1e6,
        "Vehicle.TraveledDistance": 15_000_000 + 87 * number,
    }


def portions(names: list[str], order: list[int], number: int) -> Iterator[tuple[list[Message], datetime]]:
    """One message of each vehicle, some at a time, and when they arrive."""
    at = BEGAN + number * EVERY
    for begin in range(0, len(order), PORTION):
        made = [
            (
                vehicle_topic(names[index], KIND),
                msgspec.json.encode(
                    {"occurred_at": at, "seq": number + 1, "signals": signals(index, number)}
                ),
            )
            for index in order[begin : begin + PORTION]
        ]
        yield made, at + UNDERWAY + timedelta(microseconds=begin)


def drive(keeper: Keeper, names: list[str], rounds: int, measured: int) -> tuple[float, int]:
    """So many messages of each vehicle; CPU seconds and messages of the last ``measured`` rounds."""
    dice, order, cpu_s = random.Random(1), list(range(len(names))), 0.0
    for number in range(rounds):
        dice.shuffle(order)
        for messages, received_at in portions(names, order, number):
            began_s = time.process_time()
            keeper.take(messages, received_at)
            if number >= rounds - measured:
                cpu_s += time.process_time() - began_s
    return cpu_s, measured * len(names)


def run(who: str, vehicles: int, rounds: int, measured: int = CYCLE, *, traced: bool = False) -> Kept:
    """Drive a fleet in a process of its own."""
    command = [sys.executable, "-m", "bench.driving", who, "--vehicles", str(vehicles)]
    command += ["--rounds", str(rounds), "--measured", str(measured), *(["--traced"] if traced else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)
    if done.returncode:
        raise StageError(f"{who} with {vehicles:,} vehicles:\n{done.stderr[-2000:]}")
    kept = msgspec.json.decode(done.stdout, type=Kept)
    if kept.vehicles != vehicles:
        raise StageError(f"{who} knows {kept.vehicles:,} of {vehicles:,} vehicles")
    return kept


def main() -> None:
    """Drive once, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("who", choices=KEEPERS)
    for name in ("vehicles", "rounds", "measured"):
        parser.add_argument(f"--{name}", type=int, default=CYCLE)
    parser.add_argument("--traced", action="store_true")
    options = parser.parse_args()
    names = vins(1, options.vehicles)
    drive(KEEPERS[options.who](), names[:PORTION], 1, 1)  # what is made once is no vehicle's
    gc.collect()
    if options.traced:
        tracemalloc.start()
    before = rss_bytes(os.getpid())
    keeper = KEEPERS[options.who]()
    cpu_s, messages = drive(keeper, names, options.rounds, min(options.rounds, options.measured))
    gc.collect()
    after, traced = rss_bytes(os.getpid()), tracemalloc.get_traced_memory()[0]
    known = sum(keeper.knows(vin) for vin in names)
    kept = Kept(
        vehicles=known,
        messages=messages,
        cpu_us=cpu_s / messages * 1e6,
        rss_bytes=(after - before) / len(names),
        traced_bytes=traced / len(names),
    )
    print(msgspec.json.encode(kept).decode())


if __name__ == "__main__":
    main()
