"""
One thing published at a time, beside telemetry at a steady rate, and when it came out where.

One process publishes and receives, so one clock measures. Between any two acts a bare publish-to-subscriber
round trip through the same broker is measured: the machine's mood is the same for both.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct

from bench.figures import Percentiles, percentiles
from bench.meter import cpu_now_s
from bench.reading.steady import Report
from bench.stage import Stage, StageError, end_vehicles
from devtools.broker import HOST
from devtools.processes import Process
from gateway.wire.topics import gateway_topic
from vehicle_emulator import codec
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station

PROBE = "gateway-probe"
"""A gateway's user of our own: it may use ``v1/gateway/#``, and the gateway does not listen to its part."""
ANSWER_WITHIN_S = 10.0
CONNECT_WITHIN_S = 20.0
PAUSE_S = 0.01
FLOWS_WITHIN_S = 20.0
FLOWS_SHARE = 0.9
SETTLE_S = 2.0
BARE_TOPIC = gateway_topic(PROBE, "self-test")
BUSY = 0.85
"""Of a core: what uses more than this has no room left."""
LATE_MS = 20.0


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
    """One round at one load. ``ms``: milliseconds by way; ``cores``: used meanwhile, by whom."""

    wanted_per_s: float
    telemetry_per_s: float
    telemetry_lost: int = 0
    source: Report | None = None
    ms: dict[str, list[float]]
    cores: dict[str, float] = {}

    def of(self, way: str) -> Percentiles:
        """One way's percentiles."""
        return percentiles(self.ms[way])

    def ratio(self, way: str) -> float:
        """A way's p50 to the bare round trip's."""
        return self.of(way).p50 / self.of("bare").p50

    @property
    def limit(self) -> str:
        """What had no room left, in words; nothing if all had."""
        used, whole = self.cores, os.cpu_count() or 1
        late_ms = 0.0 if self.source is None else self.source.late_ms.p99
        if used.get("source", 0.0) > BUSY or late_ms > LATE_MS:
            return f"the source of telemetry: {used['source']:.2f} cores, {late_ms:,.0f} ms late (p99)"
        if used.get("broker", 0.0) > BUSY or (self.source is not None and self.source.refused):
            return f"the broker: {used['broker']:.2f} of its one core"
        if used.get("gateway/main", 0.0) > BUSY:
            return f"the gateway's loop: {used['gateway/main']:.2f} of its one core"
        if used.get("machine", 0.0) > BUSY * whole:
            return f"the machine: {used['machine']:.2f} of its {whole} cores"
        return ""


class Probe:
    """Publishes one thing at a time and waits until it has come out everywhere."""

    def __init__(self, ways: tuple[str, ...]) -> None:
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

    def heard_bare(self, payload: bytes) -> None:
        """Our own message came back."""
        self.seen("bare", [payload.decode()])


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
    source = stage.telemetry(telemetry_per_s) if telemetry_per_s else None
    try:
        await flowing(stage, telemetry_per_s)
        before, used_s, began_s = await taken(stage), _used_s(stage, source), time.monotonic()
        for number in range(count):
            await bare(probe, parties[0], number)
            await act(number)
        lasted_s, used_by_s = time.monotonic() - began_s, _used_s(stage, source)
        flowed = await taken(stage) - before
    finally:
        for party in parties:
            party.link.close()
        if source:
            await asyncio.to_thread(end_vehicles, source, 30.0)
    report = _report(stage) if source else None
    return Samples(
        wanted_per_s=telemetry_per_s,
        telemetry_per_s=flowed / lasted_s,
        telemetry_lost=0 if report is None else await lost(stage, at_first, report),
        source=report,
        ms=probe.ms,
        cores={name: (at_end_s - used_s[name]) / lasted_s for name, at_end_s in used_by_s.items()},
    )


def ears(stage: Stage, probe: Probe) -> tuple[Party, Party]:
    """Who publishes the bare round trip, and who hears it."""
    broker = stage.broker
    port, own = broker.ports["gateways"], (PROBE, broker.passwords["gateways"][PROBE])
    mouth = Party(port, own, gateway_topic(PROBE, "nothing"), probe.heard_bare, "probe-mouth")
    return mouth, Party(port, own, BARE_TOPIC, probe.heard_bare, "probe-ear")


def _used_s(stage: Stage, source: Process | None) -> dict[str, float]:
    pids = {"broker": stage.broker.pid, "gateway": stage.gateway.pid, "probe": os.getpid()}
    return cpu_now_s(pids if source is None else pids | {"source": source.pid})


def _report(stage: Stage) -> Report:
    """Errors: StageError."""
    if not stage.telemetry_report.exists():
        said = (stage.folder / "telemetry.log").read_text(errors="replace")[-2000:]
        raise StageError(f"the source of telemetry did not report\n{said}")
    return msgspec.json.decode(stage.telemetry_report.read_bytes(), type=Report)


async def bare(probe: Probe, mouth: Party, number: int) -> None:
    """One bare round trip."""
    payload = f"bare-{number}"
    await probe.out(payload, {"bare"}, lambda: mouth.link.publish_surely(BARE_TOPIC, payload.encode()))
    await asyncio.sleep(PAUSE_S)


async def flowing(stage: Stage, telemetry_per_s: float) -> None:
    """Wait until telemetry flows at nearly the wanted rate, or for as long as that may take."""
    before = await taken(stage)
    until = time.monotonic() + FLOWS_WITHIN_S
    while telemetry_per_s and time.monotonic() < until:
        await asyncio.sleep(1.0)
        now = await taken(stage)
        if now - before >= FLOWS_SHARE * telemetry_per_s:
            return
        before = now


async def taken(stage: Stage) -> int:
    """How much telemetry the gateway has counted."""
    _, health = await asyncio.to_thread(stage.gateway.health)
    return int(health["counters"]["telemetry"])


async def lost(stage: Stage, at_first: int, report: Report) -> int:
    """Telemetry that left the vehicles and was never counted: dropped by the broker, or by the gateway."""
    await asyncio.sleep(SETTLE_S)
    return report.sent - (await taken(stage) - at_first)
