"""``vehicle-emulator``: run a fleet against a broker, list the scenarios; ``judging`` has the rest."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from vehicle_emulator import access, choosing, faults, files, judging, load_page, playing, report, scenarios
from vehicle_emulator import ramp as ramps
from vehicle_emulator.casting import parts
from vehicle_emulator.faults import Faults, FaultsError
from vehicle_emulator.fleet import Plan, vins
from vehicle_emulator.owner import Owner
from vehicle_emulator.ramp import PROBES_PER_S, Kind, Ramp, RampError
from vehicle_emulator.realism import command
from vehicle_emulator.rest import OFFLINE_AFTER_S, SLEEP_AFTER_S, Habit
from vehicle_emulator.running import Apps, Job, Outputs, RunError, Soc, console
from vehicle_emulator.running import run as run_job

MOST_PROCESSES = 64
_DAY_S = 86_400.0

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A seeded fleet of emulated vehicles.")
app.command("play")(playing.play_file)
app.command("score")(judging.score_run)
app.command("drill", context_settings={"ignore_unknown_options": True})(judging.drill)
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
    pace: Annotated[
        float,
        typer.Option(min=1.0, max=choosing.FASTEST, help="what strikes the whole fleet is so much faster"),
    ] = 1.0,
    duration: Annotated[float, typer.Option(min=0.0, help="seconds to live; 0: until stopped")] = 60.0,
    drain: Annotated[float, typer.Option(min=0.0, help="seconds to wait for missing receipts")] = 10.0,
    telemetry_rate: Annotated[
        float, typer.Option(min=0.0, max=ramps.MOST_PER_S, help="extra telemetry/s over the fleet")
    ] = 0.0,
    alarm_rate: Annotated[
        float, typer.Option(min=0.0, max=ramps.MOST_PER_S, help="theft-sensor triggers/s over the fleet")
    ] = 0.0,
    processes: Annotated[
        int, typer.Option(min=1, max=MOST_PROCESSES, help="share vehicles and load among so many processes")
    ] = 1,
    ramp_text: Annotated[
        str, typer.Option("--ramp", help="FROM:TO:STEP messages/s: finds the knee; sets the duration")
    ] = "",
    ramp_of: Annotated[
        Kind,
        typer.Option(
            help="what climbs. What becomes of telemetry only its receiver knows: its knee is where it leaves"
            " late, or where alarms that go behind it (--alarm-rate, else 20/s) have their receipts late"
        ),
    ] = Kind.ALARMS,
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
        float, typer.Option(min=0.0, max=choosing.LONGEST_S, help="vehicles' clocks are wrong by up to s")
    ] = 0.0,
    faults_text: Annotated[
        str, typer.Option("--faults", help="e.g. loss=0.01,duplicate=0.01,poison=0.001: see the README")
    ] = "",
    sleep_after: Annotated[
        float, typer.Option(min=1.0, max=choosing.LONGEST_S, help="seconds parked until asleep")
    ] = SLEEP_AFTER_S,
    offline_after: Annotated[
        float, typer.Option(min=1.0, max=choosing.LONGEST_S, help="seconds parked until off the air")
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
    ramp = _ramp(ramp_text, ramp_hold, ramp_of, alarm_rate or PROBES_PER_S)
    if ramp is not None:
        duration = ramp.length_s
    if ramp is not None and ramp.kind is Kind.TELEMETRY:
        alarm_rate = 0.0  # they go along already
        if telemetry_rate:
            raise typer.BadParameter("the ramp has its own", param_hint="--telemetry-rate")
    plan = Plan(
        vehicles=vehicles, seed=seed, duration_s=duration, drain_s=drain, telemetry_per_s=telemetry_rate,
        alarms_per_s=alarm_rate, ramp=ramp, clock_error_s=clock_error,
        driving_share=None if diary else driving_share, habit=Habit(sleep_after, offline_after),
        models=command.read_models(models_file),
        scenarios=choosing.singles(scenario or [], duration, vehicles),
        fleet_wide=choosing.wide(scenario or [], duration, pace),
    )  # fmt: skip
    if ramp is not None:
        plan = msgspec.structs.replace(plan, duration_s=plan.boots_for_s + ramp.length_s)
    where, known = access.address(broker), _owners(owners)
    station = partial(
        access.station, where, protocol, ca_file, seed, source=source, certificates=certificates
    )  # fmt: skip
    station()  # mistakes are told before anything begins
    access.check_certificates(certificates, vins(seed, vehicles))
    access.allow_files(vehicles)
    files.check(report_file, html, ledger, story, record)
    job = Job(
        plan=plan, processes=processes, station=lambda share: station(share=share),
        secrets=access.credentials(where, passwords, password),
        files=Outputs(ledger, story, record), soc=Soc(api, known, soc), bad=_faults(faults_text),
        apps=Apps(_people(plan, known, users), access.address(users_broker or broker), command_rate),
    )  # fmt: skip
    _check_crew(job)
    closing = _run(job)
    console.print(report.table(closing))
    if report_file is not None:
        files.write_json(report_file, closing)
    if html is not None:
        files.write(html, load_page.html(closing).encode())
    raise typer.Exit(1 if closing.is_broken else 0)


def _run(job: Job) -> report.Report:
    try:
        return run_job(job)
    except RunError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _check_crew(job: Job) -> None:
    """What several processes can't share is refused."""
    if job.processes == 1:
        return
    if job.plan.vehicles < job.processes:
        raise typer.BadParameter("each process needs a vehicle", param_hint="--processes")
    if job.files.record is not None:
        raise typer.BadParameter("a recording is of one process", param_hint="--record")
    if job.apps.people:
        raise typer.BadParameter("people's apps live in one process", param_hint="--users")


def _faults(text: str) -> Faults | None:
    try:
        return faults.read(text) if text else None
    except FaultsError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from error


def _ramp(text: str, hold_s: float, kind: Kind, probes_per_s: float) -> Ramp | None:
    try:
        return ramps.read(text, hold_s, kind, probes_per_s) if text else None
    except RampError as error:
        raise typer.BadParameter(str(error), param_hint="--ramp") from error


def _people(plan: Plan, known: dict[str, Owner], users: int) -> list[tuple[str, Owner]]:
    """Choose those who use their app: main users of vehicles that play nothing."""
    numbers = vins(plan.seed, plan.vehicles)
    roles = {part.vin for part in parts(plan, numbers) if part.parked}
    free = [(vin, known[vin]) for vin in numbers if vin in known and vin not in roles]
    if len(free) < users:
        sentence = f"--owners has {len(free)} main users of vehicles without a scenario"
        raise typer.BadParameter(sentence, param_hint="--users")
    return free[:users]


def _owners(path: Path | None) -> dict[str, Owner]:
    return files.read_json(path, dict[str, Owner], "--owners") if path else {}
