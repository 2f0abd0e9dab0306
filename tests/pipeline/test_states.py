"""States as they are stored: the same bytes, whether an alarm was encoded before or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.domain.facts import AnyFact
from gateway.domain.signals import Close, Position, TheftSensor
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline import states
from gateway.pipeline.states import StateEncoder, decode_state
from gateway.ports import StoredVehicle

T0 = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CAUSES = ("tilt", "intrusion", "hold_up", "battery_disconnect")


def sensor(number: int, at: datetime) -> TheftSensor:
    return TheftSensor(
        received_at=at,
        occurred_at=at,
        event_id=f"e-{number}",
        cause=CAUSES[number % len(CAUSES)],
        state="triggered",
        position=Position(52.1, 5.1, 8.0),
    )


@pytest.mark.parametrize("most", [2_000, 3])
def test_a_state_is_encoded_as_if_nothing_were_kept(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "MAX_ENCODED", most)
    encoder, cars = StateEncoder(), [Vehicle(vin=f"XVGZZZ99ZTS00000{number}") for number in range(3)]
    for number in range(200):
        at, turn = T0 + timedelta(seconds=number), number % len(cars)
        fact: AnyFact = sensor(number, at)
        if number % 50 == 49:
            alarm_id = next(iter(cars[turn].alarms.values())).alarm_id
            fact = Close(received_at=at, alarm_id=alarm_id, by="somebody", disposition="genuine_theft")
        cars[turn], _ = step(cars[turn], fact, at, Thresholds())
        body = encoder.encode(cars[turn])
        assert body == msgspec.json.encode(cars[turn])
        assert decode_state(cars[turn].vin, StoredVehicle(number, body)) == (cars[turn], None)
    assert len(encoder._encoded) <= most
