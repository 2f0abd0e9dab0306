"""The closing report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vehicle_emulator.figures import Percentiles, percentiles
from vehicle_emulator.report import Events, Report


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], Percentiles(0, 0.0, 0.0, 0.0, 0.0)),
        ([5.0], Percentiles(1, 5.0, 5.0, 5.0, 5.0)),
        ([float(n) for n in range(1_000, 0, -1)], Percentiles(1_000, 500.0, 990.0, 999.0, 1_000.0)),
    ],
    ids=["none", "one", "thousand"],
)
def test_percentiles_are_of_nearest_rank(samples: list[float], expected: Percentiles) -> None:
    assert percentiles(samples) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_never_fall(samples: list[float]) -> None:
    found = percentiles(samples)
    assert found.p50 <= found.p99 <= found.p999 <= found.max


NOTHING = Percentiles(0, 0.0, 0.0, 0.0, 0.0)
GOOD = Report(
    1, 2, "V5", "", 60.0, Events(4, 4, 0, 4, 0, 0, 0, 0), NOTHING, 0, 0, {"connects": 2}, NOTHING, ()
)


@pytest.mark.parametrize(
    ("changes", "is_broken"),
    [
        ({}, False),
        ({"connections": {"connects": 0}}, True),
        ({"events": Events(4, 4, 0, 3, 0, 0, 1, 0)}, True),
        ({"events": Events(4, 4, 0, 3, 1, 0, 0, 0)}, True),
        ({"events": Events(4, 4, 0, 3, 0, 1, 0, 0)}, True),
        ({"elsewhere": ("tilt of somebody",)}, True),
        ({"left_out": ("somebody",)}, True),
        ({"unwritten": ("ledger.jsonl is not complete",)}, True),
    ],
)
def test_a_run_that_proves_nothing_or_lost_something_is_broken(
    changes: dict[str, Any], is_broken: bool
) -> None:
    assert replace(GOOD, **changes).is_broken is is_broken
