"""
How long a command takes from a person's app to the vehicle, and its result back to the app.

One process is app and vehicle, so one clock measures. Between any two requests a bare publish-to-subscriber
round trip through the same broker is measured: the machine's mood is the same for both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import asdict

from bench.figures import Rounds, percentiles
from bench.probe import PAUSE_S, PROBE, Party, Probe, Samples, alternate, ears
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, wait_for
from gateway.wire import command, command_request, command_response, command_result
from gateway.wire.topics import user_vehicle_topic, vehicle_topic
from vehicle_emulator.messages import rfc3339

WAYS = ("bare", "vehicle", "accepted", "performed")
EACH = 15
"""So many commands a vehicle takes without its ignition, and fewer than one person may ask at once."""
KNOWN_WITHIN_S = 30.0
UNTIL = "2100-01-01T00:00:00Z"


class Pair:
    """One vehicle and its owner's app."""

    def __init__(self, stage: Stage, vin: str, probe: Probe) -> None:
        self.vin, self.user = vin, _user(vin)
        self._probe = probe
        broker = stage.broker
        self.car = Party(
            broker.ports["vehicles"],
            (vin, broker.passwords["vehicles"][vin]),
            vehicle_topic(vin, command.KIND),
            self._commanded,
        )
        self.app = Party(
            broker.ports["users"],
            (self.user, broker.passwords["users"][self.user]),
            user_vehicle_topic(self.user, vin, command_response.KIND),
            self._answered,
        )

    def enable(self) -> None:
        """Say that the car is there and its owner may command it."""
        event = {"event_id": "enable-1", "occurred_at": _now(), "remote_access_enabled": True}
        self.car.link.publish_surely(vehicle_topic(self.vin, "mode"), json.dumps(event).encode())
        stated = {"online": True, "at": _now()}
        self.car.link.publish_surely(vehicle_topic(self.vin, "connection"), json.dumps(stated).encode())

    def ask(self, request_id: str) -> bool:
        """Ask for something that nothing in the car stops."""
        body = {
            "request_id": request_id,
            "action": "locate",
            "issued_at": _now(),
            "params": {"tag": request_id},
        }
        topic = user_vehicle_topic(self.user, self.vin, command_request.KIND)
        return self.app.link.publish_surely(topic, json.dumps(body).encode())

    def _commanded(self, payload: bytes) -> None:
        stated = json.loads(payload)
        self._probe.seen("vehicle", [stated["params"]["tag"]])
        result = {
            "event_id": f"result-{stated['command_id']}",
            "occurred_at": _now(),
            "command_id": stated["command_id"],
            "status": "performed",
        }
        self.car.link.publish_surely(
            vehicle_topic(self.vin, command_result.KIND), json.dumps(result).encode()
        )

    def _answered(self, payload: bytes) -> None:
        stated = json.loads(payload)
        if stated["status"] in WAYS:
            self._probe.seen(stated["status"], [stated["request_id"]])


def _user(vin: str) -> str:
    return f"owner-{vin[-8:]}"


def _now() -> str:
    return rfc3339(time.time_ns() // 1_000_000)


async def measure(stage: Stage, vins: list[str], requests: int, telemetry_per_s: float) -> Samples:
    """Alternate a bare round trip and a request, one at a time, beside so much telemetry."""
    probe = Probe(WAYS)
    mouth, ear = ears(stage, probe)
    pairs = [Pair(stage, vin, probe) for vin in vins]
    parties = [mouth, ear, *(one.car for one in pairs), *(one.app for one in pairs)]
    for party in parties:
        await party.up()
    for pair in pairs:
        pair.enable()
    await asyncio.to_thread(_until_known, stage, vins)

    async def request(number: int) -> None:
        await _request(probe, pairs[number % len(pairs)], number)

    return await alternate(stage, probe, parties, request, count=requests, telemetry_per_s=telemetry_per_s)


async def _request(probe: Probe, pair: Pair, number: int) -> None:
    request_id = f"bench-{pair.vin[-4:]}-{number}"
    await probe.out(request_id, {"vehicle", "accepted", "performed"}, lambda: pair.ask(request_id))
    await asyncio.sleep(PAUSE_S)


def _until_known(stage: Stage, vins: list[str]) -> None:
    """Until every car's statements are committed. Errors: StageError."""
    marks = ", ".join("?" * len(vins))
    query = f"SELECT COUNT(*) FROM facts WHERE kind IN ('mode', 'connection') AND vin IN ({marks})"  # noqa: S608

    def are_known() -> bool:
        return int(stage.gateway.rows(query, *vins)[0][0]) >= 2 * len(vins)

    wait_for(are_known, KNOWN_WITHIN_S, "the cars are not known to the gateway")


def _import(stage: Stage) -> None:
    """Let every car have an owner with the service. Errors: StageError."""
    lines = [
        {"vin": vin, "main_user": _user(vin), "services": {"remote_access": {"until": UNTIL}}}
        for vin in stage.vins
    ]
    path = stage.folder / "fleet.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = stage.gateway.command("fleet", "import", str(path))
    if done.returncode:
        raise StageError(f"the fleet can't be imported: {done.stdout}{done.stderr}")
    stage.broker.add("users", *(_user(vin) for vin in stage.vins))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument(
        "--telemetry", default="0,5000", help="telemetry per second beside it, one or several"
    )
    parser.add_argument("--requests", type=int, default=300, help="in each round at each load, one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=200, help="vehicles that send the telemetry")
    parser.add_argument("--max-idle-p99-ms", type=float, help="bound: request to vehicle without telemetry")
    parser.add_argument("--max-loaded-p99-ms", type=float, help="bound: request to vehicle beside telemetry")
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
        sentences += broken([_bound(options, load, some)])
    results = [
        {
            "telemetry_per_s": one.telemetry_per_s,
            "telemetry_lost": one.telemetry_lost,
            "ratio": one.ratio("vehicle"),
        }
        | {way: asdict(one.of(way)) for way in WAYS}
        for one in samples
    ]
    save(options.json, {"commands": {"rounds": results, "failed": sentences}})
    return 1 if sentences else 0


def run(options: argparse.Namespace, loads: list[float], say: Callable[[str], None]) -> list[Samples]:
    """All rounds at all loads, one load after the other in each round, each with cars of its own."""
    cars = -(-options.requests // EACH)
    turns = [(number, load) for number in range(options.rounds) for load in loads]
    samples = []
    with Stage(vehicles=cars * len(turns), crowd=options.crowd, gateways=(PROBE,)) as stage:
        _import(stage)
        for turn, (number, load) in enumerate(turns):
            say(f"round {number + 1} of {options.rounds}, {load:,.0f} telemetry/s")
            vins = stage.vins[turn * cars : (turn + 1) * cars]
            samples.append(asyncio.run(measure(stage, vins, options.requests, load)))
        if (said := stage.verify()) != "whole":
            raise StageError(f"verify: {said}")
    return samples


def _show(load: float, samples: list[Samples]) -> None:
    names = {
        "bare": "bare publish to subscribe",
        "vehicle": "request to vehicle",
        "accepted": "request to its answer",
        "performed": "request to its result",
    }
    rows: list[tuple[str, object]] = [
        (name, percentiles([ms for one in samples for ms in one.ms[way]]).text(digits=2))
        for way, name in names.items()
    ]
    rows.append(("  vehicle p50, by round", Rounds(tuple(one.of("vehicle").p50 for one in samples)).text(2)))
    rows.append(("  vehicle p99, by round", Rounds(tuple(one.of("vehicle").p99 for one in samples)).text(2)))
    rows.append(
        ("RATIO vehicle to bare, p50", Rounds(tuple(one.ratio("vehicle") for one in samples)).text(2))
    )
    if load:
        rows.append(
            ("telemetry per s, in truth", Rounds(tuple(one.telemetry_per_s for one in samples)).text())
        )
        rows.append(("telemetry lost", sum(one.telemetry_lost for one in samples)))
    table(f"commands beside {load:,.0f} telemetry messages/s (one at a time)", rows)


def _bound(options: argparse.Namespace, load: float, samples: list[Samples]) -> tuple[bool, str]:
    p99 = Rounds(tuple(one.of("vehicle").p99 for one in samples)).median
    bound = options.max_loaded_p99_ms if load else options.max_idle_p99_ms
    return bound is not None and p99 > bound, f"request to vehicle beside {load:,.0f}/s: p99 above {bound} ms"
