"""A small fleet drives through the measurements of memory and growth."""

from __future__ import annotations

import pytest

from bench import driving
from gateway.pipeline.inbox import Item
from vehicle_emulator.fleet import vins


@pytest.mark.parametrize("who", driving.KEEPERS)
def test_each_vehicle_that_drives_is_kept(who: str) -> None:
    kept = driving.run(who, 600, driving.CYCLE + 2, traced=True)
    assert (kept.vehicles, kept.messages) == (600, 600 * driving.CYCLE)
    assert kept.traced_bytes > 0
    assert kept.cpu_us > 0


def test_each_vehicle_states_its_movement_again_once_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a renewal costs is part of what is measured."""
    keeper, names, stated = driving.Gateway(), vins(1, 50), list[Item]()
    take = keeper._inbox.take
    monkeypatch.setattr(keeper._inbox, "take", lambda most: stated.extend(take(most)))
    driving.drive(keeper, names, 1 + 2 * driving.CYCLE, 1)
    again = [one for one in stated if one.received_at > driving.BEGAN + driving.EVERY]
    assert [one.kind for one in again] == ["movement"] * 2 * len(names)
