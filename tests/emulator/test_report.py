"""The closing report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle_emulator.figures import Percentiles, percentiles


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
