"""Faults are decided by seed, vehicle and number, and happen as often as was asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gateway import wire
from gateway.wire import telemetry
from gateway.wire.event import MAX_PAYLOAD_BYTES, Unwanted
from vehicle_emulator import faults, messages
from vehicle_emulator.faults import KINDS, Faults, FaultsError

AT = datetime(2026, 11, 20, tzinfo=UTC)
shares = some.lists(some.floats(0.0, 1.0 / len(KINDS)), min_size=len(KINDS), max_size=len(KINDS))
numbers = some.integers(0, 2**40)


@given(shares, numbers, numbers, some.sampled_from(("said", "heard")))
def test_a_fate_depends_on_nothing_else(parts: list[float], seed: int, number: int, way: str) -> None:
    what = Faults(**dict(zip(KINDS, parts, strict=True)))
    first = faults.fate(what, seed, "XVG", number, way)
    faults.fate(what, seed, "XVG", number + 1, way)
    assert faults.fate(what, seed, "XVG", number, way) == first
    assert 0.0 <= first.part < 1.0
    assert first.kind == "none" or getattr(what, first.kind) > 0.0


@settings(max_examples=20)
@given(shares, numbers)
def test_faults_are_as_frequent_as_asked_for(parts: list[float], seed: int) -> None:
    asked = dict(zip(KINDS, parts, strict=True))
    what, count = Faults(**asked), 2_000
    found = Counter(faults.fate(what, seed, "XVG", number).kind for number in range(count))
    for kind, share in asked.items():
        deviation = (count * share * (1.0 - share)) ** 0.5
        assert abs(found[kind] - count * share) <= 6.0 * deviation + 3.0


def test_a_stored_fate_stays() -> None:
    what = Faults(**dict.fromkeys(KINDS, 0.1))
    kinds = [faults.fate(what, 7, "XVG", number).kind for number in range(12)]
    assert kinds == STORED


STORED = [
    "reorder",
    "loss",
    "delay",
    "reorder",
    "none",
    "loss",
    "dead",
    "loss",
    "delay",
    "dead",
    "tunnel",
    "reorder",
]


@given(shares, some.floats(0.0, 3_600.0))
def test_what_is_written_is_read(parts: list[float], delay_s: float) -> None:
    asked = dict(zip(KINDS, parts, strict=True)) | {"delay_s": delay_s}
    text = ",".join(f"{name}={value!r}" for name, value in asked.items())
    assert faults.read(text) == Faults(**asked)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fog=0.1", "there are loss, duplicate"),
        ("loss", "a share from 0 to 1"),
        ("loss=2", "a share from 0 to 1"),
        ("loss=nan", "a share from 0 to 1"),
        ("delay_s=9999", "seconds from 0 to 3600"),
        ("loss=0.1,loss=0.1", "twice"),
        ("loss=0.6,dead=0.6", "1.2 together"),
    ],
)
def test_a_mistake_is_told(text: str, says: str) -> None:
    with pytest.raises(FaultsError, match=says):
        faults.read(text)


@given(some.floats(0.0, 1.0, exclude_max=True), numbers)
def test_no_gateway_can_read_poison(part: float, number: int) -> None:
    kind, payload = faults.poison(part, number)
    if kind != messages.TELEMETRY:
        assert isinstance(wire.decode(kind, payload, AT), Unwanted)
    elif len(payload) <= MAX_PAYLOAD_BYTES:
        with pytest.raises((ValueError, RecursionError)):
            telemetry.decode(payload, AT)


def test_every_poison_is_chosen() -> None:
    parts = [index / 1_000 for index in range(1_000)]
    chosen = Counter(faults.poison(part, 1) for part in parts)
    assert len(chosen) == len(faults._POISONED_KINDS) * len(faults._POISONS)
