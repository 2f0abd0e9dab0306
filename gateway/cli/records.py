"""What the store and recordings hold: check it, play it again, print it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.adapters.clock import SystemClock
from gateway.cli.common import SAY_EVERY_S, Config, sentences, settings_of
from gateway.domain.alarms import Alarm
from gateway.domain.audit_trail import Head, parse_head
from gateway.errors import StartError
from gateway.pipeline.replay import differences
from gateway.recordings import as_sentence, exported
from gateway.recordings import replay as run_recording
from gateway.settings import load
from gateway.verifying import check_export, check_store


def verify(
    head: Annotated[
        list[str] | None, typer.Option(help="A head of the audit trail that was written down, SEQ:HASH.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Check an export of a case instead; with --config against the store too."),
    ] = None,
    config: Config = None,
) -> None:
    """Walk the store: triggers have messages or verdicts, feeds are whole, the audit trail's hashes hold."""
    with sentences(), _bar("Audit trail") as progress:
        if export is None:
            found = check_store(settings_of(config).database, _heads(head or []), progress)
        else:
            store = None if config is None else settings_of(config).database
            found = check_export(export, _heads(head or []), store)
    for sentence in (*found.wrong, *found.told):
        typer.echo(sentence)
    if found.wrong:
        raise typer.Exit(1)


def _heads(texts: list[str]) -> list[Head]:
    try:
        return [parse_head(one) for one in texts]
    except ValueError as error:
        raise StartError(f"--head: {error}") from error


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is; where nobody looks, a line every five seconds."""
    console, clock = Console(stderr=True), SystemClock()
    said_s = clock.mono_s()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)

        def tell(done: int, of: int) -> None:
            nonlocal said_s
            progress.update(task, completed=done, total=of)
            if not console.is_terminal and clock.mono_s() - said_s > SAY_EVERY_S:
                said_s = clock.mono_s()
                typer.echo(f"{what}: {done} of {of}", err=True)

        yield tell


def replay(
    file: Path,
    against: Annotated[Path | None, typer.Option(help="Say what this configuration would change.")] = None,
    config: Config = None,
) -> None:
    """Run a recording (a store, or JSON lines of facts or messages) through the rules; print the alarms."""
    with sentences():
        thresholds = [settings_of(config).thresholds]
        if against is not None:
            thresholds.append(load(against, {}).thresholds)
        raised: list[list[Alarm]] = [[], []]

        def take(index: int, alarm: Alarm) -> None:
            if against is None:
                typer.echo(as_sentence(alarm))
            raised[index].append(alarm)

        clock = SystemClock()
        began_s = clock.mono_s()
        played = run_recording(file, thresholds, take)
        took_s = clock.mono_s() - began_s
    if against is not None:
        _print_differences(raised)
    rate = round(played.facts * len(thresholds) / max(took_s, 1e-6))
    if played.lost:
        typer.echo(f"{played.lost} messages are missing from this recording.", err=True)
    typer.echo(f"{played.facts} facts, {len(raised[0])} alarms, {took_s:.1f} s ({rate} facts/s).", err=True)


def _print_differences(raised: list[list[Alarm]]) -> None:
    found = differences(*raised)
    for one in found:
        typer.echo(f"{'+' if one.added else '-'} {as_sentence(one.alarm)}")
    more = sum(one.added for one in found)
    typer.echo(f"{more} more, {len(found) - more} fewer; {len(raised[0])} now, {len(raised[1])} then.")


def export_facts(config: Config = None) -> None:
    """Print every fact of the store as JSON lines, oldest first, for ``replay``. They hold positions."""
    with sentences():
        for line in exported(settings_of(config).database):
            typer.echo(line)
