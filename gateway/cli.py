"""Commands of ``vehicle-gateway``. They work with or without a running gateway and take effect within 2 s."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
from rich.console import Console
from rich.progress import track

from gateway.adapters import logs
from gateway.adapters.clock import SystemClock
from gateway.adapters.storage import STORES
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.adapters.storage.sqlite.verify import holes
from gateway.api.auth import make_token
from gateway.app import run as run_gateway
from gateway.doctor import examine
from gateway.domain.alarms import Alarm
from gateway.errors import GatewayError, SettingsError, StartError
from gateway.pipeline.replay import differences
from gateway.ports import AuditEntry, Role
from gateway.recordings import as_sentence, exported
from gateway.recordings import replay as run_recording
from gateway.registry import read_registrations
from gateway.settings import Settings, load

T = TypeVar("T")

BAD_CONFIGURATION = 2
IMPORT_AT_ONCE = 1000

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
token_app = typer.Typer(no_args_is_help=True, help="Bearer tokens of people and systems.")
fleet_app = typer.Typer(no_args_is_help=True, help="The registry of vehicles.")
app.add_typer(token_app, name="token")
app.add_typer(fleet_app, name="fleet")

Config = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file (TOML).")]


def main() -> None:
    """Entry point of the installed command."""
    app()


@contextmanager
def _sentences() -> Iterator[None]:
    """One clear sentence instead of a traceback."""
    try:
        yield
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error
    except (GatewayError, BaseExceptionGroup) as error:
        logs.flush()
        ours = _ours(error)
        if ours is None:
            raise
        typer.echo(str(ours), err=True)
        raise typer.Exit(1) from error


def _ours(error: BaseException) -> GatewayError | None:
    """The error of ours in a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := _ours(one))), None)
    return error if isinstance(error, GatewayError) else None


def _settings(config: Path | None) -> Settings:
    return load(config, os.environ)


def _with_store(settings: Settings, work: Callable[[SqliteStore], Any]) -> Any:
    """Do ``work`` (a coroutine function) on the store, beside a running gateway or without one."""
    store = STORES["sqlite"](settings.database, settings.canary.vin)
    try:
        return asyncio.run(work(store))
    finally:
        store.close()


@app.command()
def run(config: Config = None) -> None:
    """Run the gateway until SIGTERM."""
    with _sentences():
        settings = _settings(config)
        log = logs.configure(as_json=settings.gateway.log == "json")
        asyncio.run(run_gateway(settings, log))


@app.command("check-config")
def check_config(config: Config = None) -> None:
    """Read the configuration and say what is wrong with it."""
    with _sentences():
        settings = _settings(config)
    typer.echo(
        f"The configuration is good: instance {settings.gateway.instance}, {len(settings.sinks)} sink(s)."
    )


@app.command()
def doctor(config: Config = None) -> None:
    """Try broker, credentials, access list, store and sinks, and name what is wrong."""
    with _sentences():
        settings = _settings(config)
        findings = asyncio.run(examine(settings))
    for finding in findings:
        typer.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.sentence}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command()
def verify(config: Config = None) -> None:
    """Walk the store: triggers have messages or verdicts, feeds are whole, the audit chain holds."""
    with _sentences():
        path = _settings(config).database
        if not path.exists():
            raise StartError(f"there is no store at {path}")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            found = list(holes(connection))
        finally:
            connection.close()
    for sentence in found:
        typer.echo(sentence)
    if found:
        raise typer.Exit(1)
    typer.echo("The store is whole.")


@app.command()
def replay(
    file: Path,
    against: Annotated[Path | None, typer.Option(help="Say what this configuration would change.")] = None,
    config: Config = None,
) -> None:
    """Run a recording (a store, or JSON lines of facts or messages) through the rules; print the alarms."""
    with _sentences():
        thresholds = [_settings(config).thresholds]
        if against is not None:
            thresholds.append(load(against, {}).thresholds)
        raised: list[list[Alarm]] = [[], []]

        def take(index: int, alarm: Alarm) -> None:
            if against is None:
                typer.echo(as_sentence(alarm))
            raised[index].append(alarm)

        clock = SystemClock()
        began_s = clock.mono_s()
        facts = run_recording(file, thresholds, take)
        took_s = clock.mono_s() - began_s
    if against is not None:
        _print_differences(raised)
    rate = round(facts * len(thresholds) / max(took_s, 1e-6))
    typer.echo(f"{facts} facts, {len(raised[0])} alarms, {took_s:.1f} s ({rate} facts/s).", err=True)


def _print_differences(raised: list[list[Alarm]]) -> None:
    found = differences(*raised)
    for one in found:
        typer.echo(f"{'+' if one.added else '-'} {as_sentence(one.alarm)}")
    more = sum(one.added for one in found)
    typer.echo(f"{more} more, {len(found) - more} fewer; {len(raised[0])} now, {len(raised[1])} then.")


@app.command("export-facts")
def export_facts(config: Config = None) -> None:
    """Print every fact of the store as JSON lines, oldest first, for ``replay``. They hold positions."""
    with _sentences():
        for line in exported(_settings(config).database):
            typer.echo(line)


@token_app.command("create")
def token_create(  # noqa: PLR0917  # options are given by name
    role: Annotated[str, typer.Option(help="One of: " + ", ".join(get_args(Role)))],
    person: Annotated[str, typer.Option(help="Whom the audit trail names.")],
    user: Annotated[str | None, typer.Option(help="The user that the token is bound to.")] = None,
    vin: Annotated[str | None, typer.Option(help="The vehicle that the token is bound to.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Valid for so many days; without it, until revoked.")
    ] = None,
    config: Config = None,
) -> None:
    """Make a token and print it alone on the last line. It is shown only once."""
    with _sentences():
        if role not in get_args(Role):
            raise StartError(f"there is no role {role!r}; there are {', '.join(get_args(Role))}")
        settings, now = _settings(config), SystemClock().now()
        try:
            secret, token = make_token(
                role,  # type: ignore[arg-type]  # checked above
                person,
                user=user,
                vin=vin,
                days=days,
                now=now,
                rng=secrets.token_bytes,
            )
        except ValueError as error:
            raise StartError(str(error)) from error

        async def keep(store: SqliteStore) -> None:
            await store.add_token(token)
            details = {"role": role, "person": person, "user": user, "vin": vin}
            await store.audit([AuditEntry(now, _who(), "token.created", token.id, details)])

        _with_store(settings, keep)
    typer.echo(f"Token {token.id} for {person} ({role}):", err=True)
    typer.echo(secret)


@token_app.command("list")
def token_list(config: Config = None) -> None:
    """List tokens; secrets are not kept."""
    with _sentences():
        tokens = _with_store(_settings(config), lambda store: store.tokens())
    for token in tokens:
        end = "revoked" if token.revoked_at else _until(token.expires_at)
        typer.echo(
            f"{token.id}  {token.role:15} {token.person:20} {token.user or '-'} {token.vin or '-'}  {end}"
        )


@token_app.command("revoke")
def token_revoke(token_id: str, config: Config = None) -> None:
    """Revoke a token; it stops working within 2 s."""
    with _sentences():
        now = SystemClock().now()

        async def revoke(store: SqliteStore) -> bool:
            if not await store.revoke_token(token_id, now):
                return False
            await store.audit([AuditEntry(now, _who(), "token.revoked", token_id)])
            return True

        if not _with_store(_settings(config), revoke):
            raise StartError(f"there is no token {token_id!r}")
    typer.echo(f"Token {token_id} is revoked.")


@fleet_app.command("import")
def fleet_import(file: Path, config: Config = None) -> None:
    """Insert or replace vehicles from JSON lines. A bad line stops the import before anything is changed."""
    with _sentences():
        settings = _settings(config)
        registrations = list(read_registrations(file))

        async def register(store: SqliteStore) -> None:
            parts = range(0, len(registrations), IMPORT_AT_ONCE)
            console = Console(stderr=True)
            for start in track(parts, "Importing", console=console, disable=not console.is_terminal):
                await store.register(registrations[start : start + IMPORT_AT_ONCE])
            details = {"vehicles": len(registrations), "file": file.name}
            await store.audit([AuditEntry(SystemClock().now(), _who(), "fleet.imported", file.name, details)])

        _with_store(settings, register)
    typer.echo(f"{len(registrations)} vehicles are registered.")


def _who() -> str:
    """Who ran the command, as far as the system knows."""
    return f"cli:{os.environ.get('USER') or os.getuid()}"


def _until(at: datetime | None) -> str:
    return "no end" if at is None else f"until {at.isoformat(timespec='minutes')}"
