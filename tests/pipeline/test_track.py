"""What is kept of a vehicle: the newest of everything, and no more than there is room for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.domain.signals import DriverCard, Located, Movement, Position
from gateway.pipeline.track import MAX_OTHER_SIGNALS
from gateway.pipeline.tracks import MOST_AT_HAND, Tracks
from tests.pipeline.test_glance import BEGIN, DRIVING, VIN, Gateway, act, telemetry


def hear(gateway: Gateway, signals: dict[str, Any], *, back_s: float = 0.0, after_s: float = 0.0) -> None:
    now = BEGIN + timedelta(seconds=after_s)
    gateway.hear(telemetry(signals, now - timedelta(seconds=back_s), None), now)


def place(latitude: float) -> dict[str, Any]:
    return {"Vehicle.CurrentLocation.Latitude": latitude, "Vehicle.CurrentLocation.Longitude": 5.0}


def test_of_one_moment_what_came_last_counts() -> None:
    gateway = Gateway(glances=False)
    for speed in (10, 20):
        hear(gateway, {"Vehicle.Speed": speed})
    hear(gateway, {"Vehicle.Speed": 30}, back_s=1)
    assert gateway.intake.signals(VIN)["Vehicle.Speed"].value == 20


def test_an_older_position_is_not_where_it_is() -> None:
    gateway = Gateway(glances=False)
    hear(gateway, DRIVING | place(52.0), after_s=60)
    gateway.stated()
    hear(gateway, place(51.0), after_s=61, back_s=50)
    act(gateway, "hand_over", BEGIN + timedelta(seconds=62))
    assert [fact.position for fact in gateway.stated() if isinstance(fact, Located)] == [Position(52.0, 5.0)]


def test_names_without_meaning_are_bounded() -> None:
    gateway = Gateway(glances=False)
    for begin in range(0, 3 * MAX_OTHER_SIGNALS, 100):
        hear(gateway, {f"Hostile.{number}": 1 for number in range(begin, begin + 100)} | DRIVING)
    assert len(gateway.intake.signals(VIN)) == MAX_OTHER_SIGNALS + len(DRIVING)


def test_a_clock_set_back_does_not_end_what_is_told_of_a_drive() -> None:
    """Without numbers, too, it is told again as soon as it is as far from what was told last."""
    gateway = Gateway(glances=True)
    hear(gateway, DRIVING)
    gateway.stated()
    hear(gateway, DRIVING, after_s=5, back_s=100)
    assert [fact.moving for fact in gateway.stated() if isinstance(fact, Movement)] == [True]


def test_after_a_card_has_gone_each_second_of_movement_is_told() -> None:
    """Each may be the one that proves how long it has been gone."""
    gateway = Gateway(glances=True)
    hear(gateway, DRIVING)
    times: dict[str, Any] = {"received_at": BEGIN, "occurred_at": BEGIN}
    gateway.intake.precede(VIN, DriverCard(event_id="c", present=False, card_id="C", **times))
    gateway.stated()
    for second in (0.5, 1, 1.5, 2, 59, 60, 61, 62):
        hear(gateway, DRIVING, after_s=second)
    told = [fact.at - BEGIN for fact in gateway.stated() if isinstance(fact, Movement)]
    assert told == [timedelta(seconds=second) for second in (1, 2, 59, 60)]


def test_of_a_small_fleet_too_only_so_many_are_at_hand() -> None:
    """A peak of more would leave holes in memory."""
    assert Tracks()._room() == MOST_AT_HAND
