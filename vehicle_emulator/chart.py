"""Lines over a load as SVG: for pages that need nothing but themselves."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 560
HEIGHT: Final = 240
_LEFT: Final = 60
_RIGHT: Final = 24
_TOP: Final = 26
_BOTTOM: Final = 36
_COLORS: Final = ("#2f6f9f", "#b4690e", "#a3244f", "#4d7c0f", "#6d4aa8")
STYLE: Final = """
svg polyline { fill: none; stroke-width: 2; } svg line.knee { stroke: #a3244f; stroke-dasharray: 4 3; }
"""


class Line(NamedTuple):
    """One figure at each load; None where there is nothing to show."""

    name: str
    values: Sequence[float | None]


class Chart(NamedTuple):
    """``loads`` in ascending order, in ``unit``; ``is_log``: each step of the scale is ten times the last."""

    title: str
    loads: Sequence[float]
    lines: Sequence[Line]
    unit: str
    knee: float | None = None
    is_log: bool = False


def svg(chart: Chart) -> str:
    """The chart; the same figures should stand in a table, for those who can't see them."""
    label = escape(f"{chart.title} over {chart.unit}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{drawn(chart)}</svg>'


def drawn(chart: Chart) -> str:
    """What is in it: ``WIDTH`` by ``HEIGHT``, for a picture of several."""
    known = [value for line in chart.lines for value in line.values if value is not None]
    low, high = _ends(known, is_log=chart.is_log)
    floor = HEIGHT - _BOTTOM

    def x(load: float) -> float:
        return _LEFT + (load / (chart.loads[-1] or 1.0)) * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        share = math.log(max(value, low) / low) / math.log(high / low) if chart.is_log else value / high
        return floor - share * (floor - _TOP)

    parts = [f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
             f'<text x="{_LEFT - 8}" y="{y(at) + 4:.1f}" text-anchor="end">{_number(at)}</text>'
             for at in _ticks(low, high, is_log=chart.is_log)]  # fmt: skip
    for place, (line, color) in enumerate(zip(chart.lines, _COLORS, strict=False)):
        points = zip(chart.loads, line.values, strict=True)
        parts.append(_line([(x(load), y(one), one) for load, one in points if one is not None], color))
        parts.append(f'<text x="{_LEFT + 90 * place}" y="12" style="fill:{color}">{escape(line.name)}</text>')
    if chart.knee is not None:
        at = x(chart.knee)
        parts.append(f'<line class="knee" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{floor}"/>')
    parts += [
        f'<text x="{x(load):.1f}" y="{floor + 14}" text-anchor="middle">{load:,.0f}</text>'
        for load in (chart.loads[0], chart.loads[-1])
    ]
    return f'{"".join(parts)}<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{escape(chart.unit)}</text>'


def _ends(values: Sequence[float], *, is_log: bool) -> tuple[float, float]:
    high = max(1e-9, *values) if values else 1.0
    if not is_log:
        return 0.0, high
    low = min((value for value in values if value > 0.0), default=high)
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** max(
        math.ceil(math.log10(high)), math.floor(math.log10(low)) + 1
    )


def _ticks(low: float, high: float, *, is_log: bool) -> list[float]:
    if not is_log:
        return [0.0, high]
    return [low * 10.0**step for step in range(round(math.log10(high / low)) + 1)]


def _number(value: float) -> str:
    return f"{value:,.1f}" if value >= 1.0 or not value else f"{value:g}"


def _line(points: Sequence[tuple[float, float, float]], color: str) -> str:
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)
    dots = "".join(
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{color}"><title>{value:,.2f}</title></circle>'
        for left, top, value in points
    )
    return f'<polyline points="{path}" stroke="{color}"/>{dots}'
