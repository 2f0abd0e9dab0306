"""The closing report of a run as one HTML page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from vehicle_emulator.realism.page import STYLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vehicle_emulator.figures import Percentiles
    from vehicle_emulator.ramp import Climb, Step
    from vehicle_emulator.report import Report

_WIDTH: Final = 560
_HEIGHT: Final = 240
_LEFT: Final = 60
_RIGHT: Final = 24
_TOP: Final = 26
_BOTTOM: Final = 36
_LINES: Final = ("#2f6f9f", "#b4690e", "#a3244f")
_MORE_STYLE: Final = """
svg polyline { fill: none; stroke-width: 2; } svg line.knee { stroke: #a3244f; stroke-dasharray: 4 3; }
.warning { color: #a3244f; font-weight: 600; }
"""


class _Line(NamedTuple):
    name: str
    values: Sequence[float | None]
    """None where there is nothing to show."""


def html(report: Report) -> str:
    """The whole page."""
    title = f"{report.vehicles:,} emulated vehicles"
    warning = f'<p class="warning">{escape(report.limit)}</p>' if report.limit else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{STYLE}{_MORE_STYLE}</style></head><body>
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
        _Line("p50", [None if one is None else one.p50 for one in heard]),
        _Line("p99", [None if one is None else one.p99 for one in heard]),
        _Line("p99.9", [None if one is None else one.p999 for one in heard]),
    ]
    in_time = [share * rate for share, rate in zip(served, rates, strict=True)]
    late = _Line("p99", _of(steps, lambda one: one.own_lateness_ms.p99))
    charts = (
        (f"{'Event' if what == 'events' else 'Alarm beside it'} to receipt, ms", latencies),
        (f"{unit.capitalize()} served within a second", [_Line("wanted", rates), _Line("served", in_time)]),
        ("The emulator's own lateness, ms", [late]),
        ("The emulator's own CPU, cores", [_Line("cores", _of(steps, lambda one: one.own_cores))]),
    )
    drawn = "\n".join(_chart(title, lines, climb) for title, lines in charts)
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


def _chart(title: str, lines: Sequence[_Line], climb: Climb) -> str:
    """Lines over the rate; the same figures stand in the table below, for those who can't see them."""
    rates = [step.rate_per_s for step in climb.steps]
    highest = max(1e-9, *(value for line in lines for value in line.values if value is not None))
    floor = _HEIGHT - _BOTTOM

    def x(rate: float) -> float:
        return _LEFT + (rate / rates[-1]) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return floor - value / highest * (floor - _TOP)

    parts = [f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{floor}" y2="{floor}"/>']
    for place, (line, color) in enumerate(zip(lines, _LINES, strict=False)):
        known = [(rate, value) for rate, value in zip(rates, line.values, strict=True) if value is not None]
        parts.append(_drawn([(x(rate), y(value), value) for rate, value in known], color))
        parts.append(f'<text x="{_LEFT + 90 * place}" y="12" style="fill:{color}">{escape(line.name)}</text>')
    if climb.knee_per_s is not None:
        at = x(climb.knee_per_s)
        parts.append(f'<line class="knee" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{floor}"/>')
    parts += [
        f'<text x="{x(rate):.1f}" y="{floor + 14}" text-anchor="middle">{rate:,.0f}</text>'
        for rate in (rates[0], rates[-1])
    ]
    return (
        f"<figure><h2>{escape(title)}</h2>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)} over {climb.unit}">'
        f'{"".join(parts)}<text x="0" y="{_TOP + 4}">{highest:,.1f}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{climb.unit}</text></svg></figure>'
    )


def _drawn(points: Sequence[tuple[float, float, float]], color: str) -> str:
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)
    dots = "".join(
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{color}"><title>{value:,.2f}</title></circle>'
        for left, top, value in points
    )
    return f'<polyline points="{path}" stroke="{color}"/>{dots}'


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
