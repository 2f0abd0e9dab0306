"""
Vehicles that only alarm, as fast as wanted: a process of its own with one connection per vehicle.

1. Each event is kept and sent again until its receipt, as the contract demands of a vehicle.
2. ``--rate`` is an open loop: events are due on a schedule whatever the gateway does, and latency counts from
   the moment an event was due. ``--window`` is a closed loop: so many events per vehicle wait for a receipt.
3. The report counts what happened between two moments, so that the end of a run does not flatter it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import time
from array import array
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.figures import Percentiles, percentiles
from gateway.wire.topics import vehicle_topic
from vehicle_emulator import codec, messages
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station
from vehicle_emulator.load import Slots
from vehicle_emulator.messages import THEFT_CAUSES, Message, Position, TheftSensor
from vehicle_emulator.outbox import Entry, Outbox
from vehicle_emulator.report import Tally
from vehicle_emulator.unit import Clock

CONNECT_WITHIN_S = 60.0
SWEEP_MS = 100.0
NAP_S = 0.001
KEEPALIVE_S = 60
_DETAILS: dict[str, dict[str, object]] = {"car_alarm": {"active_for_s": 17}, "intrusion": {"zone": "door"}}


class Work(Struct, frozen=True, kw_only=True):
    """What the vehicles do; exactly one of ``rate`` and ``window`` is above 0."""

    rate: float = 0.0
    window: int = 0
    warm_up_s: float = 2.0
    seconds: float = 10.0
    drain_s: float = 30.0
    causes: tuple[str, ...] = THEFT_CAUSES
    one_cause_each: bool = False


class Report(Struct, frozen=True, kw_only=True):
    """What happened from ``begin_at`` to ``end_at``, and ``…_in_all``."""

    begin_at: float
    end_at: float
    sent: int
    receipted: int
    waiting_at_end: int
    latency_ms: Percentiles
    sent_in_all: int
    receipted_in_all: int
    unreceipted_in_all: int
    resent_in_all: int
    disconnects: int
    lateness_ms: Percentiles

    @property
    def seconds(self) -> float:
        """How long was measured."""
        return self.end_at - self.begin_at

    @property
    def receipted_per_s(self) -> float:
        """The rate that was reached."""
        return self.receipted / self.seconds


class Yard:
    """What all vehicles share."""

    def __init__(self, station: Station, work: Work, passwords: dict[str, str], tally: Tally) -> None:
        self.station, self.work, self.passwords, self.tally = station, work, passwords, tally
        self.clock = Clock(time.time() * 1_000)
        self.boot_id = f"{time.time_ns() // 1_000_000:x}"
        self.busy: set[Car] = set()
        self.is_open = False
        self.begin_ms = self.end_ms = float("inf")
        self.sent = self.receipted = 0
        self.latencies_ms: array[float] = array("d")

    def counts(self, now_ms: float) -> bool:
        """Whether this moment is measured."""
        return self.begin_ms <= now_ms < self.end_ms


class Car:
    """A vehicle: its outbox and its link."""

    __slots__ = ("__weakref__", "_causes", "_number", "_seq", "_yard", "link", "outbox", "vin")

    def __init__(self, vin: str, number: int, yard: Yard) -> None:
        self.vin, self._number, self._yard, self._seq = vin, number, yard, 0
        work = yard.work
        self._causes = (work.causes[number % len(work.causes)],) if work.one_cause_each else work.causes
        self.outbox = Outbox(Dice(number, "resends"))
        self.link = Link(yard.station, self)

    def trigger(self, intended_ms: float) -> None:
        """Have one more event to send."""
        self._seq += 1
        yard, cause = self._yard, self._causes[(self._number + self._seq) % len(self._causes)]
        event_id = f"{yard.boot_id}-{self._seq}"
        told = TheftSensor(
            event_id=event_id, occurred_at=messages.rfc3339(int(intended_ms)), boot_id=yard.boot_id,
            seq=self._seq, cause=cause, state="triggered", position=Position(52.09, 5.12, 8),
            **_DETAILS.get(cause, {}),  # type: ignore[arg-type]  # fields of TheftSensor
        )  # fmt: skip
        message = Message(messages.THEFT_SENSOR, messages.encode(told), event_id, cause, "triggered")
        yard.tally.counts["made"] += 1
        if yard.counts(intended_ms):
            yard.sent += 1
        self.outbox.put(message, intended_ms)
        yard.busy.add(self)
        self.pump(yard.clock.now_ms())

    def pump(self, now_ms: float) -> None:
        """Send what is due, as far as the link has room."""
        if (room := self.link.room) <= 0:
            return
        counts = self._yard.tally.counts
        for entry in self.outbox.due(now_ms, room):
            self.link.publish_surely(vehicle_topic(self.vin, messages.THEFT_SENSOR), entry.message.payload)
            counts["sent" if entry.sends == 1 else "resent"] += 1

    def greeting(self) -> codec.Greeting:
        """Who calls."""
        topic = vehicle_topic(self.vin, messages.CONNECTION)
        password = self._yard.passwords[self.vin]
        return codec.Greeting(self.vin, self.vin, password, topic, messages.WILL, KEEPALIVE_S)

    def topics(self) -> tuple[str, ...]:
        """Receipts."""
        return (vehicle_topic(self.vin, messages.RECEIPT),)

    def link_up(self) -> None:
        """Go on."""
        now_ms = self._yard.clock.now_ms()
        self.outbox.reconnected(now_ms)
        self.pump(now_ms)

    def link_down(self) -> None:
        """The outbox keeps what counts."""

    def link_room(self) -> None:
        """Go on with what waits."""
        self.pump(self._yard.clock.now_ms())

    def link_message(self, topic: str, payload: bytes) -> None:  # noqa: ARG002  # one topic only
        """A receipt: in a closed loop the next event follows at once."""
        receipt, yard = messages.decode_receipt(payload), self._yard
        now_ms = yard.clock.now_ms()
        for event_id in receipt.event_ids:
            if entry := self.outbox.settle(event_id):
                self._receipted(entry, now_ms)
        for rejection in receipt.rejected:
            if entry := self.outbox.settle(rejection.event_id):
                yard.tally.rejected(self.vin, entry, rejection.reason)

    def _receipted(self, entry: Entry, now_ms: float) -> None:
        yard = self._yard
        yard.tally.receipted(self.vin, entry, now_ms)
        if yard.counts(now_ms):
            yard.receipted += 1
        if yard.counts(entry.intended_ms):
            yard.latencies_ms.append(now_ms - entry.intended_ms)
        if yard.is_open and yard.work.window:
            self.trigger(now_ms)


async def drive(yard: Yard, vins: list[str]) -> Report:
    """Connect, work, drain, report."""
    cars = [Car(vin, number, yard) for number, vin in enumerate(vins)]
    gc.collect()
    gc.freeze()
    await _connect(yard, cars)
    work, now_ms = yard.work, yard.clock.now_ms()
    yard.begin_ms = now_ms + work.warm_up_s * 1_000
    yard.end_ms = yard.begin_ms + work.seconds * 1_000
    yard.is_open = True
    lateness_ms = await _work(yard, cars)
    yard.is_open = False
    waiting = sum(len(car.outbox) for car in cars)
    await _drain(yard)
    return _report(yard, cars, waiting, lateness_ms)


async def _connect(yard: Yard, cars: list[Car]) -> None:
    for car in cars:
        car.link.open()
    deadline_ms = yard.clock.now_ms() + CONNECT_WITHIN_S * 1_000
    while not all(car.link.is_up for car in cars):
        if yard.clock.now_ms() > deadline_ms:
            raise SystemExit(f"not all vehicles connected: {dict(yard.station.counts)}")
        await asyncio.sleep(0.02)


async def _work(yard: Yard, cars: list[Car]) -> list[float]:
    """Play the schedule, or fill the windows and let receipts do the rest. How late each turn was."""
    work, lateness_ms = yard.work, []
    for car in cars:
        for _ in range(work.window):
            car.trigger(yard.clock.now_ms())
    slots = Slots(work.rate or 1.0, yard.clock.now_ms())
    next_sweep_ms = 0.0
    while (now_ms := yard.clock.now_ms()) < yard.end_ms:
        if work.rate:
            if (late_ms := now_ms - slots.next_at_ms) > 0:
                lateness_ms.append(late_ms)
            for number, at_ms in slots.take(now_ms):
                cars[number % len(cars)].trigger(at_ms)
        if now_ms >= next_sweep_ms:
            next_sweep_ms = now_ms + SWEEP_MS
            _sweep(yard, now_ms)
        await asyncio.sleep(NAP_S)
    return lateness_ms


def _sweep(yard: Yard, now_ms: float) -> None:
    """Send again what has waited for too long."""
    for car in tuple(yard.busy):
        if car.outbox:
            car.pump(now_ms)
        else:
            yard.busy.discard(car)


async def _drain(yard: Yard) -> None:
    deadline_ms = yard.clock.now_ms() + yard.work.drain_s * 1_000
    while yard.busy and (now_ms := yard.clock.now_ms()) < deadline_ms:
        _sweep(yard, now_ms)
        await asyncio.sleep(0.01)


def _report(yard: Yard, cars: list[Car], waiting: int, lateness_ms: list[float]) -> Report:
    for car in cars:
        for entry in car.outbox.waiting():
            yard.tally.unreceipted(car.vin, entry)
        car.link.close()
    counts = yard.tally.counts
    return Report(
        begin_at=yard.begin_ms / 1_000,
        end_at=yard.end_ms / 1_000,
        sent=yard.sent,
        receipted=yard.receipted,
        waiting_at_end=waiting,
        latency_ms=percentiles(yard.latencies_ms),
        sent_in_all=counts["sent"],
        receipted_in_all=counts["receipted"],
        unreceipted_in_all=counts["unreceipted"],
        resent_in_all=counts["resent"],
        disconnects=yard.station.counts["disconnects"],
        lateness_ms=percentiles(lateness_ms),
    )


async def _main(options: argparse.Namespace, work: Work) -> None:
    passwords = json.loads(options.passwords.read_text())
    station = Station("127.0.0.1", options.port, Dice(1, "reconnects"))
    with options.ledger.open("ab") as ledger:
        yard = Yard(station, work, passwords, Tally(ledger))
        # SIGTERM ends the work early; what was sent is still drained.
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: setattr(yard, "end_ms", min(yard.end_ms, yard.clock.now_ms()))
        )
        report = await drive(yard, list(passwords))
        await asyncio.sleep(0.1)
    options.report.write_bytes(msgspec.json.encode(report))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--passwords", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--work", required=True, help="JSON")
    options = parser.parse_args()
    asyncio.run(_main(options, msgspec.json.decode(options.work, type=Work)))


if __name__ == "__main__":
    main()
