"""``vehicle-emulator``: run a fleet against a broker, list the scenarios; ``judging`` has the rest."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from vehicle_emulator import access, faults, files, judging, load_page, playing, report, scenarios
from vehicle_emulator import ramp as ramps
from vehicle_emulator.crowd import Crowd
from vehicle_emulator.dice import Dice
from vehicle_emulator.faults import Faults, FaultsError
from vehicle_emulator.faulty import FaultyStation
from vehicle_emulator.fleet import BOOTS_PER_S, Fleet, Plan, parts, vins
from vehicle_emulator.link import Station
from vehicle_emulator.owner import Api, Owner
from vehicle_emulator.ramp import Ramp, RampError
from vehicle_emulator.realism import command
from vehicle_emulator.report import Report, Tally
from vehicle_emulator.rest import OFFLINE_AFTER_S, SLEEP_AFTER_S, Habit
from vehicle_emulator.scenario import FleetWide, Scenario
from vehicle_emulator.stage import Stage, StoryLine
from vehicle_emulator.tape import Tape
from vehicle_emulator.unit import Clock, Depot

_PROGRESS_EVERY_S = 1.0
_DAY_S = 86_400.0
_LONGEST_S = 3_660 * _DAY_S

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A seeded fleet of emulated vehicles.")
app.command("play")(playing.play_file)
app.command("score")(judging.score_run)
app.command("drill", context_settings={"ignore_unknown_options": True})(judging.drill)
console = Console()


class Outputs(msgspec.Struct, frozen=True):
    """Files to write along the way."""

    ledger: Path | None
    story: Path | None
    record: Path | None


class Soc(msgspec.Struct, frozen=True):
    """Where to find the gateway's API, its main users, and what the SOC got."""

    api: str | None
    owners: Path | None
    ledger: Path | None


class Apps(msgspec.Struct, frozen=True):
    """Who uses an app, where it connects, and how often in all."""

    people: list[tuple[str, Owner]]
    address: access.Address
    rate_per_s: float


app.command("realism")(command.show_realism)
app.command("day")(command.write_day)


def main() -> None:
    """Start the command line."""
    app()


@app.command("scenarios")
def show_scenarios() -> None:
    """List the scenarios: what is played, and what must and must not be alarmed."""
    table = Table("name", "played", "label", "length")
    for scenario in scenarios.SCENARIOS:
        table.add_row(scenario.name, scenario.played, scenario.label.sentence(), f"{scenario.length_s:g} s")
    table.add_section()
    for wide in scenarios.FLEET_WIDE:
        played, length = wide.scenario, f"{wide.length_s:g} s"
        table.add_row(f"{played.name} ({wide.share:.0%})", played.played, played.label.sentence(), length)
    console.print(table)


@app.command()
def run(  # noqa: PLR0917  # one parameter per option of the command line
    broker: access.Broker = "mqtt://127.0.0.1:1883",
    vehicles: Annotated[int, typer.Option(min=1, max=access.MOST_VEHICLES, help="how many vehicles")] = 10,
    seed: Annotated[int, typer.Option(help="the same seed gives the same fleet and the same life")] = 1,
    passwords: access.Passwords = None,
    password: access.Password = None,
    scenario: Annotated[list[str] | None, typer.Option(help="NAME@START_S, may be given often")] = None,
    duration: Annotated[float, typer.Option(min=0.0, help="seconds to live; 0: until stopped")] = 60.0,
    drain: Annotated[float, typer.Option(min=0.0, help="seconds to wait for missing receipts")] = 10.0,
    telemetry_rate: Annotated[
        float, typer.Option(min=0.0, max=ramps.MOST_PER_S, help="extra telemetry/s over the fleet")
    ] = 0.0,
    alarm_rate: Annotated[
        float, typer.Option(min=0.0, max=ramps.MOST_PER_S, help="theft-sensor triggers/s over the fleet")
    ] = 0.0,
    ramp_text: Annotated[
        str, typer.Option("--ramp", help="FROM:TO:STEP triggers/s: finds the knee; sets the duration")
    ] = "",
    ramp_hold: Annotated[
        float, typer.Option(min=1.0, max=_DAY_S, help="seconds that each step of --ramp lasts")
    ] = 10.0,
    driving_share: Annotated[float, typer.Option(min=0.0, max=0.95, help="share of time on the road")] = 0.3,
    diary: Annotated[
        bool, typer.Option("--diary", help="drive when people do, not by --driving-share")
    ] = False,
    models_file: Annotated[
        Path | None, typer.Option("--models", help="TOML: kinds of vehicles on top of the built-in ones")
    ] = None,
    clock_error: Annotated[
        float, typer.Option(min=0.0, max=_LONGEST_S, help="vehicles' clocks are wrong by up to s")
    ] = 0.0,
    faults_text: Annotated[
        str, typer.Option("--faults", help="e.g. loss=0.01,duplicate=0.01,poison=0.001: see the README")
    ] = "",
    sleep_after: Annotated[
        float, typer.Option(min=1.0, max=_LONGEST_S, help="seconds parked until asleep")
    ] = SLEEP_AFTER_S,
    offline_after: Annotated[
        float, typer.Option(min=1.0, max=_LONGEST_S, help="seconds parked until off the air")
    ] = OFFLINE_AFTER_S,
    protocol: access.ProtocolOption = access.Protocol.V5,
    ca_file: access.CaFile = None,
    source: access.Source = "",
    certificates: access.Certificates = None,
    report_file: Annotated[Path | None, typer.Option("--report", help="closing report as JSON")] = None,
    html: Annotated[Path | None, typer.Option(help="closing report as one page with charts")] = None,
    ledger: Annotated[Path | None, typer.Option(help="one JSON line per event sent")] = None,
    story: Annotated[Path | None, typer.Option(help="one JSON line per step of a scenario")] = None,
    record: Annotated[
        Path | None, typer.Option(help="all that left, for `play` and for `vehicle-gateway replay`")
    ] = None,
    soc: Annotated[
        Path | None, typer.Option(help="JSON lines of what the SOC got: labels are held against it")
    ] = None,
    api: Annotated[str | None, typer.Option(help="the gateway's http://host:port, to set modes")] = None,
    owners: Annotated[
        Path | None, typer.Option(exists=True, help="JSON: VIN to {user, token, security_code, password}")
    ] = None,
    users: Annotated[int, typer.Option(min=0, help="main users of --owners who use their car's app")] = 0,
    users_broker: Annotated[str | None, typer.Option(help="where they connect; default: --broker")] = None,
    command_rate: Annotated[
        float,
        typer.Option(
            min=0.0, max=ramps.MOST_PER_S, help="commands/s over all users; 0: as often as people ask"
        ),
    ] = 0.0,
) -> None:
    """Let a fleet live on a broker; exit 1 if events stay without a receipt or a label was broken."""
    ramp = _ramp(ramp_text, ramp_hold)
    if ramp is not None:
        duration = vehicles / BOOTS_PER_S + ramp.length_s
    plan = Plan(
        vehicles=vehicles, seed=seed, duration_s=duration, drain_s=drain, telemetry_per_s=telemetry_rate,
        alarms_per_s=alarm_rate, ramp=ramp, clock_error_s=clock_error,
        driving_share=None if diary else driving_share, habit=Habit(sleep_after, offline_after),
        models=command.read_models(models_file),
        scenarios=_cast_list(scenario or [], duration, vehicles), fleet_wide=_wide(scenario or [], duration),
    )  # fmt: skip
    where = access.address(broker)
    secrets = access.credentials(where, passwords, password)
    access.check_certificates(certificates, vins(seed, vehicles))
    station = access.station(where, protocol, ca_file, seed, source=source, certificates=certificates)
    access.allow_files(vehicles)
    people = _people(plan, owners, users)
    apps = Apps(people, access.address(users_broker or broker), command_rate)
    files.check(report_file, html, ledger, story, record)
    outputs = Outputs(ledger, story, record)
    bad = _faults(faults_text)
    closing = asyncio.run(_run(plan, station, secrets, outputs, Soc(api, owners, soc), apps=apps, bad=bad))
    console.print(report.table(closing))
    if report_file is not None:
        files.write_json(report_file, closing)
    if html is not None:
        files.write(html, load_page.html(closing).encode())
    raise typer.Exit(1 if closing.is_broken else 0)


async def _run(
    plan: Plan,
    station: Station,
    secrets: access.Credentials,
    outputs: Outputs,
    soc: Soc,
    *,
    apps: Apps,
    bad: Faults | None,
) -> Report:
    """Build the fleet, run it, write its files."""
    written = files.Outputs()
    with ExitStack() as stack:
        stack.enter_context(written)
        tally = Tally(written.open(outputs.ledger))
        carrier = station if bad is None else FaultyStation(station, bad, plan.seed)
        depot = Depot(carrier, Clock(time.time() * 1_000), tally, secrets)
        if (recording := written.open(outputs.record)) is not None:
            station.tape = Tape(recording, lambda: datetime.fromtimestamp(depot.clock.now_ms() / 1_000, UTC))
            stack.callback(station.tape.close)
        crowd = _crowd(apps, plan, station, depot.clock)
        fleet = Fleet(plan, depot, _stage(soc, written.open(outputs.story)), crowd)
        _stop_on_signals(fleet)
        gc.collect()
        gc.freeze()  # the fleet lives as long as the run: looking through it again and again finds nothing
        progress = asyncio.create_task(_show_progress(fleet), name="progress")
        stack.callback(progress.cancel)
        closing = await fleet.run()
    return msgspec.structs.replace(closing, unwritten=written.complaints)


def _faults(text: str) -> Faults | None:
    try:
        return faults.read(text) if text else None
    except FaultsError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from error


def _ramp(text: str, hold_s: float) -> Ramp | None:
    try:
        return ramps.read(text, hold_s) if text else None
    except RampError as error:
        raise typer.BadParameter(str(error), param_hint="--ramp") from error


def _people(plan: Plan, owners: Path | None, users: int) -> list[tuple[str, Owner]]:
    """Choose those who use their app: main users of vehicles that play nothing."""
    known = _owners(owners)
    numbers = vins(plan.seed, plan.vehicles)
    roles = {part.vin for part in parts(plan, numbers) if part.parked}
    free = [(vin, known[vin]) for vin in numbers if vin in known and vin not in roles]
    if len(free) < users:
        sentence = f"--owners has {len(free)} main users of vehicles without a scenario"
        raise typer.BadParameter(sentence, param_hint="--users")
    return free[:users]


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


def _owners(path: Path | None) -> dict[str, Owner]:
    return files.read_json(path, dict[str, Owner], "--owners") if path else {}


def _stage(soc: Soc, story: files.Writes | None) -> Stage:
    """Bring the main users, the narrator and the SOC's ledger together."""
    api = Api(soc.api, _owners(soc.owners)) if soc.api else None
    return Stage(owners=api, soc_ledger=soc.ledger, story=story, narrate=_narrate)


def _narrate(line: StoryLine) -> None:
    console.print(f"{line.at[11:19]} {line.scenario}: {line.text}", markup=False, highlight=False)


async def _show_progress(fleet: Fleet) -> None:
    """One line that is overwritten, where somebody watches."""
    if not console.is_terminal:
        return
    tally, station = fleet.depot.tally, fleet.depot.station
    with console.status("connecting") as line:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            up = sum(unit.link.is_up for unit in fleet.units)
            waiting = sum(len(unit.outbox) for unit in fleet.depot.busy)
            line.update(
                f"{up}/{len(fleet.units)} on the air, events {tally.counts['receipted']:,} receipted"
                f" {waiting:,} waiting {tally.counts['resent']:,} resent, telemetry"
                f" {tally.counts['telemetry_sent']:,}, disconnects {station.counts['disconnects']:,}"
            )


def _stop_on_signals(fleet: Fleet) -> None:
    """Ctrl-C ends the run early: it still drains, leaves and reports; pressed twice, it does not drain."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, fleet.stop)


def _cast_list(texts: list[str], duration_s: float, vehicles: int) -> tuple[tuple[Scenario, float], ...]:
    """Read ``NAME@START_S`` of single scenarios; one that the run would cut short is a mistake."""
    chosen = tuple(
        (found, start_s) for name, start_s in map(_named, texts) if (found := scenarios.find(name))
    )
    if len(chosen) > vehicles:
        raise typer.BadParameter(f"{len(chosen)} scenarios need as many vehicles", param_hint="--scenario")
    for scenario, start_s in chosen:
        _fits(scenario.name, start_s + scenario.length_s, duration_s)
    return chosen


def _wide(texts: list[str], duration_s: float) -> tuple[tuple[FleetWide, float], ...]:
    """The same of those that the whole fleet plays."""
    chosen = tuple(
        (found, start_s) for name, start_s in map(_named, texts) if (found := scenarios.find_fleet_wide(name))
    )
    for wide, start_s in chosen:
        _fits(wide.scenario.name, start_s + wide.length_s, duration_s)
    return chosen


def _fits(name: str, until_s: float, duration_s: float) -> None:
    if 0.0 < duration_s < until_s:
        sentence = f"{name} plays until {until_s:g} s: use a longer --duration"
        raise typer.BadParameter(sentence, param_hint="--scenario")


def _named(text: str) -> tuple[str, float]:
    name, _, start = text.partition("@")
    known = [one.name for one in scenarios.SCENARIOS] + [one.scenario.name for one in scenarios.FLEET_WIDE]
    try:
        start_s = float(start or 0.0)
    except ValueError:
        start_s = -1.0
    if name not in known or not 0.0 <= start_s <= _LONGEST_S:
        sentence = f"{text}: write NAME@START_S; names: {', '.join(known)}"
        raise typer.BadParameter(sentence, param_hint="--scenario")
    return name, start_s
