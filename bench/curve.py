"""
Latency over load: what was measured at each load, where the knee is, what was the limit there, and a picture.

A load is *served* if the gateway counted 98 % of it while it lasted, none of it was lost, and 99 % of the
thefts were at the webhook in time. The knee is the first that is not; the highest before it is *sustained*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from statistics import median

from msgspec import Struct

from bench.figures import Percentiles, Rounds, percentiles
from bench.probe import Samples
from vehicle_emulator import chart
from vehicle_emulator.chart import Chart, Line

IN_TIME_MS = 50.0
SERVED_SHARE = 0.98
GAP = 24
HEAD = 74
STYLE = f"""
svg {{ background: #fff; font: 11px system-ui, sans-serif; }}
svg line {{ stroke: #d6dbe3; }} svg text {{ fill: #475467; }}
svg text.title {{ fill: #1c2430; font-size: 14px; }}
{chart.STYLE}"""


class Step(Struct, frozen=True, kw_only=True):
    """One load. ``ms``: all rounds together; ``ratio``: p50 of the feed to the bare round trip's."""

    wanted_per_s: float
    telemetry_per_s: float
    lost: int
    ms: dict[str, Percentiles]
    ratio: Rounds
    cores: dict[str, float]
    limit: str
    in_time_ms: float

    @property
    def is_served(self) -> bool:
        """See above."""
        flowed = self.telemetry_per_s >= SERVED_SHARE * self.wanted_per_s
        return flowed and not self.lost and self.ms["webhook"].p99 <= self.in_time_ms


class Curve(Struct, frozen=True):
    """``knee_per_s`` is None where every load was served."""

    steps: tuple[Step, ...]
    sustained_per_s: float
    knee_per_s: float | None

    def sentence(self) -> str:
        """What was found, for people."""
        if self.knee_per_s is None:
            return f"no knee up to {self.sustained_per_s:,.0f} messages/s"
        knee = self.steps[-1]
        why = f"; there the limit was {knee.limit}" if knee.limit else ""
        return f"{self.sustained_per_s:,.0f} messages/s sustained, knee at {self.knee_per_s:,.0f}{why}"


def step(samples: Sequence[Samples], in_time_ms: float = IN_TIME_MS) -> Step:
    """What the rounds at one load say together."""
    return Step(
        wanted_per_s=samples[0].wanted_per_s,
        telemetry_per_s=median(one.telemetry_per_s for one in samples),
        lost=sum(one.telemetry_lost for one in samples),
        ms={way: percentiles([ms for one in samples for ms in one.ms[way]]) for way in samples[0].ms},
        ratio=Rounds(tuple(one.ratio("mqtt") for one in samples)),
        cores={
            name: median(one.cores.get(name, 0.0) for one in samples)
            for name in sorted({name for one in samples for name in one.cores})
        },
        limit=next((one.limit for one in samples if one.limit), ""),
        in_time_ms=in_time_ms,
    )


def curve(steps: Sequence[Step]) -> Curve:
    """Up to the first load that was not served."""
    knee = next((number for number, one in enumerate(steps) if not one.is_served), None)
    served = steps if knee is None else steps[:knee]
    shown = steps if knee is None else steps[: knee + 1]
    sustained = served[-1].wanted_per_s if served else 0.0
    return Curve(tuple(shown), sustained, None if knee is None else steps[knee].wanted_per_s)


def picture(found: Curve, about: str, names: Mapping[str, str]) -> str:
    """The whole curve as one SVG; ``names`` of the ways that are shown."""
    steps = found.steps
    loads = [one.wanted_per_s for one in steps]

    def ways(figure: Callable[[Percentiles], float]) -> list[Line]:
        return [Line(name, [figure(one.ms[way]) for one in steps]) for way, name in names.items()]

    def drawing(title: str, lines: Sequence[Line], *, is_log: bool = False) -> Chart:
        return Chart(title, loads, lines, "telemetry messages/s", found.knee_per_s, is_log)

    cores = [
        Line(name, [one.cores.get(of) for one in steps])
        for name, of in (
            ("machine", "machine"),
            ("broker", "broker"),
            ("gateway", "gateway"),
            ("source", "source"),
        )
    ]
    charts = (
        drawing("p50, ms", ways(lambda one: one.p50), is_log=True),
        drawing("p99, ms", ways(lambda one: one.p99), is_log=True),
        drawing(
            "p50 of the feed, times the bare round trip", [Line("ratio", [one.ratio.median for one in steps])]
        ),
        drawing("cores used", cores),
    )
    wide, high = chart.WIDTH + GAP, chart.HEIGHT + 2 * GAP
    parts = [
        f'<g transform="translate({GAP + number % 2 * wide},{HEAD + number // 2 * high})">'
        f'<text class="title" y="-8">{escape(one.title)}</text>{chart.drawn(one)}</g>'
        for number, one in enumerate(charts)
    ]
    size = f"0 0 {2 * wide + GAP} {HEAD + 2 * high}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img"><style>{STYLE}</style>'
        f'<text class="title" x="{GAP}" y="20">Alarm latency: {escape(found.sentence())}</text>'
        f'<text x="{GAP}" y="38">{escape(about)}</text>{"".join(parts)}</svg>\n'
    )
