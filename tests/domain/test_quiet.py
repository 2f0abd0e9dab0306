"""The short way through a step gives what the whole step gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain import parts, quiet
from gateway.domain import step as step_module
from gateway.domain.alarms import Alarm
from gateway.domain.approvals import Approval, Approvals
from gateway.domain.cases import Case
from gateway.domain.facts import AnyFact
from gateway.domain.people.facts import Hashed
from gateway.domain.people.state import Code, PastContacts, People, Transfer
from gateway.domain.remote_access.state import Command, RemoteAccess
from gateway.domain.services.data_bundle import Bundles
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
from gateway.domain.terms import Terms
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import VIN, at, card, moves, registered, siren
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


def _mode(mode: str) -> SpecialMode:
    times: dict[str, Any] = {"starts_at": at(0), "set_at": at(0), "ends_at": at(9e6)}
    return SpecialMode(mode_id="m", mode=mode, set_by="anna", role="operator", **times)


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
    for seed in range(10):
        vehicle = Vehicle(vin=VIN, modes=Modes((_mode(mode),)))
        _live(vehicle, random.Random(seed), 150)


_HELD = Alarm(
    alarm_id="a",
    vin=VIN,
    cause="tilt",
    state="open",
    case_id=None,
    occurred_at=at(0),
    received_at=at(0),
    raised_at=at(0),
    told_at=at(0),
    gathering=True,
)
_CODE = Code(Hashed("00", "s"), "anna", at(0), at(900))
_COMMAND: dict[str, Any] = {name: name for name in ("command_id", "request_id", "user", "by", "role")}
_COMMAND |= {"action": "locate", "issued_at": at(0), "expires_at": at(900), "changed_at": at(0)}
WAITING: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a mode": {"modes": Modes((_mode("workshop"),))},
    "what a mode held back": {"suppressed": {"tilt": _HELD}},
    "a command": {"remote": RemoteAccess(open=(Command(**_COMMAND, status="accepted"),), look_at=at(60))},
    "a command that was sent": {"remote": RemoteAccess(open=(Command(**_COMMAND, status="sent"),))},
    "a second person": {"approvals": Approvals((Approval("a", "k", "w", "anna", at(0)),))},
    "a pairing": {"people": People(pairing=_CODE)},
    "an invitation": {"people": People(invitations=(_CODE,))},
    "a hand-over": {"people": People(transfer=Transfer("anna", _CODE))},
    "a list of contacts": {"people": People(past_contacts=(PastContacts((), at(900)),))},
    "a lease": {"case": Case(case_id="c", opened_at=at(0), lease_until=at(900))},
    "a case": {"case": Case(case_id="c", opened_at=at(0))},
    "a bundle": {"bundles": Bundles(next_at=at(900))},
    "a term": {"terms": Terms(next_at=at(900))},
}


@pytest.mark.parametrize("first", WAITING)
@pytest.mark.parametrize("second", WAITING)
def test_at_a_glance_parts_want_what_each_of_them_wants(first: str, second: str) -> None:
    vehicle = Vehicle(vin=VIN, heard_at=at(0), **(WAITING[first] | WAITING[second]))
    wanted = [one for wakes in parts.WAKES for one in wakes(vehicle)]
    assert parts.soonest(vehicle) == min(wanted, default=None)
    seen = [watch(vehicle, moves(1), at(1)) for watch in parts.WATCHES[Movement]]
    assert not parts.is_idle(vehicle) or not any(seen)


def test_each_part_waits_for_something_here() -> None:
    """A new part that wants to be woken or looks at movements stands here, or the glance overlooks it."""
    vehicles = [Vehicle(vin=VIN, heard_at=at(0), **one) for one in WAITING.values()]
    assert all(any(wakes(one) for one in vehicles) for wakes in parts.WAKES)
    for watch in parts.WATCHES[Movement]:
        assert any(watch(one, moves(1), at(1)) for one in vehicles)


def test_a_siren_that_had_its_alarm_makes_no_drive_loud() -> None:
    vehicle, _ = _both(Vehicle(vin=VIN), card("c", True, 0), 0)
    vehicle, _ = _both(vehicle, siren("s", 1, active_for_s=20), 1)
    assert "car_alarm" in vehicle.alarms
    assert _both(vehicle, moves(2), 2)[1]
    assert not _both(replace(vehicle, settled=()), moves(2), 2)[1]


def test_a_drive_with_its_card_takes_it() -> None:
    vehicle, _ = _both(Vehicle(vin=VIN), card("c", True, 0), 0)
    for number in range(1, 40):
        times: dict[str, Any] = {"occurred_at": at(30 * number), "received_at": at(30 * number + 0.2)}
        vehicle, short = _both(vehicle, Movement(moving=number != 20, **times), 0)
        assert short


def test_many_lives_take_it() -> None:
    assert sum(_live(Vehicle(vin=VIN), random.Random(seed), 150) for seed in range(100)) > 500
