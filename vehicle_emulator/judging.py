"""Commands that judge: the scorecard of a run, and the drills of a checkout."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from vehicle_emulator import files, report, score, verdict
from vehicle_emulator.report import Report

DRILLS = "bench"
console = Console()


def score_run(
    report_file: Annotated[
        Path, typer.Option("--report", exists=True, dir_okay=False, help="closing report of `run --report`")
    ],
    soc: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="JSON lines of what the SOC got, with received_at"),
    ],
    ledger: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="events of `run --ledger`: finds losses")
    ] = None,
    max_false: Annotated[float, typer.Option(help="bound: false alarms per 1,000 vehicle-days")] = 1.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="the scorecard as JSON")] = None,
) -> None:
    """Score what a SOC got of a run against its labels; exit 1 beyond a bound."""
    closing = files.read_json(report_file, Report, "--report")
    lines = [] if ledger is None else files.read_json_lines(ledger, report.Line, "--ledger")
    began_s = datetime.fromisoformat(closing.started_at).timestamp()
    misread = verdict.misread(soc)
    # On a bad way vehicles are not heard although they speak, and what can't be read is noted.
    is_bad = any(name.startswith("fault_") for name in closing.connections)
    ran = score.Run(
        closing.vehicles, began_s, closing.ran_s, len(closing.left_out), len(misread),
        None if is_bad else closing.silences,
    )  # fmt: skip
    card = score.score(ran, closing.scenarios, verdict.read_feed(soc), lines)
    table = Table(title=f"scorecard, seed {closing.seed}", show_header=False)
    for name, value in card.rows():
        table.add_row(name, str(value))
    console.print(table)
    if json_file is not None:
        files.write(json_file, msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    broken = card.broken(score.Bounds(false_per_1000_days=max_false))
    if misread:
        console.print(f"{soc}: line {misread[0]} is the first that is no message")
    for sentence in broken:
        console.print(f"FAILED: {sentence}")
    raise typer.Exit(1 if broken else 0)


def drill(
    words: Annotated[
        list[str], typer.Argument(help="kills, outage, flood, storm, overload, day or slice, and options")
    ],
) -> None:
    """Injure a running gateway, broker or SOC on a seed and print the ledger; needs a checkout."""
    if find_spec(DRILLS) is None:
        console.print(
            "The drills start gateway, broker and SOC: run this in a checkout (python3 dev.py setup)."
        )
        raise typer.Exit(2)
    done = subprocess.run([sys.executable, "-m", DRILLS, "drill", *words], check=False)  # noqa: S603  # our own
    raise typer.Exit(done.returncode)
