"""A run on the air, in this process or in several: what the command line has read becomes a fleet."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from rich.console import Console

from vehicle_emulator import access, closing, files
from vehicle_emulator.crew import Clockwork, Crew
from vehicle_emulator.crowd import Crowd
from vehicle_emulator.dice import Dice
from vehicle_emulator.faulty import FaultyStation
from vehicle_emulator.fleet import Fleet, Plan
from vehicle_emulator.link import Station
from vehicle_emulator.owner import Api, Owner
from vehicle_emulator.progress import Bar, Meter
from vehicle_emulator.report import Report, Tally
from vehicle_emulator.share import ALL, Share
from vehicle_emulator.stage import Stage, StoryLine
from vehicle_emulator.tape import Tape
from vehicle_emulator.unit import Clock, Depot

if TYPE_CHECKING:
    from vehicle_emulator.closing import Measured
    from vehicle_emulator.faults import Faults
    from vehicle_emulator.progress import Pulse

PULSE_EVERY_S: Final = 1.0
console = Console()


class RunError(Exception):
    """The text says what; nothing was measured."""


class Outputs(msgspec.Struct, frozen=True):
    """Files to write."""

    ledger: Path | None
    story: Path | None
    record: Path | None


class Soc(msgspec.Struct, frozen=True):
    """Where to find the gateway's API, its main users, and what the SOC got."""

    api: str | None
    owners: dict[str, Owner]
    ledger: Path | None


class Apps(msgspec.Struct, frozen=True):
    """Who uses an app, where it connects, and how often in all."""

    people: list[tuple[str, Owner]]
    address: access.Address
    rate_per_s: float


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run needs to know."""

    plan: Plan
    station: Callable[[Share], Station]
    secrets: access.Credentials
    files: Outputs
    soc: Soc
    apps: Apps
    bad: Faults | None
    processes: int = 1


class Leader(Protocol):
    """Who says when life begins, and is told how it goes."""

    share: Share
    clock: Clockwork

    def attach(self, fleet: Fleet) -> None:
        """Let a fleet hear its word."""

    async def start(self) -> float:
        """When life begins, in milliseconds since the epoch."""

    def beat(self, pulse: Pulse) -> None:
        """How it is now."""

    def narrate(self, line: StoryLine) -> None:
        """Part of the story."""


class Alone:
    """The only process leads itself."""

    def __init__(self, stage: Stage, meter: Meter) -> None:
        """Show progress and tell the story here."""
        self.share, self.clock = ALL, Clockwork()
        self.beat, self.narrate = meter.show, stage.pass_on

    def attach(self, fleet: Fleet) -> None:
        """Ctrl-C ends the run early: it still drains, leaves and reports; twice, it does not drain."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, fleet.stop)

    async def start(self) -> float:
        """At once."""
        return self.clock.now_ms()


def run(job: Job) -> Report:
    """
    Let the fleet live; the closing report.

    Errors:  RunError.
    """
    died: list[str] = []
    with files.Outputs() as written, Bar(console, job.plan.duration_s) as bar:
        stage = Stage(soc_ledger=job.soc.ledger, story=written.open(job.files.story), narrate=_narrate)
        meter = Meter(bar)
        if job.processes == 1:
            shares = [asyncio.run(_live(job, Alone(stage, meter)))]
        else:
            crew = Crew(partial(_live, job), job.processes, tell=stage.pass_on, show=meter.show)
            shares, died = crew.run(job.plan.drain_s)
            _join_ledgers(job, written)
    if not shares:
        raise RunError("; ".join(died))
    heard = stage.heard() if stage.judges else None
    return closing.close(job.plan, shares, heard, died=died, unwritten=written.complaints)


async def _live(job: Job, leader: Leader) -> Measured:
    """Build one process's share of the fleet, and run it."""
    plan = msgspec.structs.replace(job.plan, share=leader.share)
    written = files.Outputs()
    with ExitStack() as stack:
        stack.enter_context(written)
        tally = Tally(written.open(_ledger_of(job, leader.share)))
        station = job.station(leader.share)
        carrier = station if job.bad is None else FaultyStation(station, job.bad, plan.seed)
        depot = Depot(carrier, Clock(leader.clock.now_ms()), tally, job.secrets)
        if (recording := written.open(job.files.record)) is not None:
            station.tape = Tape(recording, lambda: datetime.fromtimestamp(depot.clock.now_ms() / 1_000, UTC))
            stack.callback(station.tape.close)
        api = Api(job.soc.api, job.soc.owners) if job.soc.api else None
        stage = Stage(owners=api, soc_ledger=job.soc.ledger, narrate=leader.narrate)
        fleet = Fleet(plan, depot, stage, _crowd(job.apps, plan, station, depot.clock))
        leader.attach(fleet)
        gc.collect()
        gc.freeze()  # the fleet lives as long as the run: looking through it again and again finds nothing
        pulse = asyncio.create_task(_beat(fleet, leader), name="pulse")
        stack.callback(pulse.cancel)
        measured = await fleet.measure(leader.start)
    return msgspec.structs.replace(measured, unwritten=written.complaints)


async def _beat(fleet: Fleet, leader: Leader) -> None:
    while True:
        await asyncio.sleep(PULSE_EVERY_S)
        leader.beat(fleet.pulse())


def _crowd(apps: Apps, plan: Plan, like: Station, clock: Clock) -> Crowd | None:
    """Give the people their apps."""
    if not apps.people:
        return None
    address = apps.address
    own = None if callable(like.tls) else like.tls
    tls = own or (ssl.create_default_context() if address.tls else None)
    station = Station(
        address.host, address.port, Dice(plan.seed, "apps"), tls=tls if address.tls else None,
        version=like.version,
    )  # fmt: skip
    return Crowd(apps.people, station, clock, seed=plan.seed, rate_per_s=apps.rate_per_s)


def _narrate(line: StoryLine) -> None:
    console.print(f"{line.at[11:19]} {line.scenario}: {line.text}", markup=False, highlight=False)


def _ledger_of(job: Job, share: Share) -> Path | None:
    """Each of several processes has a ledger of its own until the end."""
    path = job.files.ledger
    return path if path is None or share.of == 1 else path.with_name(f"{path.name}.{share.index}")


def _join_ledgers(job: Job, written: files.Outputs) -> None:
    """One file; a last line that its writer's death has cut in half is left out."""
    if (whole := written.open(job.files.ledger)) is None:
        return
    for index in range(job.processes):
        part = _ledger_of(job, Share(index, job.processes))
        if part is not None and part.exists():
            with part.open("rb") as lines:
                has_room = all(whole.write(line) for line in lines if line.endswith(b"\n"))
            if has_room:
                part.unlink()
