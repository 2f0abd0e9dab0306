"""
The goals of speed, and how far the last runs are from them. The one place of their values.

They hold on a machine of 2 cores with broker and load beside the gateway; trust the ratios, whose two sides
were measured in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from msgspec import Struct

from bench.reading.runs import Run
from bench.stored import ACKNOWLEDGE, DECIDED

Found = Mapping[str, Any]
"""What a measurement writes with ``--json``."""
Take = Callable[[Any], list[float]]
"""A figure of each round. Errors: KeyError and the like, if it was not measured."""


class Goal(Struct, frozen=True, kw_only=True):
    """One line. What is judged is the ratio to ``against`` where there is one and it ``is_ratio``."""

    bench: str
    what: str
    take: Take
    value: float
    at_least: bool = False
    against: str = ""
    reference: Take | None = None
    is_ratio: bool = True

    @property
    def judged_name(self) -> str:
        """What the goal's value is about."""
        return f"{self.what}, to {self.against}" if self._by_ratio else self.what

    @property
    def text(self) -> str:
        """The value, for people."""
        return f"{'≥' if self.at_least else '≤'} {short(self.value)}{' x' if self._by_ratio else ''}"

    @property
    def _by_ratio(self) -> bool:
        return self.reference is not None and self.is_ratio

    def figures(self, found: Found) -> tuple[float | None, float | None, float | None]:
        """Figure, reference and ratio, medians of the rounds; None where it was not measured."""
        ours = _values(self.take, found)
        theirs = [] if self.reference is None else _values(self.reference, found)
        if not ours or not theirs:
            return median(ours) if ours else None, None, None
        if len(ours) == len(theirs):
            ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
        else:
            ratio = median(ours) / median(theirs)
        return median(ours), median(theirs), ratio

    def judged(self, found: Found) -> float | None:
        """What is held against the value."""
        figure, _, ratio = self.figures(found)
        return ratio if self._by_ratio else figure

    def reached(self, found: Found) -> bool | None:
        """None: not measured."""
        judged = self.judged(found)
        return None if judged is None else judged >= self.value if self.at_least else judged <= self.value


def table(found: Mapping[str, Found]) -> list[str]:
    """Every goal as a line, by what was found by each measurement."""
    rows = [("", "figure", "reference", "ratio", "goal", "")]
    for goal in GOALS:
        mine = found.get(goal.bench, {})
        figure, reference, ratio = (_cell(value) for value in goal.figures(mine))
        if goal.against:
            reference += f" ({goal.against})"
        word = {None: "not measured", True: "reached", False: "NOT REACHED"}[goal.reached(mine)]
        rows.append((f"{goal.bench}: {goal.what}", figure, reference, ratio, goal.text, word))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def short(value: float) -> str:
    """A number as people read it."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _cell(value: float | None) -> str:
    return "-" if value is None else short(value)


def _values(take: Take, found: Found) -> list[float]:
    try:
        return [float(value) for value in take(found)]
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return []  # not measured, or with options that leave it out


# -- where the figures stand ------------------------------------------------------------------------------


def _rate(bench: str, qos: int, reader: str) -> Take:
    return lambda found: [Run(**run).per_s for run in found[bench]["rounds"][str(qos)][reader]]


def _cpu_us(bench: str, qos: int, reader: str) -> Take:
    return lambda found: [Run(**run).cpu_us for run in found[bench]["rounds"][str(qos)][reader]]


def _alarms(of: Callable[[Any], float]) -> Take:
    return lambda found: [of(one) for one in found["alarms"]["closed"]]


def _receipted_per_s(one: Any) -> float:
    report = one["lap"]["report"]
    return float(report["receipted"] / (report["end_at"] - report["begin_at"]))


def _us_per_alarm(one: Any) -> float:
    return float(one["lap"]["cpu_s"]["gateway"] * 1e6 / one["lap"]["report"]["receipted"])


def _latency(way: str, figure: str, *, loaded: bool) -> Take:
    """Idle, or beside telemetry; of a curve up to the knee, the nearest to half of what was sustained."""

    def take(found: Any) -> list[float]:
        curve = found["latency"].get("curve")
        rounds = [(one["wanted_per_s"], one) for one in found["latency"]["rounds"]]
        loads = {load for load, _ in rounds}
        half = max(loads) if curve is None else curve["sustained_per_s"] / 2
        wanted = min(loads - {0}, key=lambda load: abs(load - half)) if loaded else 0
        return [one[way][figure] for load, one in rounds if load == wanted]

    return take


def _growth(vehicles: int) -> Take:
    return lambda found: [one["cpu_us"] for one in found["growth"]["rounds"][str(vehicles)]]


def _stored(question: str, store: str) -> Take:
    return lambda found: [found["stored"][question][store]["p50"]]


def _fleet(side: str, figure: str) -> Take:
    return lambda found: [one[figure] for one in found["fleet"][side]]


def _start(store: str) -> Take:
    return lambda found: list(found["start"][f"{store}_s"])


def _through_broker(qos: int) -> tuple[Goal, ...]:
    return (
        Goal(
            bench="ingest", what=f"messages/s, QoS {qos}", take=_rate("ingest", qos, "gateway"),
            against="a C drain", reference=_rate("ingest", qos, "drain"), value=1.0, at_least=True,
        ),
        Goal(
            bench="ingest", what=f"us of CPU per message, QoS {qos}", take=_cpu_us("ingest", qos, "gateway"),
            against="gmqtt", reference=_cpu_us("ingest", qos, "gmqtt"), value=0.40,
        ),
    )  # fmt: skip


def _pre_encoded(qos: int) -> tuple[Goal, ...]:
    return tuple(
        Goal(
            bench="cpu", what=f"us of CPU per message, QoS {qos}", take=_cpu_us("cpu", qos, "gateway"),
            against=reader, reference=_cpu_us("cpu", qos, reader), value=value,
        )
        for reader, value in (("gmqtt", 0.30), ("aiomqtt", 1 / 25))
    )  # fmt: skip


GOALS: tuple[Goal, ...] = (
    *_through_broker(0),
    *_through_broker(1),
    *_pre_encoded(0),
    *_pre_encoded(1),
    Goal(
        bench="alarms", what="receipted/s", take=_alarms(_receipted_per_s), against="one commit per alarm",
        reference=_alarms(lambda one: one["reference_per_s"]), value=30, at_least=True,
    ),
    Goal(
        bench="alarms", what="event to webhook, per s", take=_alarms(lambda one: one["lap"]["at_soc_per_s"]),
        value=8_000, at_least=True,
    ),
    Goal(bench="alarms", what="us of the gateway's CPU per alarm", take=_alarms(_us_per_alarm), value=150),
    *(
        Goal(
            bench="latency", what=f"theft to feed subscriber, p50 ms, {name}",
            take=_latency("mqtt", "p50", loaded=loaded), against="a bare round trip",
            reference=_latency("bare", "p50", loaded=loaded), value=value,
        )
        for name, loaded, value in (("idle", False, 6), ("loaded", True, 10))
    ),
    *(
        Goal(
            bench="latency", what=f"theft to webhook, {figure} ms, {'loaded' if loaded else 'idle'}",
            take=_latency("webhook", figure, loaded=loaded), value=value,
        )
        for figure, loaded, value in (("p50", False, 2), ("p99", False, 5), ("p99", True, 50))
    ),
    Goal(
        bench="memory", what="bytes per vehicle", against="a dict each", is_ratio=False, value=200,
        take=lambda found: [one["rss_bytes"] for one in found["memory"]["turns"]["gateway"]],
        reference=lambda found: [one["rss_bytes"] for one in found["memory"]["turns"]["dict"]],
    ),
    *(
        Goal(
            bench="growth", what=f"us of CPU per message, {vehicles:,} vehicles", take=_growth(vehicles),
            against="1,000", reference=_growth(1_000), value=value,
        )
        for vehicles, value in ((100_000, 1.5), (1_000_000, 2))
    ),
    *(
        Goal(
            bench="stored", what=f"status change ({question}), p50 ms", take=_stored(question, "full"),
            against="an empty store", reference=_stored(question, "empty"), value=2,
        )
        for question in (ACKNOWLEDGE, DECIDED)
    ),
    Goal(
        bench="stored", what="first page of the list, p50 ms", take=_stored("alarms", "full"),
        against="an empty store", reference=_stored("alarms", "empty"), is_ratio=False, value=20,
    ),
    Goal(
        bench="fleet", what="messages/s of 10,000 vehicles", take=_fleet("emulator", "messages_per_s"),
        value=20_000, at_least=True,
    ),
    Goal(
        bench="fleet", what="kB per connection", take=_fleet("emulator", "kb_per_connection"),
        against="aiomqtt", reference=_fleet("aiomqtt", "kb_per_connection"), is_ratio=False, value=3,
    ),
    Goal(
        bench="fleet", what="connects/s", take=_fleet("emulator", "connects_per_s"), against="aiomqtt",
        reference=_fleet("aiomqtt", "connects_per_s"), is_ratio=False, value=5_000, at_least=True,
    ),
    Goal(
        bench="start", what="command to ready, s", take=_start("full"), against="an empty store",
        reference=_start("empty"), is_ratio=False, value=3,
    ),
)  # fmt: skip
