"""Accounts of people: their apps, and the console."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters.broker_passwords import hashed, reload, set_password
from gateway.adapters.clock import SystemClock
from gateway.api.passwords import hash_password, made_up
from gateway.cli.common import Config, sentences, settings_of, until_text, who, with_store
from gateway.domain.people.shapes import USER_PATTERN
from gateway.errors import StartError
from gateway.ports import AuditEntry, Person, User
from gateway.settings import Settings
from gateway.wire.topics import is_vin

CONSOLE_ROLES = ("operator", "supervisor", "auditor", "admin")

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command("list")
def user_list(config: Config = None) -> None:
    """List who can log in."""
    with sentences():
        persons = with_store(settings_of(config), lambda store: store.persons())
    for one in persons:
        typer.echo(f"{one.name:24} {one.role:11} {'removed' if one.removed_at else ''}".rstrip())


@app.command("remove")
def user_remove(name: str, config: Config = None) -> None:
    """Let a person log in no more; what they have open ends within 2 s."""
    with sentences():
        entry = AuditEntry(SystemClock().now(), who(), "person.removed", name)
        if not with_store(settings_of(config), lambda store: store.remove_person(name, entry)):
            raise StartError(f"nobody logs in as {name!r}")
    typer.echo(f"{name} can log in no more.")


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: can't be read: {error}") from error


@app.command("add")
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
    with sentences():
        if is_vin(user) or re.fullmatch(USER_PATTERN, user) is None:
            raise StartError(
                f"{user!r}: 1 to 64 of A-Z a-z 0-9 _ . @ -, no VIN, and not beginning with gateway"
            )
        settings = settings_of(config)
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
    entry = AuditEntry(now, who(), "person.added", name, {"role": role})
    with_store(settings, lambda store: store.put_person(login, entry))
    typer.echo(f"{name} ({role}) can log in to the console now.", err=True)
    if until is not None:
        typer.echo(f"The link and the password are good once, {until_text(until)}:", err=True)
        # Behind the #, so that no browser sends it and no log has it.
        typer.echo(f"{settings.api.address}/#login/{name}/{password}")
        typer.echo(password)


def _add_app(settings: Settings, user: str, person: str | None) -> None:
    now, password = SystemClock().now(), secrets.token_urlsafe(18)
    file, pid_file = settings.mqtt.users_password_file, settings.mqtt.broker_pid_file
    if file is not None:
        set_password(Path(file), user, password)
    entry = AuditEntry(now, who(), "user.added", user, {"person": person})
    fresh = with_store(settings, lambda store: store.add_user(User(user, person or user, now), entry))
    told = pid_file is not None and reload(Path(pid_file))
    typer.echo(f"{user} is {'added' if fresh else 'known already, and has another password now'}.", err=True)
    if file is None:
        typer.echo(f"Add this line to the broker's password file: {user}:{hashed(password)}", err=True)
    if not told:
        typer.echo("The broker knows the password once it has read its files again (SIGHUP).", err=True)
    typer.echo(password)
