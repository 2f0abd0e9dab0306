"""A rate that climbs: its moments, its knee, and whose limit it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vehicle_emulator import ramp
from vehicle_emulator.ramp import Ramp, RampError, Stairs, Watch

ramps = some.builds(
    Ramp,
    some.lists(some.floats(1.0, 300.0), min_size=1, max_size=5).map(tuple),
    some.floats(1.0, 3.0),
)
START_MS = 1_792_000_000_123.0


def slots(climbing: Ramp) -> list[tuple[int, float]]:
    return list(Stairs(climbing, START_MS).take(START_MS + climbing.length_s * 1_000))


@given(ramps)
def test_each_step_has_its_events_in_order(climbing: Ramp) -> None:
    taken = slots(climbing)
    assert [number for number, _ in taken] == list(range(len(taken)))
    moments = [at_ms for _, at_ms in taken]
    assert moments == sorted(moments)
    assert len(taken) == sum(ramp.wanted(rate, climbing.hold_s) for rate in climbing.rates_per_s)


@given(ramps, some.integers(0, 5), some.floats(0.0, 900.0))
def test_the_knee_is_the_first_step_that_is_not_served(climbing: Ramp, fails: int, took_ms: float) -> None:
    watch = Watch(climbing, START_MS)
    steps = len(climbing.rates_per_s)
    step_of = [
        step
        for step, rate in enumerate(climbing.rates_per_s)
        for _ in range(ramp.wanted(rate, climbing.hold_s))
    ]
    for number, at_ms in slots(climbing):
        late_ms = took_ms if step_of[number] < fails else 5_000.0
        watch.receipted(at_ms, at_ms + late_ms)
    found = ramp.climb(climbing, [watch.steps])
    assert [step.receipted for step in found.steps] == [step.wanted for step in found.steps]
    assert [step.is_served for step in found.steps] == [step < fails for step in range(steps)]
    assert found.knee_per_s == (climbing.rates_per_s[fails] if fails < steps else None)
    assert found.sustained_per_s == (climbing.rates_per_s[min(fails, steps) - 1] if fails else 0.0)


@pytest.mark.parametrize(
    ("late_ms", "cpu_s", "says"), [(2.0, 0.1, ""), (80.0, 0.1, "late itself"), (2.0, 0.99, "of one core")]
)
def test_the_emulator_names_itself_when_it_is_the_limit(late_ms: float, cpu_s: float, says: str) -> None:
    climbing = Ramp((100.0,), 1.0)
    watch = Watch(climbing, START_MS)
    watch.turned(START_MS, late_ms, 5.0)
    watch.turned(START_MS + 999, late_ms, 5.0 + cpu_s)
    (step,) = ramp.climb(climbing, [watch.steps]).steps
    assert says in step.limit
    assert bool(step.limit) == bool(says)


def test_a_ramp_is_read() -> None:
    assert ramp.read("500:2000:500", 10.0) == Ramp((500.0, 1_000.0, 1_500.0, 2_000.0), 10.0)
    assert ramp.read("0.1:0.3:0.1", 1.0).rates_per_s == pytest.approx((0.1, 0.2, 0.3))


@pytest.mark.parametrize("text", ["", "5", "5:1:1", "0:5:1", "1:5:0", "1:5:x", "1:1e6:1", "nan:5:1"])
def test_what_is_no_ramp_is_told(text: str) -> None:
    with pytest.raises(RampError, match="FROM:TO:STEP"):
        ramp.read(text, 1.0)
