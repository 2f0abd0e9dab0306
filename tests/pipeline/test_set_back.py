"""The gateway's own clock is set back, while it runs or is down: nothing lasts longer, no car freezes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

import msgspec
import pytest

from gateway.domain.facts import AnyFact
from gateway.domain.set_back import MOVED
from gateway.domain.signals import Registration, SetMode
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.set_back import SetBack
from tests.pipeline.conftest import VIN, Rig
from tests.pipeline.test_detection import THEFT, raised

H = 3600.0
SET_BACK_S = [10.0, 600.0, 3 * H, 86_400.0, 3 * 365 * 86_400.0]


class Guarded:
    """A rig whose clock is looked after."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.guard = self.start()

    def start(self) -> SetBack:
        rig = self.rig
        guard = SetBack(rig.store, rig.clock, rig.tally, rig.log, "gw-1")
        guard.on_set_back = [rig.decider.set_back, rig.intake.set_back, rig.timers.set_back]
        rig.timers._store = rig.store
        rig.decider.before_turn = guard.look
        rig.decider.on_modes, rig.decider.on_watched = rig.timers.pin, rig.intake.watch
        return guard

    async def set_back(self, by_s: float, how: str) -> None:
        """``how``: while it runs, or while it is down."""
        self.rig.clock.jump(-by_s)
        if how == "down":
            await SetBack(self.rig.store, self.rig.clock, self.rig.tally, self.rig.log, "gw-1").at_start()
            await self.rig.restart()
            self.start()
        else:
            self.rig.trigger("battery_low", f"b{by_s}", vin="XVGZZZ99ZTS999999")  # anything that is decided
            await self.rig.settle()
        self.rig.hearing_since = self.rig.clock.now()

    async def act(self, fact: AnyFact) -> None:
        acting = asyncio.create_task(self.rig.decider.act(VIN, fact))
        await asyncio.sleep(0)
        await self.rig.settle()
        await acting

    async def workshop(self, seconds: float) -> None:
        await self.rig.store.register([Registration(vin=VIN, main_user="anna")])
        fields: dict[str, Any] = {"mode": "workshop", "by": "Kim", "role": "operator", "reason": "r"}
        await self.act(SetMode(received_at=self.rig.clock.now(), duration_s=seconds, **fields))

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.rig.store.path) as connection:
            return connection.execute(query).fetchall()

    def actions(self) -> list[str]:
        query = "SELECT action FROM audit WHERE action LIKE 'mode.%' ORDER BY n"
        return [action for (action,) in self.rows(query)]


@pytest.fixture
async def guarded(rig: Rig) -> Guarded:
    return Guarded(rig)


@pytest.mark.parametrize("how", ["down", "running"])
@pytest.mark.parametrize("by_s", SET_BACK_S)
async def test_a_mode_lasts_as_long_as_it_was_set_for(guarded: Guarded, by_s: float, how: str) -> None:
    rig = guarded.rig
    await guarded.workshop(H)
    await rig.wait(1800)
    rig.trigger("tilt", "t0")
    await rig.settle()
    await guarded.set_back(by_s, how)
    await rig.wait(1700)
    rig.trigger("tilt", "t1")
    await rig.settle()
    assert guarded.actions() == ["mode.started"]
    await rig.wait(110)
    assert guarded.actions() == ["mode.started", "mode.ended"]
    rig.trigger("tilt", "t2")
    await rig.wait(2)
    told = [(message.type, one["note"]) for message, one in zip(rig.messages, rig.data(), strict=True)]
    own = [one for one, data in zip(told, rig.data(), strict=True) if data["cause"] == "tilt"]
    assert own == [
        ("alarm.suppressed", None),
        ("alarm.suppressed", None),
        ("alarm.updated", "mode_ended"),
        ("alarm.raised", "present_at_mode_end"),
        ("alarm.updated", "present_at_mode_end"),
    ]


@pytest.mark.parametrize("how", ["down", "running"])
@pytest.mark.parametrize("by_s", SET_BACK_S)
async def test_no_car_is_frozen(guarded: Guarded, by_s: float, how: str) -> None:
    """Cars know the time: to the gateway they are ahead then, and a theft is told as soon as ever."""
    rig = guarded.rig
    rig.card("c0", True)
    for _ in range(6):  # longer than late facts are sorted in
        rig.telemetry(Speed=30, LowVoltageSystemState="ON")
        await rig.wait(300)
    await guarded.set_back(by_s, how)

    def said(kind: str, **fields: Any) -> None:
        rig.clock.jump(by_s)
        at = rig.clock.now()
        rig.clock.jump(-by_s)
        rig.send(kind, {"occurred_at": at, **fields})

    said("telemetry", signals={"Vehicle.Speed": 31, "Vehicle.LowVoltageSystemState": "ON"})
    said("driver-card", event_id="c1", present=False, card_id="DC-1")
    for _ in range(4):
        await rig.wait(5)
        said("telemetry", signals={"Vehicle.Speed": 31})
    await rig.settle()
    assert raised(rig)["driver_card_missing"] == 1


@pytest.mark.parametrize("how", ["down", "running"])
@pytest.mark.parametrize("by_s", SET_BACK_S)
async def test_what_was_about_to_be_alarmed_is(guarded: Guarded, by_s: float, how: str) -> None:
    """The car was jammed while it was armed; then the clock is set back, and nothing more is heard."""
    rig = guarded.rig
    now_s = 0.0
    for at_s, act in THEFT:
        await rig.wait(at_s - now_s)
        now_s = at_s
        act(rig)
        await rig.settle()
    await rig.wait(90)
    await guarded.set_back(by_s, how)
    await rig.wait(130)
    assert raised(rig)["comm_loss_after_jamming"] == 1


async def test_it_is_told_and_counted_and_stands_in_the_audit_trail(guarded: Guarded) -> None:
    guarded.rig.trigger("tilt", "t")
    await guarded.rig.settle()
    await guarded.set_back(60, "down")
    assert guarded.rig.tally.totals["gateway_clock_set_back_total"] == 1
    assert "clock.set_back" in guarded.rig.log.events
    assert guarded.rows("SELECT details FROM audit WHERE action = 'clock.set_back'") == [('{"by_s":60.0}',)]


@pytest.mark.parametrize("by_s", [-86_400.0, 0.0, 1.5])
async def test_a_clock_that_is_right_or_set_ahead_moves_nothing(guarded: Guarded, by_s: float) -> None:
    guarded.rig.trigger("tilt", "t")
    await guarded.rig.settle()
    for how in ("down", "running"):
        await guarded.set_back(by_s, how)
    assert "gateway_clock_set_back_total" not in guarded.rig.tally.totals


async def test_killed_in_the_middle_it_moves_each_vehicle_once(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guarded.workshop(H)
    ((before,),) = guarded.rows("SELECT body FROM vehicles WHERE vin LIKE 'XVG%'")
    guarded.rig.clock.jump(-600)

    async def killed(*_arguments: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(guarded.rig.store, "audit", killed)
        with pytest.raises(RuntimeError):
            await SetBack(
                guarded.rig.store, guarded.rig.clock, guarded.rig.tally, guarded.rig.log, "gw-1"
            ).at_start()
    await guarded.set_back(0, "down")
    ((after,),) = guarded.rows("SELECT body FROM vehicles WHERE vin LIKE 'XVG%'")
    ends = [msgspec.json.decode(body, type=Vehicle).modes.running[0].ends_at for body in (before, after)]
    assert (ends[0] - ends[1]).total_seconds() == 600


def test_every_field_of_a_vehicle_that_holds_times_is_moved_or_is_a_record() -> None:
    """A new field with times must be put into ``MOVED``, or be named here as a record or a date."""
    records = {"registration", "bundles", "terms", "alarms", "suppressed", "people"}
    rest = set(Vehicle.__struct_fields__) - set(MOVED) - records
    for name in rest:
        assert "datetime" not in json.dumps(
            msgspec.json.schema(Vehicle)["$defs"]["Vehicle"]["properties"][name]
        )
    assert rest <= {
        "vin", "version", "card_ever_stated", "alarms_made", "case_id", "settled", "pending", "stolen",
        "set_back_from",
    }  # fmt: skip
