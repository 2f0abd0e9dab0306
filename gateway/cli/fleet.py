"""The registry of vehicles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress, TextColumn

from gateway.adapters.clock import SystemClock
from gateway.adapters.seal import open_seal
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.cli.common import SAY_EVERY_S, Config, sentences, settings_of, who, with_store
from gateway.domain.signals import Registration
from gateway.errors import StartError
from gateway.ports import AuditEntry, Seal
from gateway.registry import Checked, entries
from gateway.registry import check as check_fleet

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command("import")
def fleet_import(
    file: Path,
    config: Config = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="To derive keys of plain codes; default: one a core.")
    ] = None,
) -> None:
    """
    Insert or replace vehicles from JSON lines. A bad line stops the import before anything is changed.

    A line with a plain security_code costs about 0.1 s on purpose; one with security_code_key is fast.
    """
    with sentences():
        settings, clock = settings_of(config), SystemClock()
        seal = open_seal(settings.seal_key_file)
        checked = check_fleet(file, settings.canary.vin)
        if checked.mistaken:
            more = checked.mistaken - len(checked.mistakes)
            for sentence in (*checked.mistakes, *([f"… and {more} more"] if more else [])):
                typer.echo(sentence, err=True)
            raise StartError(
                f"{checked.mistaken} of {checked.vehicles} lines are wrong: nothing was changed."
            )
        if checked.plain_codes:
            typer.echo(f"{checked.plain_codes} lines have a plain security code: this is slow.", err=True)
        began_s = clock.mono_s()
        done = with_store(settings, lambda store: _import(store, file, checked, processes, seal))
        took_s = max(clock.mono_s() - began_s, 1e-6)
    typer.echo(f"{done} vehicles are registered ({took_s:.1f} s, {done / took_s:.0f} lines/s).")


def _sealed(entry: Registration, seal: Seal) -> Registration:
    key = entry.security_code_key
    return entry if key is None else replace(entry, security_code_key=seal.close(entry.vin, key))


async def _import(store: SqliteStore, file: Path, checked: Checked, processes: int | None, seal: Seal) -> int:
    """Register a checked file part by part; whatever stops it, how far it came is said and audited."""
    clock, done, last_line = SystemClock(), 0, 0
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[speed]}"))
    began_s = said_s = clock.mono_s()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("Importing", total=checked.size_bytes, speed="")
            for part in entries(file, plain_codes=checked.plain_codes > 0, processes=processes):
                await store.register([_sealed(one, seal) for one in part.registrations])
                done, last_line = done + len(part.registrations), part.last_line
                speed = f"{done / max(clock.mono_s() - began_s, 1e-6):.0f} lines/s"
                progress.update(task, advance=part.bytes_read, speed=speed)
                if not console.is_terminal and clock.mono_s() - said_s > SAY_EVERY_S:
                    said_s = clock.mono_s()
                    typer.echo(f"{100 * done / checked.vehicles:.0f} %, {done} vehicles, {speed}", err=True)
    finally:
        details = {"vehicles": done, "of": checked.vehicles, "file": file.name}
        await store.audit([AuditEntry(clock.now(), who(), "fleet.imported", file.name, details)])
        if done < checked.vehicles:
            typer.echo(
                f"STOPPED: {done} of {checked.vehicles} vehicles are registered, up to line {last_line}.",
                err=True,
            )
            typer.echo("The same import may be started again: it replaces what is there.", err=True)
    return done
