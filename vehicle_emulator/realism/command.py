"""``vehicle-emulator realism`` and ``vehicle-emulator day``: what needs no broker."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from vehicle_emulator import access, day, files
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.models import ModelsError, load
from vehicle_emulator.progress import Bar
from vehicle_emulator.realism import page
from vehicle_emulator.realism.measure import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vehicle_emulator.day import Sent
    from vehicle_emulator.models import Model

MOST_DAYS = 366.0
_LINES_AT_ONCE = 1_000
_HOUR_MS = 3_600_000
_YEARS = range(2000, 2101)

Vehicles = Annotated[int, typer.Option(min=1, max=access.MOST_VEHICLES, help="how many vehicles")]
Days = Annotated[float, typer.Option(min=0.01, max=MOST_DAYS, help="how many days pass")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same fleet and the same days")]
Start = Annotated[str, typer.Option(help="RFC 3339 time at which the first day begins")]
Models = Annotated[
    Path | None, typer.Option("--models", help="TOML: kinds of vehicles on top of the built-in ones")
]
# A Monday at midnight in the middle of Europe.
_MONDAY = "2026-01-04T23:00:00Z"


class Line(msgspec.Struct, frozen=True):
    """A message in a file, in the form that ``vehicle-gateway replay`` reads."""

    at: str
    topic: str
    payload: msgspec.Raw


def show_realism(  # noqa: PLR0917  # one parameter per option of the command line
    vehicles: Vehicles = 100,
    days: Days = 7.0,
    seed: Seed = 1,
    start: Start = _MONDAY,
    models: Models = None,
    html: Annotated[Path | None, typer.Option(help="one page with charts")] = None,
    json: Annotated[Path | None, typer.Option(help="the same figures for programs")] = None,
) -> None:
    """Measure a fleet that lives by its diary, beside published figures of real cars."""
    meter = Meter()
    meter.take(_sent(vehicles, days, seed, start, read_models(models)))
    measured = meter.measured(seed, days)
    Console().print(page.table(measured))
    if html is not None:
        files.write(html, page.html(measured).encode())
    if json is not None:
        files.write_json(json, measured)


def write_day(  # noqa: PLR0917  # one parameter per option of the command line
    vehicles: Vehicles = 10,
    days: Days = 1.0,
    seed: Seed = 1,
    start: Start = _MONDAY,
    models: Models = None,
    out: Annotated[Path | None, typer.Option(help="file; without it, standard output")] = None,
) -> None:
    """Write what a fleet says in a day as JSON lines of time, topic and payload; no broker, no waiting."""
    encode = msgspec.json.Encoder().encode
    sent = _sent(vehicles, days, seed, start, read_models(models))
    with files.Outputs() as written, Bar(Console(stderr=True), 24 * days, "h") as bar:
        file = written.open(out) or sys.stdout.buffer
        count, begin_ms = 0, None
        try:
            while some := list(islice(sent, _LINES_AT_ONCE)):
                lines = [
                    encode(Line(rfc3339(one.at_ms), one.topic, msgspec.Raw(one.payload))) for one in some
                ]
                if not file.write(b"\n".join(lines) + b"\n"):
                    break
                count, begin_ms = count + len(lines), begin_ms or some[0].at_ms
                bar.tell((some[-1].at_ms - begin_ms) / _HOUR_MS, f"{count:,} messages")
            file.flush()
        except BrokenPipeError:  # whoever reads has seen enough, as `head` does
            sys.stdout = None
            raise typer.Exit(0) from None
        except OSError as error:
            sys.stdout = None
            typer.echo(f"standard output: {error.strerror}", err=True)
            raise typer.Exit(1) from error
    if written.complaints:
        typer.echo(written.complaints[0], err=True)
        raise typer.Exit(1)


def _sent(vehicles: int, days: float, seed: int, start: str, kinds: tuple[Model, ...]) -> Iterator[Sent]:
    try:
        at = datetime.fromisoformat(start)
    except ValueError as error:
        raise typer.BadParameter(f"{start} is no RFC 3339 time", param_hint="--start") from error
    if at.year not in _YEARS:
        sentence = f"{start} is not in the years from {_YEARS[0]} to {_YEARS[-1]}"
        raise typer.BadParameter(sentence, param_hint="--start")
    start_ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)
    return day.sent(seed, vehicles, start_ms, days, kinds)


def read_models(path: Path | None) -> tuple[Model, ...]:
    """The kinds of vehicles, or the sentence that says why not."""
    try:
        return load(path)
    except ModelsError as error:
        raise typer.BadParameter(str(error), param_hint="--models") from error
