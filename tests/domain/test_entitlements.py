"""Terms are asked at each use, and say why not."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.services.entitlements import car_security, is_active, why_not
from gateway.domain.signals import Registration
from tests.domain.cars import VIN, at

UNTIL = at(100).isoformat()


def entry(service: str = "remote_access", unavailable: str | None = None, **term: Any) -> Registration:
    services = {service: term} if term else {}
    blocked = {} if unavailable is None else {service: unavailable}
    return Registration(vin=VIN, services=services, unavailable=blocked)


@pytest.mark.parametrize(
    ("registration", "seconds", "cause"),
    [
        pytest.param(None, 0, "not_ordered", id="not in the registry"),
        pytest.param(entry(), 0, "not_ordered", id="no term"),
        pytest.param(entry(until=UNTIL), 99.9, None, id="to the last moment"),
        pytest.param(entry(until=UNTIL), 100, "expired", id="over at its end"),
        pytest.param(entry(until=UNTIL, ordered=False), 0, "not_ordered", id="included, not yet ordered"),
        pytest.param(entry(until=UNTIL, ordered="2026-11-01T00:00:00Z"), 0, None, id="ordered at a time"),
        pytest.param(entry(until=UNTIL, **{"from": at(10).isoformat()}), 9.9, "not_started", id="before it"),
        pytest.param(entry(until=UNTIL, **{"from": at(10).isoformat()}), 10, None, id="its first"),
        pytest.param(entry(until="soon"), 0, "not_ordered", id="unreadable"),
        pytest.param(entry(until="9999-12-31T23:59:59-12:00"), 0, None, id="for ever"),
        pytest.param(entry(until="0001-01-01T00:00:00+12:00"), 0, "expired", id="before all time"),
        pytest.param(entry(until="2027-01-01T00:00:00"), 0, "not_ordered", id="a time without an offset"),
        pytest.param(
            entry(unavailable="not_available_in_country", until=UNTIL),
            0,
            "not_available_in_country",
            id="blocked",
        ),
    ],
)
def test_why_a_service_may_not_be_used(
    registration: Registration | None, seconds: float, cause: str | None
) -> None:
    assert why_not(registration, "remote_access", at(seconds)) == cause
    assert is_active(registration, "remote_access", at(seconds)) is (cause is None)


@pytest.mark.parametrize(
    ("term", "seconds", "state"),
    [
        ({}, 0, "none"),
        ({"until": UNTIL}, 0, "active_uncertified"),
        ({"until": UNTIL, "certified": True}, 0, "certified"),
        ({"until": UNTIL, "certified": True}, 100, "expired"),
        ({"until": UNTIL, "certified": True, "ordered": False}, 0, "none"),
        ({"until": UNTIL, "from": at(10).isoformat()}, 0, "none"),
        ({"until": "never"}, 0, "none"),
    ],
)
def test_the_feeds_four_words(term: dict[str, Any], seconds: float, state: str) -> None:
    assert car_security(entry("car_security", **term), at(seconds)) == state
