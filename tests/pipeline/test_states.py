"""States as they are stored: a body and parts. Whatever happens, what is read is what was committed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.storage.sqlite.verify import holes
from gateway.domain.facts import AnyFact
from gateway.domain.signals import Acknowledge, Close, Movement, Position, TheftSensor
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.states import CHUNK, changed_parts, decode_state, encode_body, is_in_parts
from gateway.ports import StoredVehicle
from tests.pipeline.conftest import VIN as RIG_VIN
from tests.pipeline.conftest import Rig

T0 = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN = "XVGZZZ99ZTS000001"
CAUSES = ("tilt", "intrusion", "hold_up", "car_alarm", "car_alarm")


class Kept:
    """What a store does with rows."""

    def __init__(self) -> None:
        self.body = b""
        self.parts: dict[str, bytes] = {}
        self.written = 0

    def commit(self, before: Vehicle | None, after: Vehicle) -> None:
        self.body = encode_body(after)
        for name, part in changed_parts(before, after).items():
            self.written += len(part or b"")
            if part is None:
                del self.parts[name]
            else:
                self.parts[name] = part

    def read(self) -> Vehicle:
        vehicle, wrong = decode_state(VIN, StoredVehicle(1, self.body, dict(sorted(self.parts.items()))))
        assert wrong is None
        return vehicle


def fact(number: int, kind: str, at: datetime, late_s: float, vehicle: Vehicle) -> AnyFact:
    times: dict[str, Any] = {"received_at": at, "occurred_at": at - timedelta(seconds=late_s)}
    if kind == "close" and vehicle.alarms:
        alarm_id = list(vehicle.alarms.values())[number % len(vehicle.alarms)].alarm_id
        return Close(received_at=at, alarm_id=alarm_id, by="Kim", disposition="test")
    if kind == "moves":
        return Movement(moving=number % 3 > 0, position=Position(52.1, 5.1, 8.0), **times)
    cause = CAUSES[number % len(CAUSES)]
    state: Any = "restored" if kind == "restored" else "triggered"
    return TheftSensor(event_id=f"e-{number}", cause=cause, state=state, **times)


kinds = st.sampled_from(("moves", "moves", "moves", "triggered", "triggered", "restored", "close"))
gaps = st.sampled_from((0.0, 0.3, 2.0, 2.0, 20.0, 65.0, 700.0))
lates = st.sampled_from((0.0, 0.0, 0.0, 5.0, 40.0, 590.0, 900.0))
lives = st.lists(st.tuples(kinds, gaps, lates, st.booleans(), st.integers(0, 30)), min_size=1, max_size=120)


@settings(max_examples=150, deadline=None)
@given(lives)
def test_what_is_read_is_what_was_committed(life: Sequence[tuple[str, float, float, bool, int]]) -> None:
    """Commits of one or many steps, by a gateway that goes on or that has just read the state."""
    kept, at, number = Kept(), T0, 0
    committed: Vehicle | None = None
    vehicle = Vehicle(vin=VIN)
    for kind, gap_s, late_s, commits, more in life:
        for _again in range(1 + (more if more > 25 else 0)):  # now and then a flood
            at, number = at + timedelta(seconds=gap_s), number + 1
            vehicle, _ = step(vehicle, fact(number, kind, at, late_s, vehicle), at, Thresholds())
        if commits:
            kept.commit(committed, vehicle)
            assert kept.read() == vehicle
            committed = vehicle = kept.read() if more % 4 == 0 else vehicle
    kept.commit(committed, vehicle)
    assert kept.read() == vehicle


def driven(facts: int, vehicle: Vehicle, begin: int = 0) -> Vehicle:
    for number in range(begin, begin + facts):
        at = T0 + timedelta(seconds=3 * number)
        vehicle, _ = step(vehicle, Movement(received_at=at, occurred_at=at, moving=True), at, Thresholds())
    return vehicle


def test_one_more_fact_writes_one_small_part() -> None:
    before = driven(210, Vehicle(vin=VIN))
    at = T0 + timedelta(seconds=629)
    alarm = TheftSensor(received_at=at, event_id="e", cause="tilt", state="triggered")
    before, _ = step(before, alarm, at, Thresholds())
    seen = Acknowledge(received_at=at, alarm_id=before.alarms["tilt"].alarm_id, by="Kim")
    before, _ = step(before, seen, at, Thresholds())  # or its escalation would change it
    for number in range(210, 210 + 2 * CHUNK):
        after = driven(1, before, number)
        parts = changed_parts(before, after)
        assert max(parts).startswith("window/")
        assert sum(part is not None for part in parts.values()) == 1
        before = after


def test_a_state_of_an_older_version_is_read_and_then_written_in_parts() -> None:
    """It was one body that held everything."""
    vehicle = driven(40, Vehicle(vin=VIN))
    at = T0 + timedelta(seconds=200)
    alarm = TheftSensor(received_at=at, event_id="e", cause="tilt", state="triggered")
    vehicle, _ = step(vehicle, alarm, at, Thresholds())
    stored = StoredVehicle(vehicle.version, msgspec.json.encode(vehicle))
    assert decode_state(VIN, stored) == (vehicle, None)
    assert not is_in_parts(stored)
    kept = Kept()
    kept.commit(None, vehicle)
    assert is_in_parts(StoredVehicle(1, kept.body, kept.parts))
    assert kept.read() == vehicle


def rows(rig: Rig, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(rig.store.path, isolation_level=None)) as connection:
        return connection.execute(query, values).fetchall()


def found(rig: Rig) -> list[str]:
    with closing(sqlite3.connect(rig.store.path)) as connection:
        return list(holes(connection))


async def test_verify_knows_what_is_gathered_in_a_part_and_a_restart_goes_on_with_it(rig: Rig) -> None:
    for number in range(3):
        rig.trigger("tilt", f"t{number}")
        await rig.settle()
    ((body,),) = rows(rig, "SELECT body FROM vehicle_parts WHERE part = 'alarm/tilt'")
    assert msgspec.json.decode(body)["gathered"] == ["t1", "t2"]
    assert found(rig) == []
    await rig.restart()
    await rig.wait(2)
    assert [message.type for message in rig.messages] == ["alarm.raised", "alarm.updated"]
    assert found(rig) == []


async def test_a_store_of_the_version_before_is_gone_on_with(rig: Rig) -> None:
    """Its state is one body; an open alarm in it is added to, and nothing is lost by writing it in parts."""
    rig.trigger("tilt", "t0")
    rig.trigger("hold_up", "h0")
    await rig.settle()
    vehicle, _ = decode_state(RIG_VIN, await rig.store.vehicle(RIG_VIN))
    rows(rig, "DELETE FROM vehicle_parts")
    rows(rig, "UPDATE vehicles SET body = ? WHERE vin = ?", msgspec.json.encode(vehicle), RIG_VIN)
    await rig.restart()
    rig.clock.advance(10)
    rig.trigger("tilt", "t1")
    await rig.settle()
    now, wrong = decode_state(RIG_VIN, await rig.store.vehicle(RIG_VIN))
    assert wrong is None
    assert now.alarms["hold_up"] == vehicle.alarms["hold_up"]
    assert now.alarms["tilt"].count == 2
    assert [message.type for message in rig.messages][-1] == "alarm.updated"


def test_a_state_that_lacks_a_part_of_its_window_is_not_read_as_if_it_were_whole() -> None:
    vehicle, kept = driven(60, Vehicle(vin=VIN)), Kept()
    kept.commit(None, vehicle)
    del kept.parts["window/1"]
    empty, wrong = decode_state(VIN, StoredVehicle(7, kept.body, kept.parts))
    assert empty == Vehicle(vin=VIN, version=7)
    assert wrong is not None
    assert "window" in wrong
