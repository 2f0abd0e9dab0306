"""What is decoded by its names says the same as what is decoded without knowing them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import steady
from gateway.wire.steady import Shapes
from gateway.wire.telemetry import IGNITION, SIGNALS, Number, decode

NOW = datetime(2026, 11, 22, 9, 30, 1, tzinfo=UTC)
SHAPES = Shapes()
numbers = st.integers(-(2**70), 2**70) | st.floats() | st.integers(-5, 5) | st.sampled_from([50.5, -0.0])
values = numbers | st.booleans() | st.none() | st.text(max_size=5) | st.sampled_from(["ON", "OFF"])
fitting = st.fixed_dictionaries(
    {},
    optional={
        name: st.integers(0, 50)
        if isinstance(expected, Number)
        else st.booleans()
        if expected == "boolean"
        else st.sampled_from(expected)
        for name, expected in list(SIGNALS.items())[:8]
    },
)
odd = st.dictionaries(st.sampled_from([*list(SIGNALS)[:4], "Other"]), values, max_size=4)


@settings(max_examples=500)
@given(fitting, odd, st.sets(st.sampled_from(list(SIGNALS)[:8])), st.booleans())
def test_what_is_decoded_by_its_names_says_the_same(
    said: dict[str, Any], more: dict[str, Any], others: set[str], same: bool
) -> None:
    signals = said | more
    known = SHAPES.of([name for name in signals if name in SIGNALS] if same else others)
    assert known is not None
    body = {"occurred_at": "2026-11-22T09:30:00Z", "signals": signals, "seq": 7, "more": [1]}
    payload = json.dumps(body).encode()
    try:
        message = known(payload)
    except msgspec.DecodeError:
        assert not same or more or signals.get(IGNITION) in ("OFF", "LOCK")
        return
    whole = decode(payload, NOW)
    assert message.signals.by_name() == whole.signals == signals
    assert message.signals.speed == signals.get("Vehicle.Speed")
    assert message.signals.is_moving is signals.get("Vehicle.IsMoving")
    assert signals.get(IGNITION) not in ("OFF", "LOCK")
    assert (message.occurred_at, message.seq) == (whole.occurred_at, whole.seq)


def test_as_many_shapes_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "MAX_SHAPES", 1)
    shapes = Shapes()
    first = shapes.of(["Vehicle.Speed", IGNITION])
    assert first is not None
    assert shapes.of([IGNITION, "Vehicle.Speed"]) is first
    assert shapes.of([IGNITION]) is None
