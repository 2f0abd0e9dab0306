"""Bearer tokens of people and systems."""

from __future__ import annotations

import secrets
from typing import Annotated, get_args

import typer

from gateway.adapters.clock import SystemClock
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.api.auth import make_token
from gateway.cli.common import Config, sentences, settings_of, until_text, who, with_store
from gateway.errors import StartError
from gateway.ports import AuditEntry, Role

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command("create")
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
    with sentences():
        if role not in get_args(Role):
            raise StartError(f"there is no role {role!r}; there are {', '.join(get_args(Role))}")
        settings, now = settings_of(config), SystemClock().now()
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
            await store.audit([AuditEntry(now, who(), "token.created", token.id, details)])

        with_store(settings, keep)
    typer.echo(f"Token {token.id} for {person} ({role}):", err=True)
    typer.echo(secret)


@app.command("list")
def token_list(config: Config = None) -> None:
    """List tokens; secrets are not kept."""
    with sentences():
        tokens = with_store(settings_of(config), lambda store: store.tokens())
    for token in tokens:
        end = "revoked" if token.revoked_at else until_text(token.expires_at)
        typer.echo(
            f"{token.id}  {token.role:15} {token.person:20} {token.user or '-'} {token.vin or '-'}  {end}"
        )


@app.command("revoke")
def token_revoke(token_id: str, config: Config = None) -> None:
    """Revoke a token; it stops working within 2 s."""
    with sentences():
        now = SystemClock().now()

        async def revoke(store: SqliteStore) -> bool:
            if not await store.revoke_token(token_id, now):
                return False
            await store.audit([AuditEntry(now, who(), "token.revoked", token_id)])
            return True

        if not with_store(settings_of(config), revoke):
            raise StartError(f"there is no token {token_id!r}")
    typer.echo(f"Token {token_id} is revoked.")
