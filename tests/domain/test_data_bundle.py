"""Bundle states in the contract's order, and each threshold told once."""

from __future__ import annotations

import pytest

from gateway.domain.effects import Notify
from gateway.domain.services.data_bundle import bundle_state
from gateway.domain.signals import DataBundle
from tests.domain.cars import Car, at, registered, times

DAY_S = 86400


def bundle(event_id: str, seconds: float, used: float | None = 10, **more: object) -> DataBundle:
    fields: dict[str, object] = {
        "bundle_id": "B1",
        "used_mb": used,
        "total_mb": 100,
        **times(seconds),
        **more,
    }
    return DataBundle(event_id=event_id, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "state"),
    [
        (bundle("a", 0), "active"),
        (bundle("a", 0, 79.9), "active"),
        (bundle("a", 0, 80), "low"),
        (bundle("a", 0, 99.9), "low"),
        (bundle("a", 0, 100), "exhausted"),
        (bundle("a", 0, None), "active"),
        (bundle("a", 0, 5, total_mb=None), "active"),
        (bundle("a", 0, 5, total_mb=0), "active"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S)), "expiring"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S + 1)), "low"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S), renewal="renewing"), "renewing"),
        (bundle("a", 0, 90, valid_until=at(7 * DAY_S), renewal="failed"), "renew_failed"),
        (bundle("a", 0, 100, renewal="failed"), "exhausted"),
        (bundle("a", 0, 100, valid_until=at(0)), "expired"),
        (bundle("a", 0, bundle_id=None), "none"),
        (None, "none"),
    ],
)
def test_the_first_state_that_applies(stated: DataBundle | None, state: str) -> None:
    assert bundle_state(stated, at(0)) == state


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        pytest.param([bundle("a", 0, 70), bundle("b", 10, 105)], ["exhausted", "low"], id="from 70 to 105 %"),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 86), bundle("c", 20, 101)],
            ["low", "exhausted"],
            id="each once",
        ),
        pytest.param(
            [bundle("a", 0, 105), bundle("b", -5, 75)], ["exhausted", "low"], id="a late lower count"
        ),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 10), bundle("c", 20, 85)], ["low"], id="down and up again"
        ),
        pytest.param(
            [bundle("a", 0, 85), bundle("b", 10, 85, bundle_id="B2")], ["low", "low"], id="another bundle"
        ),
        pytest.param(
            [bundle("a", 0, 105, valid_until=at(3 * DAY_S), renewal="failed")],
            ["exhausted", "renew_failed", "expiring", "low"],
            id="everything at once",
        ),
        pytest.param([bundle("a", 0, 10, renewal="renewing")], [], id="renewing is not told"),
        pytest.param([bundle("a", 0, 105, bundle_id=None)], [], id="no bundle"),
    ],
)
def test_the_main_user_is_told_each_threshold_once(stated: list[DataBundle], told: list[str]) -> None:
    car = Car().live([registered(-10, main_user="ann")])
    for fact in stated:
        car.take(fact, at(60))
    notices = [effect for effect in car.effects if isinstance(effect, Notify)]
    assert [(one.user, one.kind, one.code) for one in notices] == [
        ("ann", "data_bundle", code) for code in told
    ]
    assert car.announced == []


def test_nobody_is_told_where_nobody_is_registered() -> None:
    assert Car().live([bundle("a", 0, 105)]).effects == []


@pytest.mark.parametrize("total", [5e-324, 1e-9, 1e12])
@pytest.mark.parametrize("used", [0, 5e-324, 1e12])
def test_absurd_amounts_cost_nothing(used: float, total: float) -> None:
    """Whatever the decoder lets through can be decided and told."""
    car = Car().live([registered(-10, main_user="ann"), bundle("a", 0, used, total_mb=total)])
    for effect in car.effects:
        assert isinstance(effect, Notify)
        assert effect.data["used_percent"] <= 100_000
