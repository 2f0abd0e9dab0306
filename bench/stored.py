"""How long operators wait with a million alarms stored: a status change, and pages of every list."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from bench import filled
from bench.figures import Percentiles, percentiles
from bench.lives import OPEN, Author
from bench.show import Progress, broken, save, table
from bench.site import Site
from bench.stage import StageError
from gateway.ports import AlarmFilter

ACKNOWLEDGE, DECIDED = "acknowledge, over HTTP", "acknowledge, decider and store"
METER = "desk meter"
OPEN_VEHICLES = 2_000
"""So many alarms has the store that is called empty: each of them is acknowledged at most once."""
PAGE = 100

Samples = dict[str, list[float]]


class Line(Struct, frozen=True):
    """One question at both stores, milliseconds."""

    full: Percentiles
    empty: Percentiles

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return self.full.p50 / self.empty.p50 if self.empty.p50 else 0.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--vehicles", type=int, default=100_000, help="stored, each with ten alarms")
    parser.add_argument("--each", type=int, default=30, help="so often each question in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-ratio", type=float, help="bound: a status change, to the empty store's, p50")
    parser.add_argument("--max-ack-ms", type=float, help="bound: a status change, p50")
    parser.add_argument("--max-page-ms", type=float, help="bound: any page of a list, p50")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    say = Progress()
    lines = measure(options, say)
    say.done()
    rows: list[tuple[str, object]] = [
        (name, f"{one.full.text(digits=2)}\nempty: {one.empty.text(digits=2)}\nRATIO of p50 {one.ratio:.2f}")
        for name, one in lines.items()
    ]
    table(f"{options.vehicles * filled.NIGHTS:,} alarms of {options.vehicles:,} vehicles stored", rows)
    sentences = broken(bounds(options, lines))
    found = {name: asdict(one) | {"ratio": one.ratio} for name, one in lines.items()}
    save(options.json, {"stored": found, "failed": sentences})
    return 1 if sentences else 0


def bounds(options: argparse.Namespace, lines: dict[str, Line]) -> list[tuple[bool, str]]:
    """What is passed if it is stated."""
    changes = {name: lines[name] for name in (ACKNOWLEDGE, DECIDED)}
    pages = {name: one for name, one in lines.items() if name not in {*changes, METER}}
    ratio, ack_ms, page_ms = options.max_ratio, options.max_ack_ms, options.max_page_ms
    return [
        *(
            (ratio is not None and one.ratio > ratio, f"{name}: ratio above {ratio}")
            for name, one in changes.items()
        ),
        *(
            (ack_ms is not None and one.full.p50 > ack_ms, f"{name}: p50 above {ack_ms} ms")
            for name, one in changes.items()
        ),
        *(
            (page_ms is not None and one.full.p50 > page_ms, f"{name}: p50 above {page_ms} ms")
            for name, one in pages.items()
        ),
    ]


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Line]:
    """Ask both stores in turn. Errors: StageError if they count wrongly."""
    say(f"a store of {options.vehicles * filled.NIGHTS:,} alarms; the first time this takes minutes")
    paths = filled.store(options.vehicles), filled.store(OPEN_VEHICLES, OPEN, 1)
    for path in paths:
        filled.heard_just_now(path)
    samples: tuple[Samples, Samples] = defaultdict(list), defaultdict(list)
    for _ in range(options.rounds):
        for path, found in zip(paths, samples, strict=True):
            found[DECIDED] += asyncio.run(_decided(path, options.each))
    with Site(paths[0]) as full, Site(paths[1]) as empty:
        for site in (full, empty):
            site.start()
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for site, found in ((full, samples[0]), (empty, samples[1])):
                _round(site, options.each, found)
    return {name: Line(percentiles(samples[0][name]), percentiles(samples[1][name])) for name in samples[0]}


async def _decided(path: Path, count: int) -> list[float]:
    author = Author(path, datetime.now(UTC))
    async with author.deciding():
        alarms = await author.store.alarms(AlarmFilter(state="open", soc="default"), 0, count)
        return [await author.acknowledge(alarm) for alarm in alarms]


def _round(site: Site, each: int, found: Samples) -> None:
    waiting = site.ask("GET", f"/alarms?state=open&soc=default&limit={each}")[1]["items"]
    before = _count(site, "acknowledged")
    for alarm in waiting:
        took_ms, answer = site.ask("POST", f"/alarms/{alarm['alarm_id']}/acknowledge", {})
        if answer["state"] != "acknowledged":
            raise StageError(f"{alarm['alarm_id']} is {answer['state']}")
        found[ACKNOWLEDGE].append(took_ms)
    if _count(site, "acknowledged") - before != len(waiting):
        raise StageError("not every acknowledgement is stored")
    for name, path in _questions(site, waiting[0]).items():
        for _ in range(3 if name == METER else each):
            took_ms, answer = site.ask("GET", path)
            if len(answer.get("items", ())) > PAGE:
                raise StageError(f"{path}: a page of {len(answer['items'])}")
            found[name].append(took_ms)


def _questions(site: Site, alarm: dict[str, Any]) -> dict[str, str]:
    ((middle,),) = _rows(site, "SELECT MAX(first_sequence) / 2 FROM alarms")
    ((deep_case,),) = _rows(site, "SELECT MAX(n) / 2 FROM cases")
    ((deep_delivery,),) = _rows(site, "SELECT MAX(id) / 2 FROM deliveries")
    return {
        "alarms": "/alarms",
        "alarms, from the middle": f"/alarms?after={middle}",
        "alarms, open, of a SOC": "/alarms?state=open&soc=default",
        "alarms, of another SOC": "/alarms?soc=north",
        "alarms, of a class that none has": "/alarms?class=system",
        "alarms, of a cause and state": "/alarms?cause=tilt&state=closed",
        "alarms, of a vehicle": f"/alarms?vin={alarm['vin']}",
        "an alarm": f"/alarms/{alarm['alarm_id']}",
        "cases": "/cases",
        "cases, from the middle": f"/cases?after={deep_case}",
        "cases, new": "/cases?state=new",
        "a case": f"/cases/{alarm['case_id']}",
        "deliveries, from the middle": f"/deliveries?after={deep_delivery}",
        "deliveries, parked": "/deliveries?state=parked",
        "vehicles": "/vehicles",
        "a vehicle": f"/vehicles/{alarm['vin']}",
        "not protected tonight": "/unprotected",
        METER: "/desk-meter",
    }


def _count(site: Site, state: str) -> int:
    ((count,),) = _rows(site, "SELECT COUNT(*) FROM alarms WHERE state = ?", state)
    return int(count)


def _rows(site: Site, query: str, *values: object) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()
