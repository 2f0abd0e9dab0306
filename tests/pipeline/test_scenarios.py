"""Scenarios of the domain in their own words; ``docs/scenarios.md`` maps each of them to its test."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import StartError
from gateway.registry import read_registrations
from tests.pipeline.conftest import VIN, Rig

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "docs" / "scenarios.md"


async def test_a_card_gone_16_s_at_30_km_h_is_one_silent_alarm(rig: Rig) -> None:
    """Scenario 2: then one silent alarm, and nothing is sent to the car."""
    rig.card("c0", True)
    rig.telemetry(Speed=30, LowVoltageSystemState="ON")
    await rig.wait(1)
    rig.card("c1", False)
    for _ in range(16):
        await rig.wait(1)
        rig.telemetry(Speed=30)
    await rig.wait(1)
    assert [(one["cause"], one["silent"]) for one in rig.data()] == [("driver_card_missing", True)]
    assert {topic for topic, _body in rig.link.published} == {f"v1/vehicles/{VIN}/receipt"}


def test_an_8th_card_is_refused(tmp_path: Path) -> None:
    """Scenario 7: given an 8th card taught, then refused; the file changes nothing."""
    path = tmp_path / "fleet.jsonl"
    cards = [f"DC-{number}" for number in range(8)]
    path.write_text(json.dumps({"vin": VIN, "driver_cards": cards[:7]}))
    assert [one.driver_cards for one in read_registrations(path)] == [tuple(cards[:7])]
    path.write_text(json.dumps({"vin": VIN, "driver_cards": cards}))
    with pytest.raises(StartError, match="length <= 7"):
        list(read_registrations(path))


async def siren(rig: Rig, number: int, seconds: float) -> None:
    rig.trigger("car_alarm", f"on{number}")
    await rig.wait(seconds)
    stated = {"event_id": f"off{number}", "occurred_at": rig.clock.now(), "cause": "car_alarm"}
    rig.send("theft-sensor", {**stated, "state": "restored"})
    await rig.wait(1)


async def test_a_siren_of_14_s_is_nothing_and_one_of_15_s_an_alarm(rig: Rig) -> None:
    """Scenario 20: siren active 14 s, then nothing; at 15 s alarm; on-off-on 10 s each, then nothing."""
    await siren(rig, 1, 14)
    await siren(rig, 2, 10)
    await siren(rig, 3, 10)
    assert rig.data() == []
    await siren(rig, 4, 15)
    assert [one["cause"] for one in rig.data()] == ["car_alarm"]


async def test_an_alarm_stamped_40_minutes_ago_is_forwarded_at_once(rig: Rig) -> None:
    """Scenario 32: with both times, flagged late; telemetry equally late never overwrites newer state."""
    old = rig.clock.now() - timedelta(minutes=40)
    rig.telemetry(Speed=0, LowVoltageSystemState="OFF")
    rig.trigger("intrusion", "e1", occurred_at=old)
    late = {"Vehicle.LowVoltageSystemState": "ON", "Vehicle.Speed": 90}
    rig.send("telemetry", {"occurred_at": old, "signals": late})
    await rig.settle()
    (data,) = rig.data()
    assert (data["late"], data["occurred_at"] < data["received_at"]) == (True, True)
    assert rig.intake.signals(VIN)["Vehicle.Speed"].value == 0
    state = await rig.store.vehicle(VIN)
    assert state is not None
    assert json.loads(state.body)["past"]["now"]["ignition_on"] is False


@pytest.mark.parametrize("days", [3 * 365, -3 * 365, -56 * 365])
async def test_a_vehicle_clock_that_is_years_off(rig: Rig, days: int) -> None:
    """Scenario 33: clock 3 years off or 1970: forwarded; ahead of ours or before 2020 is suspect."""
    rig.trigger("intrusion", "e1", occurred_at=rig.clock.now() + timedelta(days=days))
    await rig.settle()
    (data,) = rig.data()
    assert data["clock_suspect"] or data["late"]


def test_every_test_in_the_table_exists() -> None:
    """The table in the docs names files and functions; each of them is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TABLE.read_text(encoding="utf-8"))
    assert len(named) >= 20
    for file, function in named:
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{function}"
