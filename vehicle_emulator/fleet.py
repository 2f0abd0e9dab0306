"""A fleet: its identities, its vehicles, and the one loop that lets all of them live."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import closing, life, models, scenario
from vehicle_emulator.casting import Part, parts
from vehicle_emulator.dice import Dice
from vehicle_emulator.load import AlarmLoad, Slots, TelemetryLoad
from vehicle_emulator.places import home_of
from vehicle_emulator.progress import Pulse
from vehicle_emulator.ramp import Kind, Ramp, Stairs, Watch
from vehicle_emulator.rest import Habit
from vehicle_emulator.scenario import FleetWide, Scenario
from vehicle_emulator.share import ALL, Share
from vehicle_emulator.stage import Stage
from vehicle_emulator.unit import KEEPALIVE_S, Unit
from vehicle_emulator.vehicle import Vehicle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vehicle_emulator.closing import Measured
    from vehicle_emulator.crowd import Crowd
    from vehicle_emulator.models import Model
    from vehicle_emulator.report import Report
    from vehicle_emulator.unit import Depot

# A maker that does not exist: no real vehicle's number begins like this.
WMI: Final = "XVG"
_VIN_ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
_SERIAL_DIGITS = 6
# A quartz that nobody regulates.
_DRIFT_PPM = 20.0
_SWEEP_MS = 100.0
_SHORTEST_NAP_S = 0.001
_LONGEST_NAP_S = 0.1
_CONNECT_PATIENCE_S = 10.0
_CONNECTS_PER_S = 500
BOOTS_PER_S = 500
_KEEPALIVE_CALLS = 3
_FAREWELL_MS = 5_000.0
# People set a mode or sell a car so long before the first beat.
_ERRAND_MS = 5_000
# What the SOC got in the last moment of a scene may still be on its way into the ledger.
_CURTAIN_MS = 1_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a run is to be; a duration of 0 has no end. ``drain_s``: the wait for receipts after it.

    ``driving_share`` of the time they are on the road; None: when people drive. ``models``: none, the
    built-in ones.
    ``clock_error_s``: how far a vehicle's clock may be ahead or behind; each has its own error.
    """

    vehicles: int
    seed: int = 1
    duration_s: float = 60.0
    drain_s: float = 10.0
    telemetry_per_s: float = 0.0
    alarms_per_s: float = 0.0
    ramp: Ramp | None = None
    driving_share: float | None = 0.3
    clock_error_s: float = 0.0
    habit: Habit = Habit()
    scenarios: tuple[tuple[Scenario, float], ...] = ()
    fleet_wide: tuple[tuple[FleetWide, float], ...] = ()
    models: tuple[Model, ...] = ()
    share: Share = ALL
    """What of all this one process does: its vehicles, and their part of the load."""

    @property
    def boots_for_s(self) -> float:
        """So long after the start all have booted, and load begins."""
        return self.vehicles / BOOTS_PER_S


def vins(seed: int, count: int) -> list[str]:
    """The first so many vehicle numbers of a seed: unique, valid, of no real maker."""
    dice = Dice(seed, "vins")
    numbers = []
    for serial in range(count):
        middle = "".join(dice.pick(_VIN_ALPHABET) for _ in range(17 - len(WMI) - _SERIAL_DIGITS))
        numbers.append(f"{WMI}{middle}{serial:0{_SERIAL_DIGITS}d}")
    return numbers


def build(
    vin: str,
    seed: int,
    kinds: tuple[Model, ...] = (),
    *,
    driving_share: float | None = None,
    error_ms: float = 0.0,
    habit: Habit | None = None,
) -> Vehicle:
    """A vehicle of a fleet, parked at home and not booted: its model and its clock's error are its seed's."""
    dice = Dice(seed, vin, "clock")
    vehicle = Vehicle(
        vin, seed, home_of(seed, vin), driving_share=driving_share, habit=habit,
        ahead_ms=round(dice.between(-error_ms, error_ms)),
        model=models.pick(kinds or models.built_in(), Dice(seed, vin, "model")),
    )  # fmt: skip
    vehicle.body.drift_ppm = round(_DRIFT_PPM * dice.bell())
    return vehicle


class Fleet:
    """All units, on one schedule: vehicles' agendas, load, and a sweep for resends and keepalives."""

    def __init__(
        self, plan: Plan, depot: Depot, stage: Stage | None = None, crowd: Crowd | None = None
    ) -> None:
        """Build every vehicle; open nothing."""
        self.plan, self.depot, self._stage, self._crowd = plan, depot, stage or Stage(), crowd
        every = vins(plan.seed, plan.vehicles)
        numbers = plan.share.take(every)
        mine = set(numbers)
        self._parts = [part for part in parts(plan, every) if part.vin in mine]
        self._parked = {part.vin for part in self._parts if part.parked}
        self._left_out: list[str] = []
        self._errands: set[asyncio.Task[None]] = set()
        self.units = [self._build(vin) for vin in numbers]
        self._agenda: list[tuple[int, int]] = []
        self._places = {unit: index for index, unit in enumerate(self.units)}
        self._by_vin = {unit.vin: unit for unit in self.units}
        self._loads: list[TelemetryLoad | AlarmLoad] = []
        self._plays: list[scenario.Play] = []
        self._started_ms = self._next_sweep_ms = 0.0
        self._swept = 0
        self.stopping = asyncio.Event()
        self._hurries = False

    async def run(self) -> Report:
        """Connect, live, drain, leave, report."""
        measured = await self.measure()
        return closing.close(self.plan, [measured], self._stage.heard() if self._stage.judges else None)

    async def measure(self, start: Callable[[], Awaitable[float]] | None = None) -> Measured:
        """The same without judging it; ``start`` answers when life begins, once all are connected."""
        self._prepare()
        await self._connect()
        self._begin(self.depot.clock.now_ms() if start is None else await start())
        began_cpu_s = time.process_time()
        await self._live_until(self._started_ms + (self.plan.duration_s or math.inf) * 1_000)
        ran_ms = max(0.0, self.depot.clock.now_ms() - self._started_ms)
        cpu_s = time.process_time() - began_cpu_s
        await self._drain()
        await self._leave()
        station = self.depot.station
        return closing.measure(
            self.depot.tally, station.counts, vehicles=len(self.units), protocol=station.version.name,
            started_ms=self._started_ms, ran_s=ran_ms / 1_000, cpu_s=cpu_s, plays=tuple(self._plays),
            left_out=tuple(self._left_out), commands=None if self._crowd is None else self._crowd.report(),
        )  # fmt: skip

    def pulse(self) -> Pulse:
        """How it is now."""
        tally, now_ms = self.depot.tally.counts, self.depot.clock.now_ms()
        return Pulse(
            vehicles=len(self.units), up=sum(unit.link.is_up for unit in self.units),
            elapsed_s=(now_ms - self._started_ms) / 1_000 if self._started_ms else None,
            receipted=tally["receipted"], waiting=sum(len(unit.outbox) for unit in self.depot.busy),
            resent=tally["resent"], lost=tally["given_up"] + tally["rejected"],
            telemetry=tally["telemetry_sent"], dropped=tally["telemetry_dropped"],
            disconnects=self.depot.station.counts["disconnects"],
        )  # fmt: skip

    def stop(self) -> None:
        """End the run early; who asks again does not want to wait for receipts either."""
        self._hurries = self.stopping.is_set()
        self.stopping.set()

    def _prepare(self) -> None:
        for part in self._parts:
            part.played.prepare(self._by_vin[part.vin].vehicle, int(self.depot.clock.now_ms()))

    async def _connect(self) -> None:
        """Open every link and wait for all, but not for ever: the broker may be what is being tested."""
        for unit in self.units:
            unit.link.open()
        if self._crowd is not None:
            self._crowd.open()
        patience_s = _CONNECT_PATIENCE_S + len(self.units) / _CONNECTS_PER_S
        deadline_ms = self.depot.clock.now_ms() + patience_s * 1_000
        while self.depot.clock.now_ms() < deadline_ms and not self.stopping.is_set():
            if all(unit.link.is_up for unit in self.units) and (self._crowd is None or self._crowd.is_up):
                return
            await asyncio.sleep(0.02)

    def _begin(self, now_ms: float) -> None:
        """Boot the vehicles one after the other and set the stage."""
        self._started_ms = now_ms
        share = self.plan.share
        for index, unit in enumerate(self.units):
            place = share.index + index * share.of
            unit.vehicle.plan(int(now_ms + place * 1_000 / BOOTS_PER_S), life.begin)
        for part in self._parts:
            self._cast(part, int(now_ms + part.start_s * 1_000))
        for unit in self.units:
            self._schedule(unit)
        self._begin_load()
        if self._crowd is not None:
            booted_ms = now_ms + self.plan.boots_for_s * 1_000
            self._crowd.begin(booted_ms, now_ms + (self.plan.duration_s or math.inf) * 1_000)

    def _cast(self, part: Part, start_ms: int) -> None:
        """Stage a part; where people must do something before it, when they have done it."""
        if not part.played.needs_people:
            self._raise_curtain(part, start_ms)
            return

        def send(_vehicle: Vehicle, _at_ms: int) -> None:
            errand = asyncio.get_running_loop().create_task(self._set_scene(part, start_ms), name="errand")
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)

        self._by_vin[part.vin].vehicle.plan(start_ms - _ERRAND_MS, send)

    async def _set_scene(self, part: Part, start_ms: int) -> None:
        """A part without what it needs of people is left out."""
        unit = self._by_vin[part.vin]
        at = unit.vehicle.position()
        now_ms = int(self.depot.clock.now_ms())
        if await self._stage.set_scene(part.played, part.vin, (at.latitude, at.longitude), now_ms):
            self._raise_curtain(part, max(start_ms, int(self.depot.clock.now_ms())))
            self.depot.woken.append(unit)
        else:
            self._left_out.append(part.vin)

    def _raise_curtain(self, part: Part, start_ms: int) -> None:
        """Stage a scenario and, where there is a SOC to ask, its verdict at its end."""
        vehicle, played = self._by_vin[part.vin].vehicle, part.played
        play = scenario.bill(played, part.vin, start_ms)
        self._plays.append(play)
        played.stage(vehicle, start_ms, partial(self._tell, play) if part.leads else None)
        if self._stage.judges and part.leads:
            curtain_ms = start_ms + round(played.length_s * 1_000) + _CURTAIN_MS
            vehicle.plan(curtain_ms, lambda _vehicle, at_ms: self._tell(play, at_ms, self._judged(play)))

    def _tell(self, play: scenario.Play, at_ms: int, text: str) -> None:
        self._stage.tell(at_ms, play.name, play.vin, text)

    def _judged(self, play: scenario.Play) -> str:
        found = self._stage.judge(play, self._plays_of(play.vin), self.depot.clock.now_ms())
        return f"Verdict: {found.sentence()}."

    def _plays_of(self, vin: str) -> list[scenario.Play]:
        return [play for play in self._plays if play.vin == vin]

    def _begin_load(self) -> None:
        """Load starts when all have booted, and leaves the vehicles alone that play a scenario."""
        plan, share, start_ms = self.plan, self.plan.share, self._started_ms + self.plan.boots_for_s * 1_000
        crowd = [unit for unit in self.units if unit.vin not in self._parked]
        if not crowd:
            return
        dice = Dice(plan.seed, "alarm load", *share.words)
        if plan.telemetry_per_s > 0:
            self._loads.append(TelemetryLoad(crowd, Slots(plan.telemetry_per_s, start_ms, share)))
        if plan.alarms_per_s > 0:
            self._loads.append(AlarmLoad(crowd, Slots(plan.alarms_per_s, start_ms, share), dice))
        if (ramp := plan.ramp) is not None:
            self.depot.tally.watch = watch = Watch(ramp, start_ms, share)
            self._loads.append(AlarmLoad(crowd, Stairs(ramp.alarms, start_ms, share), dice))
            if ramp.kind is Kind.TELEMETRY:
                self._loads.append(TelemetryLoad(crowd, Stairs(ramp, start_ms, share), watch))

    async def _live_until(self, end_ms: float) -> None:
        while (now_ms := self.depot.clock.now_ms()) < end_ms and not self.stopping.is_set():
            self._live(now_ms)
            self._sweep(now_ms)
            await asyncio.sleep(self._nap_s(min(end_ms, self._next_due_ms())))
        if not self.stopping.is_set():
            self._live(end_ms)  # what a stall at the end has held up

    async def _drain(self) -> None:
        """Nothing new happens; what waits is sent again until its receipt comes."""
        deadline_ms = self.depot.clock.now_ms() + self.plan.drain_s * 1_000
        while (now_ms := self.depot.clock.now_ms()) < deadline_ms and self.depot.busy and not self._hurries:
            self._sweep(now_ms)
            await asyncio.sleep(self._nap_s(self._next_sweep_ms))

    async def _leave(self) -> None:
        for errand in self._errands:
            errand.cancel()
        if self._crowd is not None:
            self._crowd.close()
        for index, unit in enumerate(self.units):
            unit.leave()
            for entry in unit.outbox.waiting():
                self.depot.tally.unreceipted(unit.vin, entry)
            if index % 256 == 0:
                await asyncio.sleep(0)
        deadline_ms = self.depot.clock.now_ms() + _FAREWELL_MS
        while self.depot.clock.now_ms() < deadline_ms:
            if all(unit.link.is_gone for unit in self.units) and (self._crowd is None or self._crowd.is_gone):
                return
            await asyncio.sleep(_SHORTEST_NAP_S)

    def _live(self, now_ms: float) -> None:
        """Play all that is due, at the moment it was due."""
        for unit in self.depot.woken:
            self._schedule(unit)
        self.depot.woken.clear()
        while self._agenda and self._agenda[0][0] <= now_ms:
            at_ms, index = heapq.heappop(self._agenda)
            unit = self.units[index]
            if unit.vehicle.next_at_ms is not None and unit.vehicle.next_at_ms <= at_ms:
                unit.step(at_ms)
                self.depot.tally.lags_ms.append(now_ms - at_ms)
                self._schedule(unit)
        for load in self._loads:
            if late_ms := load.play(now_ms):
                self.depot.tally.lags_ms.append(late_ms)
                if self.depot.tally.watch:
                    self.depot.tally.watch.turned(now_ms, late_ms, time.process_time())
        if self._crowd is not None:
            self._crowd.play(now_ms)

    def _sweep(self, now_ms: float) -> None:
        """Resends of all who wait, keepalives of a slice of the fleet."""
        if now_ms < self._next_sweep_ms:
            return
        self._next_sweep_ms = now_ms + _SWEEP_MS
        for unit in tuple(self.depot.busy):
            if unit.outbox:
                unit.pump(now_ms)
            else:
                self.depot.busy.discard(unit)
        self._keep_alive()
        if self._crowd is not None:
            self._crowd.sweep(now_ms)

    def _keep_alive(self) -> None:
        """Each link once in a third of the keepalive, a few per sweep."""
        rounds = KEEPALIVE_S * 1_000 / _KEEPALIVE_CALLS / _SWEEP_MS
        self._swept += 1
        begin = int(len(self.units) * ((self._swept - 1) % rounds) / rounds)
        end = int(len(self.units) * ((self._swept - 1) % rounds + 1) / rounds)
        for unit in self.units[begin:end]:
            unit.link.keep_alive()

    def _schedule(self, unit: Unit) -> None:
        if (at_ms := unit.vehicle.next_at_ms) is not None:
            heapq.heappush(self._agenda, (at_ms, self._places[unit]))

    def _next_due_ms(self) -> float:
        due_ms = [load.slots.next_at_ms for load in self._loads]
        if self._agenda:
            due_ms.append(self._agenda[0][0])
        if self._crowd is not None:
            due_ms.append(self._crowd.next_at_ms)
        return min(self._next_sweep_ms, *due_ms) if due_ms else self._next_sweep_ms

    def _nap_s(self, until_ms: float) -> float:
        """At least a millisecond: with more load each round does more, instead of rounds becoming more."""
        rest_s = (until_ms - self.depot.clock.now_ms()) / 1_000
        return min(_LONGEST_NAP_S, max(_SHORTEST_NAP_S, rest_s))

    def _build(self, vin: str) -> Unit:
        """A vehicle that plays a scenario stays parked otherwise."""
        plan = self.plan
        share = 0.0 if vin in self._parked else plan.driving_share
        error_ms = plan.clock_error_s * 1_000
        kinds = plan.models or models.built_in()
        if vin in self._parked:  # what is played needs windows to break and a bonnet to open
            kinds = tuple(model for model in kinds if model.doors) or kinds
        vehicle = build(vin, plan.seed, kinds, driving_share=share, error_ms=error_ms, habit=plan.habit)
        return Unit(vehicle, Dice(plan.seed, vin, "resends"), self.depot)
