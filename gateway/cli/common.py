"""What commands share: their configuration, the store, and how they speak."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.adapters import logs
from gateway.adapters.storage import STORES
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.errors import GatewayError, SettingsError
from gateway.settings import Settings, load

BAD_CONFIGURATION = 2
SAY_EVERY_S = 5.0

Config = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file (TOML).")]


@contextmanager
def sentences() -> Iterator[None]:
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


def settings_of(config: Path | None) -> Settings:
    """The configuration: file, then environment."""
    return load(config, os.environ)


def with_store(settings: Settings, work: Callable[[SqliteStore], Any]) -> Any:
    """Do ``work`` (a coroutine function) on the store, beside a running gateway or without one."""
    store = STORES["sqlite"](settings.database, settings.canary.vin)
    try:
        return asyncio.run(work(store))
    finally:
        store.close()


def who() -> str:
    """Who ran the command, as far as the system knows."""
    return f"cli:{os.environ.get('USER') or os.getuid()}"


def until_text(at: datetime | None) -> str:
    """When something ends, in words."""
    return "no end" if at is None else f"until {at.isoformat(timespec='minutes')}"
