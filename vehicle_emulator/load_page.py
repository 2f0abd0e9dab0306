"""The closing report of a run as one HTML page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import chart
from vehicle_emulator.chart import Line
from vehicle_emulator.realism.page import STYLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vehicle_emulator.figures import Percentiles
    from vehicle_emulator.ramp import Climb, Step
    from vehicle_emulator.report import Report

_MORE_STYLE: Final = """
.warning { color: #a3244f; font-weight: 600; }
"""


def html(report: Report) -> str:
    """The whole page."""
    title = f"{report.vehicles:,} emulated vehicles"
    warning = f'<p class="warning">{escape(report.limit)}</p>' if report.limit else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{STYLE}{chart.STYLE}{_MORE_STYLE}</style></head><body>
<h1>{title}</h1>
<p>Seed {report.seed}, {report.ran_s:,.1f} s from {escape(report.started_at)}, MQTT {escape(report.protocol)}.
Open loop: latency counts from the moment an event was due.</p>
{warning}
{"" if report.climb is None else _climb(report.climb)}
<h2>Milliseconds</h2>
{_spreads(report)}
<h2>Counts</h2>
{_counts(report)}
</body></html>
"""


def _climb(climb: Climb) -> str:
    steps = climb.steps
    rates, served = _of(steps, lambda one: one.rate_per_s), _of(steps, lambda one: one.served_share)
    heard = [step.latency_ms if step.receipted else None for step in steps]
    unit, what = climb.unit, climb.unit.removesuffix("/s")
    latencies = [
        Line("p50", [None if one is None else one.p50 for one in heard]),
        Line("p99", [None if one is None else one.p99 for one in heard]),
        Line("p99.9", [None if one is None else one.p999 for one in heard]),
    ]
    in_time = [share * rate for share, rate in zip(served, rates, strict=True)]
    late = Line("p99", _of(steps, lambda one: one.own_lateness_ms.p99))
    charts = (
        (f"{'Event' if what == 'events' else 'Alarm beside it'} to receipt, ms", latencies),
        (f"{unit.capitalize()} served within a second", [Line("wanted", rates), Line("served", in_time)]),
        ("The emulator's own lateness, ms", [late]),
        ("The emulator's own CPU, cores", [Line("cores", _of(steps, lambda one: one.own_cores))]),
    )
    drawn = "\n".join(_figure(title, lines, climb) for title, lines in charts)
    head = (unit, "served in 1 s", "p50", "p99", "p99.9", "max", "own lateness p99", "own cores", "")
    rows = [
        (
            f"{step.rate_per_s:,.0f}", f"{step.served_share:.2%}",
            *_numbers(step.latency_ms), f"{step.own_lateness_ms.p99:,.1f}", f"{step.own_cores:.2f}",
            ("served" if step.is_served else "not served") + (f"; {step.limit}" if step.limit else ""),
        )
        for step in steps
    ]  # fmt: skip
    return (
        f'<p><strong>{escape(climb.sentence())}.</strong></p><div class="charts">{drawn}</div>'
        f"{_table(head, rows)}"
    )


def _of(steps: Sequence[Step], figure: Callable[[Step], float]) -> list[float]:
    return [figure(step) for step in steps]


def _figure(title: str, lines: Sequence[Line], climb: Climb) -> str:
    rates = _of(climb.steps, lambda one: one.rate_per_s)
    shown = chart.svg(chart.Chart(title, rates, lines, climb.unit, climb.knee_per_s))
    return f"<figure><h2>{escape(title)}</h2>{shown}</figure>"


def _spreads(report: Report) -> str:
    spreads = [("event to receipt", report.receipt_latency_ms), ("own lateness", report.lag_ms)]
    if report.commands is not None:
        spreads.append(("command to performed", report.commands.performed_ms))
    head = ("", "count", "p50", "p99", "p99.9", "max")
    return _table(head, [(name, f"{one.count:,}", *_numbers(one)) for name, one in spreads])


def _counts(report: Report) -> str:
    telemetry = {"sent": report.telemetry_sent, "dropped": report.telemetry_dropped}
    groups: list[tuple[str, Mapping[str, int]]] = [
        ("events", msgspec.structs.asdict(report.events)),
        ("telemetry", telemetry),
        ("connections", report.connections),
    ]
    rows = [(group, name, f"{count:,}") for group, named in groups for name, count in named.items()]
    return _table(("", "", ""), [*rows, ("emulator", "own CPU, cores", f"{report.own_cores:.2f}")])


def _numbers(one: Percentiles) -> tuple[str, ...]:
    if not one.count:
        return ("none",) * 4
    return tuple(f"{value:,.1f}" for value in (one.p50, one.p99, one.p999, one.max))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
