"""
How long a theft event takes from the vehicle's publish to the webhook and to a subscriber of the feed.

With ``--curve`` beside more and more telemetry, up to the knee.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec.structs import asdict

from bench import curve as curves
from bench.probe import PAUSE_S, PROBE, Party, Probe, Samples, alternate, ears
from bench.show import Progress, broken, save, table
from bench.stage import SECRET, Stage, StageError
from gateway.wire.topics import vehicle_topic
from tests.support.soc import Arrival, FakeSoc
from vehicle_emulator import messages
from vehicle_emulator.messages import THEFT_CAUSES, Position, TheftSensor

FEED_TOPIC = "v1/soc/default/alarms"
NAMES = {"bare": "bare", "receipt": "receipt", "mqtt": "feed", "webhook": "webhook"}
"""A bare round trip, and theft to vehicle's receipt, to subscriber of the feed, to the SOC's webhook."""
WAYS = tuple(NAMES)
BESIDE = "0,5000"
CLIMB = "0,5000,10000,20000,30000,40000,50000,60000,70000,80000"
CAUSES = tuple(cause for cause in THEFT_CAUSES if cause not in {"car_alarm", "intrusion"})
"""Each cause of a vehicle is used once: the first trigger is an alarm of its own, later ones are gathered."""


async def measure(stage: Stage, cars: list[str], thefts: int, telemetry_per_s: float) -> Samples:
    """Alternate a bare round trip and a theft, one at a time, beside so much telemetry."""
    async with FakeSoc(secret=SECRET, port=stage.soc.port, keep=False) as soc:
        probe = Probe(WAYS)
        soc.choose = partial(_at_webhook, probe)
        mouth, ear = ears(stage, probe)
        reader = ("soc", stage.broker.passwords["users"]["soc"])
        feed = Party(stage.broker.ports["users"], reader, FEED_TOPIC, partial(_in_feed, probe))
        vehicles = {vin: _vehicle(stage, vin, probe) for vin in cars}
        parties = [mouth, ear, feed, *vehicles.values()]
        for party in parties:
            await party.up()

        async def theft(number: int) -> None:
            await _theft(probe, vehicles[cars[number // len(CAUSES)]], number)

        return await alternate(stage, probe, parties, theft, count=thefts, telemetry_per_s=telemetry_per_s)


def _vehicle(stage: Stage, vin: str, probe: Probe) -> Party:
    secret = stage.broker.passwords["vehicles"][vin]
    topic = vehicle_topic(vin, messages.RECEIPT)
    return Party(stage.broker.ports["vehicles"], (vin, secret), topic, partial(_receipted, probe))


def _receipted(probe: Probe, payload: bytes) -> None:
    probe.seen("receipt", list(messages.decode_receipt(payload).event_ids))


def _in_feed(probe: Probe, payload: bytes) -> None:
    probe.seen("mqtt", json.loads(payload)["data"]["event_ids"])


def _at_webhook(probe: Probe, arrival: Arrival) -> None:
    probe.seen("webhook", arrival.event_ids)


async def _theft(probe: Probe, car: Party, number: int) -> None:
    event_id = f"probe-{time.time_ns():x}"
    theft = TheftSensor(
        event_id=event_id, occurred_at=messages.rfc3339(time.time_ns() // 1_000_000), boot_id="probe",
        seq=number, cause=CAUSES[number % len(CAUSES)], state="triggered", position=Position(52.09, 5.12, 8),
    )  # fmt: skip
    payload, topic = messages.encode(theft), vehicle_topic(car.name, messages.THEFT_SENSOR)
    await probe.out(event_id, {"webhook", "mqtt", "receipt"}, lambda: car.link.publish_surely(topic, payload))
    await asyncio.sleep(PAUSE_S)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument(
        "--telemetry", help=f"telemetry per second beside it, one or several (default {BESIDE})"
    )
    parser.add_argument("--curve", action="store_true", help=f"climb to the knee (default {CLIMB})")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curve there, as SVG")
    parser.add_argument("--thefts", type=int, default=300, help="in each round at each load, one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=400, help="vehicles that send the telemetry")
    parser.add_argument("--max-idle-p50-ms", type=float, help="bound: webhook without telemetry")
    parser.add_argument("--max-idle-p99-ms", type=float, help="bound: webhook without telemetry")
    parser.add_argument("--max-idle-ratio", type=float, help="bound: feed to bare round trip, p50")
    loaded = "beside telemetry; of a curve, up to half of what it sustains"
    parser.add_argument("--max-loaded-p99-ms", type=float, help=f"bound: webhook {loaded}")
    parser.add_argument(
        "--max-loaded-ratio", type=float, help=f"bound: feed to bare round trip, p50, {loaded}"
    )
    parser.add_argument("--min-sustained", type=float, help="bound: telemetry per second before the knee")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    loads = [float(part) for part in (options.telemetry or (CLIMB if options.curve else BESIDE)).split(",")]
    progress = Progress()
    samples = run(options, loads, progress)
    progress.done()
    steps = [
        curves.step([one for one in samples if one.wanted_per_s == load])
        for load in loads
        if any(one.wanted_per_s == load for one in samples)
    ]
    for one in steps:
        _show(one)
    found = curves.curve(steps) if options.curve else None
    sentences = broken(_bounds(options, steps, found))
    if found is not None:
        print(f"\n{found.sentence()}")
        if options.picture is not None:
            options.picture.write_text(curves.picture(found, about(options), NAMES))
    results = {"rounds": [_plain(one) for one in samples], "failed": sentences, "curve": found}
    save(options.json, {"latency": results})
    return 1 if sentences else 0


def about(options: argparse.Namespace) -> str:
    """On what it was measured, and how."""
    return (
        f"{options.thefts} thefts one at a time in each of {options.rounds} rounds; {options.crowd} vehicles"
        f" with telemetry; all on {os.cpu_count()} cores, Python {platform.python_version()}."
        " Bare: publish to subscribe through the same broker, between any two thefts."
    )


def _plain(one: Samples) -> dict[str, object]:
    return {
        "wanted_per_s": one.wanted_per_s,
        "telemetry_per_s": one.telemetry_per_s,
        "telemetry_lost": one.telemetry_lost,
        "ratio": one.ratio("mqtt"),
        "cores": one.cores,
        "limit": one.limit,
        "source": one.source,
    } | {way: asdict(one.of(way)) for way in WAYS}


def run(options: argparse.Namespace, loads: list[float], say: Callable[[str], None]) -> list[Samples]:
    """All rounds at all loads: in turns, or load after load up to the first that is not served."""
    cars = -(-options.thefts // len(CAUSES))
    rounds = range(options.rounds)
    turns = [(number, load) for load in loads for number in rounds]
    if not options.curve:
        turns.sort(key=lambda turn: turn[0])
    samples: list[Samples] = []
    with Stage(
        vehicles=cars * len(turns), crowd=options.crowd, sinks=("webhook", "mqtt"), gateways=(PROBE,),
        soc_runs=False,
    ) as stage:  # fmt: skip
        for turn, (number, load) in enumerate(turns):
            say(f"{load:,.0f} telemetry/s, round {number + 1} of {options.rounds}")
            vins = stage.vins[turn * cars : (turn + 1) * cars]
            samples.append(asyncio.run(measure(stage, vins, options.thefts, load)))
            last = samples[-options.rounds :]
            if options.curve and number == rounds[-1] and not curves.step(last).is_served:
                break
        if (said := stage.verify()) != "whole":
            raise StageError(f"verify: {said}")
    return samples


def _show(one: curves.Step) -> None:
    rows: list[tuple[str, object]] = [(name, one.ms[way].text(digits=2)) for way, name in NAMES.items()]
    rows.append(("RATIO feed to bare, p50", one.ratio.text(2)))
    used = ", ".join(f"{name} {cores:.2f}" for name, cores in one.cores.items() if not name.endswith("/main"))
    rows.append(("cores used", used))
    if one.limit:
        rows.append(("no room left", one.limit))
    if one.wanted_per_s:
        rows += [("telemetry per s, in truth", round(one.telemetry_per_s)), ("telemetry lost", one.lost)]
    table(f"latency beside {one.wanted_per_s:,.0f} telemetry messages/s (QoS 1 events, one at a time)", rows)


def _bounds(
    options: argparse.Namespace, steps: list[curves.Step], found: curves.Curve | None
) -> list[tuple[bool, str]]:
    most = float("inf") if found is None else found.sustained_per_s / 2
    bounds = []
    for one in steps:
        p50, p99, ratio = one.ms["webhook"].p50, one.ms["webhook"].p99, one.ratio.median
        where = f"beside {one.wanted_per_s:,.0f} telemetry/s"
        if not one.wanted_per_s:
            bounds += [
                _above(p50, options.max_idle_p50_ms, f"webhook p50 {where}, ms"),
                _above(p99, options.max_idle_p99_ms, f"webhook p99 {where}, ms"),
                _above(ratio, options.max_idle_ratio, f"ratio {where}"),
            ]
        elif one.wanted_per_s <= most:
            bounds += [
                _above(p99, options.max_loaded_p99_ms, f"webhook p99 {where}, ms"),
                _above(ratio, options.max_loaded_ratio, f"ratio {where}"),
            ]
    if found is not None and options.min_sustained is not None:
        low = found.sustained_per_s < options.min_sustained
        bounds.append((low, f"less than {options.min_sustained:,.0f} telemetry/s sustained"))
    return bounds


def _above(value: float, most: float | None, what: str) -> tuple[bool, str]:
    return most is not None and value > most, f"{what}: {value:.2f}, above {most}"
