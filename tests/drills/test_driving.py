"""A small fleet drives through the measurements of memory and growth."""

from __future__ import annotations

import pytest

from bench import driving


@pytest.mark.parametrize("who", driving.KEEPERS)
def test_each_vehicle_that_drives_is_kept(who: str) -> None:
    kept = driving.run(who, 600, 6, traced=True)
    assert (kept.vehicles, kept.messages) == (600, 600 * driving.CYCLE)
    assert kept.traced_bytes > 0
    assert kept.cpu_us > 0
