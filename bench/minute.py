"""
A minute of a seeded fleet as bytes, and the gateway's own path for it in one process, on virtual time.

    python -m bench.minute FILE

plays a recording: it says ``ready`` before the minute, begins it at a line of input, prints what it counted
and waits for the end of its input. All work happens on one thread, the store's as well, so that a profile has
one picture: packets are split, telemetry is glanced at, events are decoded, decided, stored, receipted,
delivered and read from the feed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import virtual
from bench.air import Air
from bench.inside import CANARY, Inside
from bench.virtual import LoopClock
from devtools import CACHE
from gateway.adapters.mqtt.splitter import Received, Splitter
from gateway.pipeline.feed import Feed
from gateway.ports import Inbound
from vehicle_emulator import codec
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import Fleet, Plan, vins
from vehicle_emulator.report import Tally
from vehicle_emulator.unit import Clock, Depot

BEGAN = datetime(2026, 11, 20, 8, tzinfo=UTC)
WARM_UP_S = 20.0
"""Until so long after the start all have connected and told what they are like."""
MINUTE_S = 60.0
SOC = "default"
PAGE = 100
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = -1


class Turn(Struct, frozen=True, array_like=True):
    """PUBLISH packets that came together, and when."""

    at_s: float
    packets: bytes


class Minute(Struct, frozen=True):
    """What was heard of a fleet, and its vehicles."""

    vins: list[str]
    turns: list[Turn]


class Counts(Struct, frozen=True):
    """What the gateway made of the minute."""

    messages: int
    telemetry: int
    events: int
    facts: int
    alarms: int
    told: int
    read_from_feed: int


def record(vehicles: int, seed: int, alarms_per_s: float) -> Minute:
    """Let a fleet drive, park and be broken into, and write down what the broker hands to the gateway."""
    with tempfile.TemporaryDirectory(dir=CACHE / "bench") as folder:
        return virtual.run(lambda: _record(vehicles, seed, alarms_per_s, Path(folder)))


async def _record(vehicles: int, seed: int, alarms_per_s: float, folder: Path) -> Minute:
    clock, loop = LoopClock(BEGAN), asyncio.get_running_loop()
    air = Air(clock, Dice(seed, "air"))
    inside = Inside(folder / "gateway.db", air, clock, seed)
    minute = Minute(vins(seed, vehicles), [])

    def take(batch: list[Inbound]) -> bool:
        packets = b"".join(_packet(one) for one in batch if CANARY.vin not in one.topic)
        minute.turns.append(Turn(loop.time(), packets))
        return inside.ingest.take(batch)

    air.take = take  # type: ignore[assignment]  # it is handed lists
    await inside.register(minute.vins)
    plan = Plan(
        vehicles=vehicles, seed=seed, duration_s=WARM_UP_S + MINUTE_S, drain_s=0, alarms_per_s=alarms_per_s
    )
    async with inside.running():
        depot = Depot(air, Clock(BEGAN.timestamp() * 1_000), Tally(None), lambda vin: (vin, None))
        await Fleet(plan, depot).run()
    return minute


def _packet(message: Inbound) -> bytes:
    sure = message.ack is not None
    return codec.encode_publish(codec.Version.V5, message.topic, message.payload, packet_id=1 if sure else 0)


async def play(minute: Minute, folder: Path, begin: Callable[[], object] = lambda: None) -> Counts:
    """The gateway's own path; ``begin`` is called when the minute begins, and only that is counted."""
    clock, loop = LoopClock(BEGAN), asyncio.get_running_loop()
    air = Air(clock, Dice(1, "air"))
    inside = Inside(folder / "gateway.db", air, clock, 1)
    air.take = inside.ingest.take
    splitter, feed, heard = Splitter(5), Feed(inside.store), Counter[str]()
    await inside.register(minute.vins)
    async with inside.running():
        inside.decider.on_messages.append(feed.committed)
        reading = asyncio.create_task(_read(feed, heard))
        before: Counter[str] | None = None
        for turn in minute.turns:
            if before is None and turn.at_s >= WARM_UP_S:
                begin()
                before = _so_far(inside, heard, folder)
            if (left_s := turn.at_s - loop.time()) > 0:
                await asyncio.sleep(left_s)
            heard["messages"] += take(inside, splitter.feed(turn.packets).messages, clock.now())
        await inside.settled()
        counts = _so_far(inside, heard, folder) - (before or Counter())
        reading.cancel()
    return Counts(**{name: counts[name] for name in Counts.__struct_fields__})


def take(inside: Inside, messages: list[Received], now: datetime) -> int:
    """Hand on what came together, as a session does; returns how many."""
    wanted, glanced = [], 0
    for one in messages:
        if not one.qos and inside.ingest.glance(one.topic, one.payload, now):
            glanced += 1
        else:
            wanted.append(Inbound(one.topic, one.payload, now))
    inside.ingest.glanced(glanced)
    inside.ingest.take(wanted)
    return len(messages)


async def _read(feed: Feed, heard: Counter[str]) -> None:
    """A SOC's desk that follows the feed."""
    at = 0
    while True:
        await feed.grown(SOC, at)
        page = await feed.read(SOC, at, PAGE)
        at = page[-1].sequence
        heard["read_from_feed"] += len(page)


def _so_far(inside: Inside, heard: Counter[str], folder: Path) -> Counter[str]:
    totals, store = inside.tally.totals, sqlite3.connect(folder / "gateway.db")
    ((facts,),) = store.execute("SELECT COUNT(*) FROM facts")
    ((alarms,),) = store.execute("SELECT COUNT(*) FROM alarms")
    store.close()
    return heard + Counter(
        telemetry=int(totals["gateway_telemetry_total"]),
        events=int(totals["gateway_events_total"]),
        facts=facts,
        alarms=alarms,
        told=len(inside.sink.filed),
    )


def _when_told() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Play a recording; see this file's heading."""
    with contextlib.suppress(OSError, AttributeError):  # only Linux asks who may look
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    minute = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Minute)
    with tempfile.TemporaryDirectory(dir=CACHE / "bench") as folder:
        counts = virtual.run(lambda: play(minute, Path(folder), _when_told))
    print(msgspec.json.encode(counts).decode(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
