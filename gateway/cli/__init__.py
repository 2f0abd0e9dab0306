"""Commands of ``vehicle-gateway``. They work with or without a running gateway and take effect within 2 s."""

from __future__ import annotations

import typer

from gateway.cli import fleet, people, tokens
from gateway.cli.records import export_facts, replay, verify
from gateway.cli.running import check_config, doctor, run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for command in (run, check_config, doctor, verify, replay, export_facts):
    app.command()(command)
app.add_typer(tokens.app, name="token")
app.add_typer(fleet.app, name="fleet")
app.add_typer(people.app, name="user")


def main() -> None:
    """Entry point of the installed command."""
    app()
