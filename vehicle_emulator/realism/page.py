"""The measurement for people: a table for the terminal, and one HTML page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from vehicle_emulator.realism.published import PUBLISHED

if TYPE_CHECKING:
    from vehicle_emulator.realism.measure import Histogram, Measured, Spread
    from vehicle_emulator.realism.published import Figure

_WIDTH: Final = 560
_HEIGHT: Final = 170
_LEFT: Final = 46
_TOP: Final = 12
_BOTTOM: Final = 34
_EVERY_LABELS: Final = 8
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --line: #d6dbe3;
  --bar: #2f6f9f; --bg: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #98a2b3; --line: #3a4352; --bar: #6fb0dd; --bg: #14181f; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--bg);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 0 0 .3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
p, small, td small { color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem;
  margin: 2rem 0; }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg rect { fill: var(--bar); } svg line { stroke: var(--line); }
"""


def verdict(measured: float, figure: Figure) -> str:
    """Where the fleet stands beside the published range."""
    if measured < figure.low:
        return "below"
    return "above" if measured > figure.high else "within"


def table(measured: Measured) -> Table:
    """One row for each published figure."""
    title = f"{measured.vehicles} vehicles, {measured.days:g} days, seed {measured.seed}"
    view = Table("", "this fleet", "published", "", "source", title=title)
    for figure in PUBLISHED:
        here = measured.figures[figure.of]
        view.add_row(
            figure.title, _number(here, figure.unit), figure.says, verdict(here, figure), figure.source
        )
    return view


def html(measured: Measured) -> str:
    """The whole page."""
    rows = "\n".join(_row(measured, figure) for figure in PUBLISHED)
    charts = "\n".join(_chart(one) for one in measured.histograms)
    spreads = "\n".join(_spread(name, one) for name, one in measured.spreads.items())
    about = (
        f"{measured.messages:,} messages of {measured.vehicles} vehicles in {measured.days:g} days,"
        f" seed {measured.seed}. Measured from the messages alone. Where a source gives one number, its range"
        " here is a tenth around it."
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>An emulated fleet beside published figures</title><style>{STYLE}</style></head><body>
<h1>An emulated fleet beside published figures</h1>
<p>{escape(about)}</p>
<table><thead><tr><th>Figure</th><th>This fleet</th><th>Published</th><th></th><th>Source</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<div class="charts">
{charts}
</div>
<h2>Distributions</h2>
<table><thead><tr><th></th><th>count</th><th>mean</th><th>p10</th><th>p50</th><th>p90</th><th>p99</th></tr></thead>
<tbody>
{spreads}
</tbody></table>
<p>Messages by kind: {_counts(measured.kinds)}. Births and changes by bearer: {_counts(measured.bearers)}.</p>
</body></html>
"""


def _row(measured: Measured, figure: Figure) -> str:
    here = measured.figures[figure.of]
    source = escape(figure.source)
    if figure.url:
        source = f'<a href="{escape(figure.url)}">{source}</a>'
    return (
        f'<tr><td>{escape(figure.title)}</td><td class="n">{escape(_number(here, figure.unit))}</td>'
        f"<td>{escape(figure.says)}</td><td>{verdict(here, figure)}</td><td><small>{source}</small></td></tr>"
    )


def _spread(name: str, spread: Spread) -> str:
    cells = "".join(f'<td class="n">{value:,}</td>' for value in msgspec.structs.astuple(spread))
    return f"<tr><td>{escape(name.replace('_', ' '))}</td>{cells}</tr>"


def _chart(histogram: Histogram) -> str:
    """Bars over an axis; what it shows stands in its title, also for those who can't see it."""
    highest, whole = max(1, *histogram.counts), max(1, sum(histogram.counts))
    step = (_WIDTH - _LEFT) / len(histogram.counts)
    floor = _HEIGHT - _BOTTOM
    parts = []
    for index, count in enumerate(histogram.counts):
        high, left = count / highest * (floor - _TOP), _LEFT + index * step
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{floor - high:.1f}" width="{step - 2:.1f}" height="{high:.1f}">'
            f"<title>from {index * histogram.width:g} {histogram.unit}: {count:,}</title></rect>"
        )
        if index % max(1, len(histogram.counts) // _EVERY_LABELS) == 0:
            parts.append(f'<text x="{left:.1f}" y="{floor + 14}">{index * histogram.width:g}</text>')
    label = f"{histogram.title}: {sum(histogram.counts):,} values"
    return (
        f"<figure><h2>{escape(histogram.title)}</h2>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{floor}" y2="{floor}"/>{"".join(parts)}'
        f'<text x="0" y="{_TOP + 8}">{100 * highest / whole:.0f} %</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{escape(histogram.unit)}</text>'
        "</svg></figure>"
    )


def _number(value: float, unit: str) -> str:
    text = f"{value:.4f}" if value < 0.1 else f"{value:,.1f}"  # noqa: PLR2004  # small ones need their digits
    return f"{text} {unit}".strip()


def _counts(counts: dict[str, int]) -> str:
    return escape(", ".join(f"{name} {count:,}" for name, count in counts.items()))
