"""
How long a theft event takes from the vehicle's publish to the webhook and to a subscriber of the feed.

One process publishes and receives, so one clock measures. Between any two thefts a bare publish-to-subscriber
round trip through the same broker is measured: the machine's mood is the same for both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bench.figures import Percentiles, Rounds, percentiles
from bench.show import Progress, broken, save, table
from bench.stage import SECRET, Stage, StageError, end_vehicles
from devtools.broker import HOST
from gateway.wire.topics import gateway_topic, vehicle_topic
from tests.support.soc import Arrival, FakeSoc, Mode
from vehicle_emulator import codec, messages
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station
from vehicle_emulator.messages import THEFT_CAUSES, Position, TheftSensor

PROBE = "gateway-probe"
"""A gateway's user of our own: it may use ``v1/gateway/#``, and the gateway does not listen to its part."""
ANSWER_WITHIN_S = 10.0
CONNECT_WITHIN_S = 20.0
PAUSE_S = 0.01
FLOWS_WITHIN_S = 20.0
FLOWS_SHARE = 0.9
BARE_TOPIC = gateway_topic(PROBE, "self-test")
FEED_TOPIC = "v1/soc/default/alarms"
WAYS = ("bare", "receipt", "mqtt", "webhook")
SETTLE_S = 2.0
CAUSES = tuple(cause for cause in THEFT_CAUSES if cause not in {"car_alarm", "intrusion"})
"""Each cause of a vehicle is used once: the first trigger is an alarm of its own, later ones are gathered."""


class Party:
    """One connection of the probe: publishes, and hands what it hears to a function."""

    def __init__(
        self, port: int, user: tuple[str, str], topic: str, heard: Callable[[bytes], None], name: str = ""
    ) -> None:
        self.name = name = name or user[0]
        self._greeting = codec.Greeting(name, *user, f"v1/none/{name}", b"", 60)
        self._topic, self._heard = topic, heard
        self.link = Link(Station(HOST, port, Dice(1, name)), self)

    async def up(self) -> None:
        """Connect and subscribe. Errors: StageError."""
        self.link.open()
        until = time.monotonic() + CONNECT_WITHIN_S
        while not self.link.is_up:
            if time.monotonic() > until:
                raise StageError(f"the probe's {self.name} can't connect or subscribe")
            await asyncio.sleep(0.01)

    def greeting(self) -> codec.Greeting:
        """Who calls."""
        return self._greeting

    def topics(self) -> tuple[str, ...]:
        """What it hears."""
        return (self._topic,)

    def link_up(self) -> None:
        """Nothing to do."""

    def link_down(self) -> None:
        """Nothing to do."""

    def link_room(self) -> None:
        """Nothing to do."""

    def link_message(self, topic: str, payload: bytes) -> None:  # noqa: ARG002  # it has one topic
        """Hand it on."""
        self._heard(payload)


class Samples(Struct, frozen=True, kw_only=True):
    """One round at one load, milliseconds."""

    wanted_per_s: float
    telemetry_per_s: float
    telemetry_lost: int
    ms: dict[str, list[float]]

    def of(self, way: str) -> Percentiles:
        """One way's percentiles."""
        return percentiles(self.ms[way])

    def ratio(self, way: str) -> float:
        """A way's p50 to the bare round trip's."""
        return self.of(way).p50 / self.of("bare").p50


class Probe:
    """Publishes one thing at a time and waits until it has come out everywhere."""

    def __init__(self, ways: tuple[str, ...] = WAYS) -> None:
        self.ms: dict[str, list[float]] = {way: [] for way in ways}
        self._missing: set[str] = set()
        self._awaited = ""
        self._began_s = 0.0
        self._done = asyncio.Event()

    async def out(self, identity: str, ways: set[str], publish: Callable[[], bool]) -> None:
        """Publish and wait for all ways. Errors: StageError."""
        self._missing, self._awaited = set(ways), identity
        self._done.clear()
        self._began_s = time.perf_counter()
        if not publish():
            raise StageError(f"the probe could not publish {identity}")
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._done.wait()
        except TimeoutError as error:
            raise StageError(f"{identity} did not come out at: {', '.join(sorted(self._missing))}") from error

    def seen(self, way: str, identities: list[str]) -> None:
        """Something came out; what is not awaited (a repeat, another vehicle's) does not count."""
        if way not in self._missing or self._awaited not in identities:
            return
        self.ms[way].append((time.perf_counter() - self._began_s) * 1_000)
        self._missing.discard(way)
        if not self._missing:
            self._done.set()

    def heard_feed(self, payload: bytes) -> None:
        """A message of the feed."""
        self.seen("mqtt", json.loads(payload)["data"]["event_ids"])

    def heard_receipt(self, payload: bytes) -> None:
        """A receipt."""
        self.seen("receipt", list(messages.decode_receipt(payload).event_ids))

    def heard_bare(self, payload: bytes) -> None:
        """Our own message came back."""
        self.seen("bare", [payload.decode()])

    def webhook(self, arrival: Arrival) -> Mode | None:
        """A request at the SOC."""
        self.seen("webhook", arrival.event_ids)
        return None


async def measure(stage: Stage, cars: list[str], thefts: int, telemetry_per_s: float) -> Samples:
    """Alternate a bare round trip and a theft, one at a time, beside so much telemetry."""
    async with FakeSoc(secret=SECRET, port=stage.soc.port, keep=False) as soc:
        probe = Probe()
        soc.choose = probe.webhook
        mouth, others = _probes(stage, probe)
        vehicles = {vin: _vehicle(stage, vin, probe) for vin in cars}
        for party in (mouth, *others, *vehicles.values()):
            await party.up()

        async def theft(number: int) -> None:
            await _theft(probe, vehicles[cars[number // len(CAUSES)]], number)

        parties = [mouth, *others, *vehicles.values()]
        return await alternate(stage, probe, parties, theft, count=thefts, telemetry_per_s=telemetry_per_s)


async def alternate(
    stage: Stage,
    probe: Probe,
    parties: Sequence[Party],
    act: Callable[[int], Awaitable[None]],
    *,
    count: int,
    telemetry_per_s: float,
) -> Samples:
    """A bare round trip and an act in turn, beside telemetry; the first party publishes the bare one."""
    at_first = await taken(stage)
    crowd = stage.emulator(telemetry_rate=telemetry_per_s, drain_s=2, crowd=True) if telemetry_per_s else None
    try:
        before, began_s = await flowing(stage, telemetry_per_s), time.monotonic()
        for number in range(count):
            await bare(probe, parties[0], number)
            await act(number)
        flowed, lasted_s = await taken(stage) - before, time.monotonic() - began_s
    finally:
        for party in parties:
            party.link.close()
        if crowd:
            await asyncio.to_thread(end_vehicles, crowd, 30.0)
    return Samples(
        wanted_per_s=telemetry_per_s,
        telemetry_per_s=flowed / lasted_s,
        telemetry_lost=await lost(stage, at_first) if crowd else 0,
        ms=probe.ms,
    )


def _probes(stage: Stage, probe: Probe) -> tuple[Party, list[Party]]:
    """Who publishes the bare round trip, and who hears it and the feed."""
    broker = stage.broker
    port, own = broker.ports["gateways"], (PROBE, broker.passwords["gateways"][PROBE])
    mouth = Party(port, own, gateway_topic(PROBE, "nothing"), probe.heard_bare, "probe-mouth")
    ear = Party(port, own, BARE_TOPIC, probe.heard_bare, "probe-ear")
    soc = ("soc", broker.passwords["users"]["soc"])
    feed = Party(broker.ports["users"], soc, FEED_TOPIC, probe.heard_feed)
    return mouth, [ear, feed]


def _vehicle(stage: Stage, vin: str, probe: Probe) -> Party:
    secret = stage.broker.passwords["vehicles"][vin]
    topic = vehicle_topic(vin, messages.RECEIPT)
    return Party(stage.broker.ports["vehicles"], (vin, secret), topic, probe.heard_receipt)


async def bare(probe: Probe, mouth: Party, number: int) -> None:
    """One bare round trip."""
    payload = f"bare-{number}"
    await probe.out(payload, {"bare"}, lambda: mouth.link.publish_surely(BARE_TOPIC, payload.encode()))
    await asyncio.sleep(PAUSE_S)


async def _theft(probe: Probe, car: Party, number: int) -> None:
    event_id = f"probe-{time.time_ns():x}"
    theft = TheftSensor(
        event_id=event_id, occurred_at=messages.rfc3339(time.time_ns() // 1_000_000), boot_id="probe",
        seq=number, cause=CAUSES[number % len(CAUSES)], state="triggered", position=Position(52.09, 5.12, 8),
    )  # fmt: skip
    payload, topic = messages.encode(theft), vehicle_topic(car.name, messages.THEFT_SENSOR)
    await probe.out(event_id, {"webhook", "mqtt", "receipt"}, lambda: car.link.publish_surely(topic, payload))
    await asyncio.sleep(PAUSE_S)


async def flowing(stage: Stage, telemetry_per_s: float) -> int:
    """Wait until telemetry flows at nearly the wanted rate; what was taken until then."""
    before = await taken(stage)
    until = time.monotonic() + FLOWS_WITHIN_S
    while telemetry_per_s and time.monotonic() < until:
        await asyncio.sleep(1.0)
        now = await taken(stage)
        if now - before >= FLOWS_SHARE * telemetry_per_s:
            return now
        before = now
    return before


async def taken(stage: Stage) -> int:
    """How much telemetry the gateway has counted."""
    _, health = await asyncio.to_thread(stage.gateway.health)
    return int(health["counters"]["telemetry"])


async def lost(stage: Stage, at_first: int) -> int:
    """Telemetry that the vehicles sent and the gateway never counted: dropped by the broker, or by us."""
    await asyncio.sleep(SETTLE_S)
    sent = int(json.loads(stage.vehicles_report.read_bytes())["telemetry_sent"])
    return sent - (await taken(stage) - at_first)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument(
        "--telemetry", default="0,5000", help="telemetry per second beside it, one or several"
    )
    parser.add_argument("--thefts", type=int, default=300, help="in each round at each load, one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=200, help="vehicles that send the telemetry")
    parser.add_argument("--max-idle-p50-ms", type=float, help="bound: webhook without telemetry")
    parser.add_argument("--max-loaded-p99-ms", type=float, help="bound: webhook beside telemetry")
    parser.add_argument("--max-ratio", type=float, help="bound: feed subscriber to bare round trip, p50")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    loads = [float(part) for part in options.telemetry.split(",")]
    progress = Progress()
    samples = run(options, loads, progress)
    progress.done()
    sentences = []
    for load in loads:
        some = [one for one in samples if one.wanted_per_s == load]
        _show(load, some)
        sentences += broken(_bounds(options, load, some))
    results = [
        {
            "telemetry_per_s": one.telemetry_per_s,
            "telemetry_lost": one.telemetry_lost,
            "ratio": one.ratio("mqtt"),
        }
        | {way: asdict(one.of(way)) for way in WAYS}
        for one in samples
    ]
    save(options.json, {"latency": {"rounds": results, "failed": sentences}})
    return 1 if sentences else 0


def run(options: argparse.Namespace, loads: list[float], say: Callable[[str], None]) -> list[Samples]:
    """All rounds at all loads, one load after the other in each round."""
    cars = -(-options.thefts // len(CAUSES))
    turns = [(number, load) for number in range(options.rounds) for load in loads]
    samples = []
    with Stage(
        vehicles=cars * len(turns), crowd=options.crowd, sinks=("webhook", "mqtt"), gateways=(PROBE,),
        soc_runs=False,
    ) as stage:  # fmt: skip
        for turn, (number, load) in enumerate(turns):
            say(f"round {number + 1} of {options.rounds}, {load:,.0f} telemetry/s")
            vins = stage.vins[turn * cars : (turn + 1) * cars]
            samples.append(asyncio.run(measure(stage, vins, options.thefts, load)))
        if (said := stage.verify()) != "whole":
            raise StageError(f"verify: {said}")
    return samples


def _show(load: float, samples: list[Samples]) -> None:
    names = {
        "bare": "bare publish to subscribe",
        "receipt": "theft to receipt",
        "mqtt": "theft to feed subscriber",
        "webhook": "theft to webhook",
    }
    rows: list[tuple[str, object]] = [
        (name, percentiles([ms for one in samples for ms in one.ms[way]]).text(digits=2))
        for way, name in names.items()
    ]
    for way in ("webhook", "mqtt"):
        rows.append((f"  {way} p50, by round", Rounds(tuple(one.of(way).p50 for one in samples)).text(2)))
        rows.append((f"  {way} p99, by round", Rounds(tuple(one.of(way).p99 for one in samples)).text(2)))
    rows.append(("RATIO feed to bare, p50", Rounds(tuple(one.ratio("mqtt") for one in samples)).text(2)))
    if load:
        rows.append(
            ("telemetry per s, in truth", Rounds(tuple(one.telemetry_per_s for one in samples)).text())
        )
        rows.append(("telemetry lost", sum(one.telemetry_lost for one in samples)))
    table(f"latency beside {load:,.0f} telemetry messages/s (QoS 1 events, one at a time)", rows)


def _bounds(options: argparse.Namespace, load: float, samples: list[Samples]) -> list[tuple[bool, str]]:
    p50 = Rounds(tuple(one.of("webhook").p50 for one in samples)).median
    p99 = Rounds(tuple(one.of("webhook").p99 for one in samples)).median
    ratio = Rounds(tuple(one.ratio("mqtt") for one in samples)).median
    idle, loaded, most = options.max_idle_p50_ms, options.max_loaded_p99_ms, options.max_ratio
    return [
        (idle is not None and not load and p50 > idle, f"theft to webhook at idle: p50 above {idle} ms"),
        (
            loaded is not None and load > 0 and p99 > loaded,
            f"theft to webhook, loaded: p99 above {loaded} ms",
        ),
        (most is not None and ratio > most, f"ratio above {most} beside {load:,.0f} telemetry/s"),
    ]
