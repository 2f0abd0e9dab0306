"""The short way through a step gives what the whole step gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import quiet
from gateway.domain import step as step_module
from gateway.domain.facts import AnyFact
from gateway.domain.services.special_modes import Modes, SpecialMode
from gateway.domain.signals import (
    Connection,
    DataBundle,
    DriverCard,
    Ignition,
    Located,
    Mode,
    Movement,
    Position,
    Software,
    TheftSensor,
    Tick,
)
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import VIN, at, card, registered
from tests.domain.test_properties import lives

T = Thresholds()
CAUSES = ("car_alarm", "tilt", "jamming_gsm", "jamming_gnss", "tamper", "battery_disconnect")
STATES: tuple[Literal["triggered", "restored"], ...] = ("triggered", "restored")
GAPS_S = (0.0, 0.05, 1.0, 5.0, 20.0, 29.9, 30.0, 59.0, 61.0, 700.0, 3600.0, 8 * 86400.0)


POOLS = (
    *["m" * calm + "dditlxbkopw" for calm in (10, 40, 150)],
    "m" * 40 + "dddil",
    "m" * 40 + "tk",
    "m" * 9 + "itx",
)


def _fact(rng: random.Random, pool: str, number: int, now_s: float) -> AnyFact:
    late_s = rng.choice((0, 0, 0, 0, 0, 0.3, 5, 31, 300, -2, -400))
    times: dict[str, Any] = {"occurred_at": at(now_s - late_s), "received_at": at(now_s)}
    event: dict[str, Any] = {"event_id": f"e{number}", **times}
    place = Position(52.1, 4.3)
    choices: dict[str, Callable[[], AnyFact]] = {
        "d": lambda: DriverCard(present=rng.random() < 0.7, card_id=rng.choice("AB"), **event),
        "i": lambda: Ignition(on=rng.random() < 0.5, **times),
        "t": lambda: TheftSensor(cause=rng.choice(CAUSES), state=rng.choice(STATES), **event),
        "l": lambda: Located(position=place, **times),
        "x": lambda: Tick(received_at=at(now_s), hearing_since=at(0), heard_at=at(now_s - 1)),
        "b": lambda: DataBundle(
            bundle_id="B", used_mb=900, total_mb=999, valid_until=at(now_s + 900), **event
        ),
        "k": lambda: Connection(online=rng.random() < 0.7, bearer=rng.choice(("E", "LTE")), **times),
        "o": lambda: Mode(private_mode=rng.random() < 0.3, **event),
        "p": lambda: Software(package_id="P", kind="update", state="installing", **event),
        "w": lambda: registered(now_s, *rng.choice(((), ("A",), ("A", "B")))),
        "m": lambda: Movement(
            moving=rng.random() < 0.7,
            position=place if rng.random() < 0.1 else None,
            speed_km_h=rng.choice((None, 40.0)),
            after_gap=rng.random() < 0.1,
            **times,
        ),
    }
    return choices[rng.choice(pool)]()


def _both(vehicle: Vehicle, fact: AnyFact, now_s: float) -> tuple[Vehicle, bool]:
    """The vehicle after the whole step, and whether the short way led there as well."""
    now = max(fact.received_at, at(now_s))
    whole, effects = step_module._whole(vehicle, fact, now, T)
    short = quiet.moved(vehicle, fact, now, T) if isinstance(fact, Movement) else None
    if short is not None:
        assert (short, ()) == (whole, effects)
        assert step_module.step(vehicle, fact, now, T) == (whole, effects)
    return whole, short is not None


def _live(vehicle: Vehicle, rng: random.Random, count: int) -> int:
    now_s, taken, pool = 0.0, 0, rng.choice(POOLS)
    for number in range(count):
        now_s += rng.choice(GAPS_S[: rng.choice((7, 7, 7, len(GAPS_S)))])
        while vehicle.wake_at is not None and vehicle.wake_at < at(now_s) and rng.random() < 0.8:
            tick = Tick(received_at=vehicle.wake_at + timedelta(microseconds=1), hearing_since=at(0))
            vehicle, _ = _both(vehicle, tick, 0)
        vehicle, short = _both(
            vehicle, _fact(rng, pool, number, now_s), now_s + rng.choice((0, 0, 0.2, 20, 100))
        )
        taken += short
    return taken


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_short_way_gives_what_the_whole_step_gives(seed: int) -> None:
    _live(Vehicle(vin=VIN), random.Random(seed), 150)


@settings(max_examples=30, deadline=None)
@given(facts=lives() | lives(skew=True))
def test_so_it_does_for_odd_clocks(facts: list[AnyFact]) -> None:
    vehicle = Vehicle(vin=VIN)
    for fact in facts:
        vehicle, _ = _both(vehicle, fact, 0)


@pytest.mark.parametrize("mode", ["workshop", "transport", "deactivation"])
def test_a_special_mode_sees_each_movement(mode: Any) -> None:
    running = SpecialMode(
        mode_id="m", mode=mode, starts_at=at(0), set_at=at(0), ends_at=at(9e6), set_by="anna", role="operator"
    )
    for seed in range(10):
        vehicle = Vehicle(vin=VIN, modes=Modes((running,)))
        _live(vehicle, random.Random(seed), 150)


def test_a_drive_with_its_card_takes_it() -> None:
    vehicle, _ = _both(Vehicle(vin=VIN), card("c", True, 0), 0)
    for number in range(1, 40):
        times: dict[str, Any] = {"occurred_at": at(30 * number), "received_at": at(30 * number + 0.2)}
        vehicle, short = _both(vehicle, Movement(moving=number != 20, **times), 0)
        assert short


def test_many_lives_take_it() -> None:
    assert sum(_live(Vehicle(vin=VIN), random.Random(seed), 150) for seed in range(100)) > 500
