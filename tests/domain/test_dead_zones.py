"""A car that regularly loses coverage at one place: it explains a silence, and delays no alarm."""

from __future__ import annotations

import msgspec
import pytest

from gateway.domain.dead_zones import KEPT_FOR, MAX_SPOTS
from gateway.domain.facts import AnyFact
from gateway.domain.offline import Offline, why_offline
from gateway.domain.signals import Connection, Located, Mode, Position
from tests.domain.cars import Car, at, card, ignition, moves, sensor, times

DAY = 86400.0
METRES = 1 / 111_194.9


def goes_into(garage_m: float, start_s: float) -> list[AnyFact]:
    """Drives in with its ignition on, and the network ends."""
    place = Position(52.1 + garage_m * METRES, 4.3, 8)
    return [
        ignition(True, start_s - 60),
        moves(start_s - 20, position=place),
        Connection(online=False, received_at=at(start_s)),
    ]


def nights(count: int, garage_m: float = 0, start_day: float = 0) -> list[AnyFact]:
    facts: list[AnyFact] = []
    for night in range(count):
        start_s = (start_day + night) * DAY
        facts += [*goes_into(garage_m + 20 * night, start_s), ignition(True, start_s + 8 * 3600)]
    return facts


def why(car: Car, seconds: float) -> Offline | None:
    return why_offline(car.vehicle, at(seconds))


def test_a_silence_where_it_came_back_before_is_no_coverage_with_evidence() -> None:
    car = Car().live([*nights(3), *goes_into(100, 3 * DAY)], 3 * DAY + 10)
    found = why(car, 3 * DAY + 7200)
    assert found is not None
    assert (found.reason, found.evidence.split("; ")[1]) == (
        "no_coverage",
        "it fell silent here 3 time(s) before and came back.",
    )
    assert why(car, 6 * DAY).reason == "no_coverage"  # type: ignore[union-attr]  # longer than a drive


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(goes_into(5000, 3 * DAY), id="elsewhere"),
        pytest.param([sensor("j", 3 * DAY - 30, cause="jamming_gsm"), *goes_into(0, 3 * DAY)], id="jammed"),
        pytest.param(
            [
                *goes_into(0, 3 * DAY),
                card("late", True, 3 * DAY + 3000),
                Connection(online=False, received_at=at(3 * DAY + 3001)),
            ],
            id="no position of then",
        ),
    ],
)
def test_a_silence_that_no_garage_explains(facts: list[AnyFact]) -> None:
    car = Car().live([*nights(3), *facts], 3 * DAY + 3002)
    found = why(car, 6 * DAY)
    assert found is not None
    assert "here" not in found.evidence


def test_it_is_forgotten_and_few_are_kept() -> None:
    car = Car().live([*nights(1), *goes_into(0, 100 * DAY)], 100 * DAY + 10)
    assert KEPT_FOR.days == 90
    assert "here" not in why(car, 100 * DAY + 60).evidence  # type: ignore[union-attr]  # it is offline
    for number in range(10):
        car.live(nights(1, garage_m=1000 * number, start_day=101 + number), (101 + number) * DAY + 9 * 3600)
    assert len(car.vehicle.quiet_spots) == MAX_SPOTS


def test_no_place_can_be_read_from_it_and_a_private_car_leaves_none() -> None:
    car = Car().live(nights(3))
    assert b"52.1" not in msgspec.json.encode(car.vehicle.quiet_spots)
    private = Mode(event_id="m", private_mode=True, **times(-100))
    located = Located(position=Position(52.1, 4.3), for_alarm=True, **times(-20))
    assert Car().live([private, located, *nights(2)]).vehicle.quiet_spots == ()


def test_no_alarm_about_silence_comes_later_for_it() -> None:
    """Known or not: the note and the theft come at the same time."""
    known, fresh = Car(hears=True).live(nights(3)), Car(hears=True)
    for car in (known, fresh):
        car.effects.clear()
        jam = sensor("j", 4 * DAY + 100, cause="jamming_gsm")
        armed: list[AnyFact] = [card("gone", False, 4 * DAY), ignition(False, 4 * DAY + 1)]
        car.live([*goes_into(0, 4 * DAY - 100), *armed, jam], 4 * DAY + 1000)
        assert car.raised_after_s("comm_loss_after_jamming") == 4 * DAY + 220
