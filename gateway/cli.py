"""Commands of ``vehicle-gateway``. They work with or without a running gateway and take effect within 2 s."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress, TextColumn

from gateway.adapters import logs
from gateway.adapters.broker_passwords import hashed, reload, set_password
from gateway.adapters.clock import SystemClock
from gateway.adapters.seal import open_seal
from gateway.adapters.site_map import wrong_with
from gateway.adapters.storage import STORES
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.api.auth import make_token
from gateway.api.passwords import hash_password, made_up
from gateway.app import run as run_gateway
from gateway.doctor import examine
from gateway.domain.alarms import Alarm
from gateway.domain.audit_trail import Head, parse_head
from gateway.domain.people.shapes import USER_PATTERN
from gateway.domain.signals import Registration
from gateway.errors import GatewayError, SettingsError, StartError
from gateway.pipeline.replay import differences
from gateway.ports import AuditEntry, Person, Role, Seal, User
from gateway.recordings import as_sentence, exported
from gateway.recordings import replay as run_recording
from gateway.registry import Checked, entries
from gateway.registry import check as check_fleet
from gateway.settings import Settings, load
from gateway.verifying import check_export, check_store
from gateway.wire.topics import is_vin

T = TypeVar("T")

BAD_CONFIGURATION = 2
SAY_EVERY_S = 5.0
CONSOLE_ROLES = ("operator", "supervisor", "auditor", "admin")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
token_app = typer.Typer(no_args_is_help=True, help="Bearer tokens of people and systems.")
user_app = typer.Typer(no_args_is_help=True, help="Accounts of people: their apps, and the console.")
fleet_app = typer.Typer(no_args_is_help=True, help="The registry of vehicles.")
app.add_typer(token_app, name="token")
app.add_typer(fleet_app, name="fleet")
app.add_typer(user_app, name="user")

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
        _check_map(settings.console.map_file)
    typer.echo(
        f"The configuration is good: instance {settings.gateway.instance}, {len(settings.sinks)} sink(s)."
    )


def _check_map(stated: str | None) -> None:
    """A running gateway goes on without its map; who checks wants to know."""
    if stated is not None and (wrong := wrong_with(Path(stated))) is not None:
        raise SettingsError(f"console.map_file: {stated}: {wrong}")


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
    with _sentences(), _bar("Audit trail") as progress:
        if export is None:
            found, end = check_store(_settings(config).database, _heads(head or []), progress)
        else:
            store = None if config is None else _settings(config).database
            found, end = check_export(export, _heads(head or []), store), None
    for sentence in found:
        typer.echo(sentence)
    if found:
        raise typer.Exit(1)
    typer.echo("The store is whole." if export is None else "The export is what the gateway wrote.")
    if end is not None:
        typer.echo(f"Head of the audit trail, to be written down elsewhere: {end}")


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


@user_app.command("list")
def user_list(config: Config = None) -> None:
    """List who can log in."""
    with _sentences():
        persons = _with_store(_settings(config), lambda store: store.persons())
    for one in persons:
        typer.echo(f"{one.name:24} {one.role:11} {'removed' if one.removed_at else ''}".rstrip())


@user_app.command("remove")
def user_remove(name: str, config: Config = None) -> None:
    """Let a person log in no more; what they have open ends within 2 s."""
    with _sentences():
        entry = AuditEntry(SystemClock().now(), _who(), "person.removed", name)
        if not _with_store(_settings(config), lambda store: store.remove_person(name, entry)):
            raise StartError(f"nobody logs in as {name!r}")
    typer.echo(f"{name} can log in no more.")


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: can't be read: {error}") from error


@fleet_app.command("import")
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
    with _sentences():
        settings, clock = _settings(config), SystemClock()
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
        done = _with_store(settings, lambda store: _import(store, file, checked, processes, seal))
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
        await store.audit([AuditEntry(clock.now(), _who(), "fleet.imported", file.name, details)])
        if done < checked.vehicles:
            typer.echo(
                f"STOPPED: {done} of {checked.vehicles} vehicles are registered, up to line {last_line}.",
                err=True,
            )
            typer.echo("The same import may be started again: it replaces what is there.", err=True)
    return done


@user_app.command("add")
def user_add(  # noqa: PLR0917  # a command's options
    user: str,
    person: Annotated[str | None, typer.Option(help="Whose account it is, for the record.")] = None,
    role: Annotated[
        str | None, typer.Option(help="Let them log in to the console as: " + ", ".join(CONSOLE_ROLES))
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="With a role: file with the password; else a one-time one is made."),
    ] = None,
    hours: Annotated[
        int, typer.Option(min=1, max=168, help="With a role: how long the one-time password is good.")
    ] = 24,
    config: Config = None,
) -> None:
    """
    Add a person's account and print its password alone on the last line. It is shown only once.

    Without a role it is the MQTT password of a person's app: with [mqtt] users_password_file the broker's
    file is changed; with broker_pid_file it is told at once. What the user may do with a vehicle, the
    registry says. With a role the person logs in to the console under this name; a known name gets another
    password. It is good once, to set one's own; the link above it leads there.
    """
    with _sentences():
        if is_vin(user) or re.fullmatch(USER_PATTERN, user) is None:
            raise StartError(
                f"{user!r}: 1 to 64 of A-Z a-z 0-9 _ . @ -, no VIN, and not beginning with gateway"
            )
        settings = _settings(config)
        if role is None:
            _add_app(settings, user, person)
        else:
            _add_login(settings, user, role, password_file, hours)


def _add_login(settings: Settings, name: str, role: str, password_file: Path | None, hours: int) -> None:
    if role not in CONSOLE_ROLES:
        raise StartError(f"{role!r} is no role of the console; there are {', '.join(CONSOLE_ROLES)}")
    password, now = made_up() if password_file is None else _first_line(password_file), SystemClock().now()
    try:
        until = now + timedelta(hours=hours) if password_file is None else None
        login = Person(name, role, hash_password(password), now, one_time_until=until)  # type: ignore[arg-type]  # checked above
    except ValueError as error:
        raise StartError(str(error)) from error
    entry = AuditEntry(now, _who(), "person.added", name, {"role": role})
    _with_store(settings, lambda store: store.put_person(login, entry))
    typer.echo(f"{name} ({role}) can log in to the console now.", err=True)
    if until is not None:
        typer.echo(f"The link and the password are good once, {_until(until)}:", err=True)
        # Behind the #, so that no browser sends it and no log has it.
        typer.echo(f"{settings.api.address}/#login/{name}/{password}")
        typer.echo(password)


def _add_app(settings: Settings, user: str, person: str | None) -> None:
    now, password = SystemClock().now(), secrets.token_urlsafe(18)
    file, pid_file = settings.mqtt.users_password_file, settings.mqtt.broker_pid_file
    if file is not None:
        set_password(Path(file), user, password)
    entry = AuditEntry(now, _who(), "user.added", user, {"person": person})
    fresh = _with_store(settings, lambda store: store.add_user(User(user, person or user, now), entry))
    told = pid_file is not None and reload(Path(pid_file))
    typer.echo(f"{user} is {'added' if fresh else 'known already, and has another password now'}.", err=True)
    if file is None:
        typer.echo(f"Add this line to the broker's password file: {user}:{hashed(password)}", err=True)
    if not told:
        typer.echo("The broker knows the password once it has read its files again (SIGHUP).", err=True)
    typer.echo(password)


def _who() -> str:
    """Who ran the command, as far as the system knows."""
    return f"cli:{os.environ.get('USER') or os.getuid()}"


def _until(at: datetime | None) -> str:
    return "no end" if at is None else f"until {at.isoformat(timespec='minutes')}"
