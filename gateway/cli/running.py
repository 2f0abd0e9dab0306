"""Run the gateway, and try what it needs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from gateway.adapters import logs
from gateway.adapters.site_map import wrong_with
from gateway.app import run as run_gateway
from gateway.cli.common import Config, sentences, settings_of
from gateway.doctor import examine
from gateway.errors import SettingsError


def run(config: Config = None) -> None:
    """Run the gateway until SIGTERM."""
    with sentences():
        settings = settings_of(config)
        log = logs.configure(as_json=settings.gateway.log == "json")
        asyncio.run(run_gateway(settings, log))


def check_config(config: Config = None) -> None:
    """Read the configuration and say what is wrong with it."""
    with sentences():
        settings = settings_of(config)
        _check_map(settings.console.map_file)
    typer.echo(
        f"The configuration is good: instance {settings.gateway.instance}, {len(settings.sinks)} sink(s)."
    )


def _check_map(stated: str | None) -> None:
    """A running gateway goes on without its map; who checks wants to know."""
    if stated is not None and (wrong := wrong_with(Path(stated))) is not None:
        raise SettingsError(f"console.map_file: {stated}: {wrong}")


def doctor(config: Config = None) -> None:
    """Try broker, credentials, access list, store and sinks, and name what is wrong."""
    with sentences():
        settings = settings_of(config)
        findings = asyncio.run(examine(settings))
    for finding in findings:
        typer.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.sentence}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
