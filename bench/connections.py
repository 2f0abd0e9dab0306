"""What an emulated vehicle costs: connects/s, kB and messages/s, beside an aiomqtt client per vehicle."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiomqtt
import msgspec
from msgspec import Struct

from bench.figures import Percentiles, Rounds, percentiles
from bench.meter import rss_bytes
from bench.show import Progress, broken, save, table
from bench.stage import StageError
from devtools import ROOT
from devtools.broker import HOST, Broker
from gateway.wire.topics import vehicle_topic
from vehicle_emulator import access, codec, messages
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import vins
from vehicle_emulator.link import Link, Station
from vehicle_emulator.load import Slots

PATIENCE_S = 120.0
NAP_S = 0.001
KEEPALIVE_S = 600
AT_ONCE = 64
PAYLOAD = b'{"occurred_at":"2026-11-22T09:30:00.125Z","seq":%d,"signals":{"Vehicle.Speed":43.2}}'


class Work(Struct, frozen=True, kw_only=True):
    """What one process does; a rate of 0 sends nothing."""

    side: str
    port: int
    vehicles: int
    rate: float
    seconds: float
    source: str


class Sample(Struct, frozen=True, kw_only=True):
    """What one process did. ``lost`` are messages of which the broker did not prove that it has read them."""

    connects_per_s: float
    cpu_us_per_connect: float
    kb_per_connection: float
    messages_per_s: float = 0.0
    cpu_us_per_message: float = 0.0
    cores: float = 0.0
    late_ms: Percentiles = Percentiles()
    lost: int = 0


class Meter:
    """Time, CPU time and memory since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self.wall_s, self.cpu_s, self.rss = time.perf_counter(), time.process_time(), rss_bytes(os.getpid())

    def connected(self, count: int) -> Sample:
        """What so many connections took."""
        gc.collect()
        wall_s, cpu_s = time.perf_counter() - self.wall_s, time.process_time() - self.cpu_s
        grown = rss_bytes(os.getpid()) - self.rss
        return Sample(
            connects_per_s=count / wall_s, cpu_us_per_connect=cpu_s / count * 1e6,
            kb_per_connection=grown / count / 1_000,
        )  # fmt: skip


class Car:
    """A vehicle that listens for receipts, as every emulated one does."""

    __slots__ = ("_password", "link", "seq", "topic", "vin")

    def __init__(self, vin: str, password: str, station: Station) -> None:
        self.vin, self._password, self.seq = vin, password, 0
        self.topic = vehicle_topic(vin, messages.TELEMETRY)
        self.link = Link(station, self)

    def greeting(self) -> codec.Greeting:
        """Who calls."""
        will = vehicle_topic(self.vin, messages.CONNECTION)
        return codec.Greeting(self.vin, self.vin, self._password, will, messages.WILL, KEEPALIVE_S)

    def topics(self) -> tuple[str, ...]:
        """What an emulated vehicle hears."""
        return tuple(vehicle_topic(self.vin, kind) for kind in messages.HEARD_KINDS)

    def link_up(self) -> None:
        """See ``Listener``, as for all that follows."""

    def link_down(self) -> None:
        """Counted by the station."""

    def link_room(self) -> None:
        """Nothing waits."""

    def link_message(self, topic: str, payload: bytes) -> None:
        """Nobody says anything."""


async def emulate(work: Work, passwords: dict[str, str]) -> Sample:
    """The emulator's links: connect, send on a schedule, prove that the broker has read all."""
    meter = Meter()
    station = Station(HOST, work.port, Dice(1), sources=access.sources(work.source))
    cars = [Car(vin, password, station) for vin, password in passwords.items()]
    for car in cars:
        car.link.open()
    await _until(lambda: station.counts["connects"] >= len(cars), station)
    sample = meter.connected(len(cars))
    return await _send(work, cars, sample, station) if work.rate else sample


async def _send(work: Work, cars: list[Car], sample: Sample, station: Station) -> Sample:
    """Open loop. TCP keeps order: an acknowledged last message proves that all before it were read."""
    gc.freeze()
    late_ms, refused, sent = [], 0, 0
    began_s, cpu_s = time.perf_counter(), time.process_time()
    slots = Slots(work.rate, 0.0)
    while (now_ms := (time.perf_counter() - began_s) * 1_000) < work.seconds * 1_000:
        for number, at_ms in slots.take(now_ms):
            car = cars[number % len(cars)]
            car.seq += 1
            refused += not car.link.publish(car.topic, PAYLOAD % car.seq)
            sent += 1
            late_ms.append((time.perf_counter() - began_s) * 1_000 - at_ms)
        await asyncio.sleep(NAP_S)
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    for car in cars:
        car.link.publish_surely(vehicle_topic(car.vin, messages.MODE), b"{}")
    await _until(lambda: not any(car.link.in_flight for car in cars), station)
    unproven = sum(car.seq for car in cars if not car.link.is_up)
    return msgspec.structs.replace(
        sample, messages_per_s=sent / wall_s, cpu_us_per_message=cpu_s / max(1, sent) * 1e6,
        cores=cpu_s / wall_s, late_ms=percentiles(late_ms),
        lost=refused + unproven + station.counts["disconnects"],
    )  # fmt: skip


async def clients(work: Work, passwords: dict[str, str]) -> Sample:
    """An aiomqtt client per vehicle with the same will and topics."""
    meter, gate = Meter(), asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:

        async def connect(vin: str, password: str) -> None:
            will = aiomqtt.Will(vehicle_topic(vin, messages.CONNECTION), messages.WILL, qos=1, retain=True)
            client = aiomqtt.Client(
                HOST, work.port, username=vin, password=password, identifier=vin, will=will,
                keepalive=KEEPALIVE_S, protocol=aiomqtt.ProtocolVersion.V5,
            )  # fmt: skip
            async with gate:
                await stack.enter_async_context(client)
                await client.subscribe([(vehicle_topic(vin, kind), 1) for kind in messages.HEARD_KINDS])

        await asyncio.gather(*(connect(vin, password) for vin, password in passwords.items()))
        return meter.connected(len(passwords))


SIDES = {"emulator": emulate, "aiomqtt": clients}


async def _until(true: Callable[[], bool], station: Station) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  # counters have no event
                await asyncio.sleep(NAP_S)
    except TimeoutError:
        raise SystemExit(f"the broker does not keep up: {dict(station.counts)}") from None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--vehicles", type=int, default=10_000)
    parser.add_argument("--reference", type=int, default=1_000, help="aiomqtt clients")
    parser.add_argument("--rate", type=float, default=20_500, help="telemetry messages/s over all vehicles")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--source", default="127.0.0.2-20", help="addresses to call from")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-kb", type=float, help="bound: kB per connection")
    parser.add_argument("--min-connects", type=float, help="bound: connects/s")
    parser.add_argument("--min-messages", type=float, help="bound: messages/s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure both sides in turn, report, judge."""
    say, found = Progress(), dict[str, list[Sample]](emulator=[], aiomqtt=[])
    for number in range(options.rounds):
        for side, count in (("emulator", options.vehicles), ("aiomqtt", options.reference)):
            say(f"round {number + 1} of {options.rounds}: {side}, {count:,} vehicles")
            found[side].append(_round(side, count, options))
    say.done()
    ours, theirs = found["emulator"], found["aiomqtt"]
    _show(ours, theirs, options)
    sentences = broken(_bounds(options, ours))
    save(options.json, {"fleet": found | {"failed": sentences}})
    return 1 if sentences else 0


def _round(side: str, count: int, options: argparse.Namespace) -> Sample:
    """One side, before a broker of its own: nothing is left over from the round before."""
    with Broker(persistence=False) as broker:
        passwords = broker.add("vehicles", *vins(1, count))
        work = Work(
            side=side, port=broker.ports["vehicles"], vehicles=count, rate=options.rate,
            seconds=options.seconds, source=options.source,
        )  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "bench.connections", msgspec.json.encode(work)],
            input=json.dumps(passwords), capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    if done.returncode:
        raise StageError(f"{side} with {count:,} vehicles failed:\n{done.stderr[-2_000:]}")
    return msgspec.json.decode(done.stdout, type=Sample)


def _show(ours: list[Sample], theirs: list[Sample], options: argparse.Namespace) -> None:
    def row(name: str, field: str, digits: int) -> list[tuple[str, object]]:
        mine, other = _of(ours, field), _of(theirs, field)
        ratio = f"{mine.median / other.median:.2f}" if other.median else "no reference"
        return [
            (name, mine.text(digits)), ("  aiomqtt client per vehicle", other.text(digits)),
            ("  RATIO", ratio),
        ]  # fmt: skip

    late = max((one.late_ms for one in ours), key=lambda one: one.p99)
    table(
        f"{options.vehicles:,} emulated vehicles in one process; {options.reference:,} aiomqtt clients",
        [
            *row("connects/s", "connects_per_s", 0),
            *row("CPU per connect, us", "cpu_us_per_connect", 0),
            *row("kB per connection", "kb_per_connection", 2),
            (f"messages/s of {options.rate:,.0f} wanted", _of(ours, "messages_per_s").text()),
            ("CPU per message, us", _of(ours, "cpu_us_per_message").text(1)),
            ("cores used while sending", _of(ours, "cores").text(2)),
            ("own lateness, worst round", late.text()),
            ("LOST", sum(one.lost for one in ours)),
        ],
    )


def _of(samples: list[Sample], field: str) -> Rounds:
    return Rounds(tuple(getattr(one, field) for one in samples))


def _bounds(options: argparse.Namespace, ours: list[Sample]) -> list[tuple[bool, str]]:
    kb, connects = _of(ours, "kb_per_connection").median, _of(ours, "connects_per_s").median
    sent = _of(ours, "messages_per_s").median
    return [
        (any(one.lost for one in ours), "messages were lost, or connections"),
        (options.max_kb is not None and kb > options.max_kb, f"above {options.max_kb} kB per connection"),
        (
            options.min_connects is not None and connects < options.min_connects,
            f"below {options.min_connects} connects/s",
        ),
        (
            options.min_messages is not None and sent < options.min_messages,
            f"below {options.min_messages} messages/s",
        ),
    ]


def _child() -> None:
    work = msgspec.json.decode(sys.argv[1], type=Work)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sample = asyncio.run(SIDES[work.side](work, json.load(sys.stdin)))
    print(msgspec.json.encode(sample).decode())
    sys.stdout.flush()
    os._exit(0)  # thousands of polite goodbyes would tell nothing


if __name__ == "__main__":
    _child()
