"""What processes have measured, put together: one report. Nothing is averaged: samples are joined."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from vehicle_emulator import verdict
from vehicle_emulator.figures import percentiles
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.ramp import climb
from vehicle_emulator.report import Report, events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vehicle_emulator.fleet import Plan
    from vehicle_emulator.ramp import Counted
    from vehicle_emulator.report import Commands, Tally
    from vehicle_emulator.scenario import Play
    from vehicle_emulator.silence import Silence
    from vehicle_emulator.verdict import Heard


class Measured(msgspec.Struct, frozen=True):
    """All that one process knows of its share of a run; milliseconds, CPU in seconds."""

    vehicles: int
    protocol: str
    started_ms: float
    ran_s: float
    cpu_s: float
    counts: Counter[str]
    connections: Counter[str]
    latencies_ms: array[float]
    lags_ms: array[float]
    plays: tuple[Play, ...]
    left_out: tuple[str, ...]
    steps: tuple[Counted, ...]
    commands: Commands | None
    unwritten: tuple[str, ...] = ()
    silences: tuple[Silence, ...] = ()


def measure(tally: Tally, connections: Counter[str], **known: object) -> Measured:
    """What a tally has counted, with what else is known."""
    steps = () if tally.watch is None else tally.watch.steps
    return Measured(
        counts=tally.counts, connections=connections, latencies_ms=tally.latencies_ms, lags_ms=tally.lags_ms,
        steps=steps, silences=tuple(tally.silences), **known,  # type: ignore[arg-type]  # the caller names fields of Measured
    )  # fmt: skip


def close(
    plan: Plan,
    shares: Sequence[Measured],
    heard: Sequence[Heard] | None,
    *,
    died: Sequence[str] = (),
    unwritten: Sequence[str] = (),
) -> Report:
    """One report of all shares; ``heard``: what the SOC got, None if nobody asked it."""
    counts, connections = _sum(one.counts for one in shares), _sum(one.connections for one in shares)
    plays = tuple(play for one in shares for play in one.plays)
    ran_s, cores = max(one.ran_s for one in shares), [one.cpu_s / one.ran_s for one in shares if one.ran_s]
    started_s = min(one.started_ms for one in shares) / 1_000
    # Alarms that are load are nobody's mistake.
    is_asked_for = bool(plan.alarms_per_s or plan.ramp)
    return Report(
        seed=plan.seed, vehicles=sum(one.vehicles for one in shares), protocol=shares[0].protocol,
        started_at=rfc3339(int(started_s * 1_000)), ran_s=round(ran_s, 3),
        events=events(counts), receipt_latency_ms=percentiles(_join(shares, lambda one: one.latencies_ms)),
        telemetry_sent=counts["telemetry_sent"], telemetry_dropped=counts["telemetry_dropped"],
        connections={"connects": 0, "disconnects": 0, **connections},
        lag_ms=percentiles(_join(shares, lambda one: one.lags_ms)), scenarios=plays,
        verdicts=() if heard is None else tuple(verdict.judge_all(plays, heard, started_s + ran_s)),
        left_out=tuple(vin for one in shares for vin in one.left_out),
        elsewhere=() if is_asked_for else verdict.elsewhere(plays, heard or (), started_s),
        commands=next((one.commands for one in shares if one.commands is not None), None),
        own_cores=round(sum(cores), 3), busiest_core=round(max(cores, default=0.0), 3),
        climb=None if plan.ramp is None else climb(plan.ramp, [one.steps for one in shares]),
        processes=len(shares), died=tuple(died),
        unwritten=(*unwritten, *(sentence for one in shares for sentence in one.unwritten)),
        silences=tuple(silence for one in shares for silence in one.silences),
    )  # fmt: skip


def _join(shares: Iterable[Measured], samples: Callable[[Measured], array[float]]) -> array[float]:
    joined: array[float] = array("d")
    for one in shares:
        joined.extend(samples(one))
    return joined


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counters:
        total.update(one)
    return total
