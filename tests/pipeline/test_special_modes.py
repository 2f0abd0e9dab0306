"""Special modes across restarts, clock jumps and a failing store; what the store keeps of a car's places."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.adapters.storage.sqlite.retention import MAX_TRACK
from gateway.adapters.storage.sqlite.verify import holes
from gateway.domain.effects import Effect, Refused
from gateway.domain.facts import AnyFact
from gateway.domain.signals import Close, EndMode, Place, Registration, SetMode
from tests.pipeline.conftest import VIN, Rig

H = 3600.0
SPEED, LATITUDE = "Vehicle.Speed", "Vehicle.CurrentLocation.Latitude"
IGNITION = "Vehicle.LowVoltageSystemState"
LONGITUDE, ACCURACY = "Vehicle.CurrentLocation.Longitude", "Vehicle.CurrentLocation.HorizontalAccuracy"


class Garage:
    """A registered car and its people around the decider."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._sent = 0
        self.connect()

    def connect(self) -> None:
        self.rig.decider.on_modes = self.rig.timers.pin
        self.rig.decider.on_watched = self.rig.intake.watch

    async def restart(self) -> None:
        """Lose everything that is only in memory."""
        rig = self.rig
        rig.timers = rig.new_timers()
        rig.decider = rig.new_decider()
        self.connect()
        await rig.decider.open()
        for subject, wake_at in await rig.store.timers():
            rig.intake.watch(subject, True)
            rig.timers.wake(subject, wake_at)

    async def act(self, fact: AnyFact) -> tuple[Effect, ...]:
        acting = asyncio.create_task(self.rig.decider.act(VIN, fact))
        await asyncio.sleep(0)
        await self.rig.settle()
        return await acting

    async def put(self, mode: str, seconds: float, **more: Any) -> tuple[Effect, ...]:
        self.rig.intake.hand_over(VIN, self.rig.clock.now())
        now = self.rig.clock.now()
        return await self.act(
            SetMode(
                received_at=now,
                mode=mode,
                by="Kim",
                role="operator",
                reason="Service",
                duration_s=seconds,
                **more,
            )
        )

    async def trigger(self, cause: str, **fields: Any) -> None:
        self._sent += 1
        self.rig.trigger(cause, f"e{self._sent}", **fields)
        await self.rig.settle()

    async def telemetry(self, **signals: Any) -> None:
        body = {"occurred_at": self.rig.clock.now().isoformat(), "signals": signals}
        self.rig.send("telemetry", body)
        await self.rig.settle()

    async def at(self, north_m: float) -> None:
        await self.telemetry(**{LATITUDE: 52 + north_m / 111_195, LONGITUDE: 5.0, ACCURACY: 5.0})

    async def wait(self, seconds: float) -> None:
        """Let time pass, with every timer when it is due."""
        rig, left_s = self.rig, seconds
        while True:
            due_s = min((due for due, _, _ in rig.timers._heap), default=float("inf")) - rig.clock.mono_s()
            if due_s > left_s:
                rig.clock.advance(left_s)
                return
            rig.clock.advance(max(due_s, 0))
            left_s -= max(due_s, 0)
            await rig.timers._tick()
            await rig.settle()

    @property
    def feed(self) -> list[tuple[str, str, str | None]]:
        """Type, cause and note of every message, but for those that only say that nobody has acted."""
        bodies = [json.loads(message.body) for message in self.rig.messages]
        said = [(one["type"], one["data"]["cause"], one["data"]["note"]) for one in bodies]
        return [one for one in said if one[2] is None or not one[2].startswith("escalated:")]

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.rig.store.path) as connection:
            return connection.execute(query).fetchall()

    def holes(self) -> list[str]:
        with sqlite3.connect(self.rig.store.path) as connection:
            return list(holes(connection))


@pytest.fixture
async def garage(rig: Rig) -> Garage:
    await rig.store.register([Registration(vin=VIN, main_user="anna", secondary_users=("bert",))])
    return Garage(rig)


STORY: list[Callable[[Garage], Any]] = [
    lambda g: g.put("workshop", H),
    lambda g: g.trigger("tilt"),
    lambda g: g.trigger("battery_disconnect"),
    lambda g: g.trigger("tilt"),
    lambda g: g.wait(2),
    lambda g: g.trigger("hold_up"),
    lambda g: g.wait(0.85 * H),
    lambda g: g.wait(0.2 * H),
    lambda g: g.trigger("tilt"),
    lambda g: g.wait(2),
]
TOLD = [
    ("alarm.suppressed", "tilt", None),
    ("alarm.suppressed", "battery_disconnect", None),
    ("alarm.suppressed", "tilt", None),
    ("alarm.raised", "hold_up", None),
    ("alarm.raised", "comm_loss_after_tamper", None),
    ("alarm.updated", "tilt", "mode_ended"),
    ("alarm.updated", "battery_disconnect", "mode_ended"),
    ("alarm.raised", "tilt", "present_at_mode_end"),
    ("alarm.raised", "battery_disconnect", "present_at_mode_end"),
    ("alarm.updated", "tilt", "present_at_mode_end"),
]


@pytest.mark.parametrize("point", [None, *range(len(STORY))])
async def test_a_restart_at_any_point_loses_none_and_doubles_none(garage: Garage, point: int | None) -> None:
    for number, happens in enumerate(STORY):
        await happens(garage)
        if number == point:
            await garage.restart()
    assert garage.feed == TOLD
    assert garage.holes() == []
    codes = [json.loads(body)["code"] for (body,) in garage.rows("SELECT body FROM notifications")]
    assert sorted(codes) == ["ended", "ended", "reminder", "reminder", "started", "started"]
    ordered = "SELECT action FROM audit WHERE action LIKE 'mode.%' ORDER BY rowid"
    audited = [action for (action,) in garage.rows(ordered)]
    assert audited == ["mode.started", "mode.ended"]
    assert garage.rig.tally.totals["gateway_suppressed_total"] == 3


async def test_a_mode_that_ended_while_the_gateway_was_down_ends_at_its_start(garage: Garage) -> None:
    await garage.put("workshop", H)
    await garage.trigger("tilt")
    garage.rig.clock.advance(5 * H)
    await garage.restart()
    await garage.wait(0.1)
    assert garage.feed[1:] == [
        ("alarm.updated", "tilt", "mode_ended"),
        ("alarm.raised", "tilt", "present_at_mode_end"),
    ]


@pytest.mark.parametrize("jump_s", [-3 * H, -60, 60])
async def test_a_jump_of_the_wall_clock_neither_shortens_nor_lengthens_a_mode(
    garage: Garage, jump_s: float
) -> None:
    await garage.put("workshop", H)
    garage.rig.clock.jump(jump_s)
    await garage.wait(H - 61)
    assert [mode for (mode,) in garage.rows("SELECT action FROM audit")] == ["mode.started"]
    await garage.wait(62)
    assert "mode.ended" in [mode for (mode,) in garage.rows("SELECT action FROM audit")]


async def test_a_clock_set_far_ahead_ends_a_mode_at_the_next_word_of_the_car(garage: Garage) -> None:
    await garage.put("workshop", H)
    garage.rig.clock.jump(2 * H)
    await garage.trigger("tilt")
    assert garage.feed == [("alarm.raised", "tilt", None)]


async def test_a_mode_is_not_set_while_the_store_fails(garage: Garage) -> None:
    garage.rig.failing = True
    acting = asyncio.create_task(garage.put("workshop", H))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Exception, match="store fails"):
        await acting
    await garage.trigger("tilt")
    assert [json.loads(one.body)["data"]["cause"] for one in garage.rig.unrecorded] == ["tilt"]


async def test_refusals_are_audited_in_the_same_transaction(garage: Garage) -> None:
    effects = await garage.act(
        EndMode(received_at=garage.rig.clock.now(), mode="workshop", by="Kim", role="operator")
    )
    assert any(isinstance(one, Refused) for one in effects)
    assert garage.rows("SELECT actor, action FROM audit") == [("Kim", "mode.refused")]


async def test_telemetry_shows_that_a_car_leaves_its_workshop(garage: Garage) -> None:
    """Positions of a car in workshop mode reach the fold, though nothing else asks for them."""
    await garage.at(0)
    await garage.put("workshop", H)
    await garage.wait(10)
    await garage.at(50)
    await garage.wait(10)
    await garage.at(900)
    await garage.restart()
    await garage.wait(10)
    await garage.at(1100)
    assert garage.feed == [("alarm.raised", "left_workshop", None)]


async def test_a_car_that_drives_off_under_a_roof_leaves_its_workshop(garage: Garage) -> None:
    await garage.at(0)
    await garage.put("workshop", 3 * H)
    await garage.wait(700)
    await garage.telemetry(**{SPEED: 20.0})
    assert garage.feed == []
    await garage.wait(10)
    await garage.telemetry(**{SPEED: 50.0})
    assert garage.feed == [("alarm.raised", "left_workshop", None)]


async def test_an_old_position_gets_no_new_time(garage: Garage) -> None:
    """A car whose positioning is jammed must not look as if it still stood in the yard."""
    await garage.at(0)
    await garage.put("workshop", 3 * H)
    for _ in range(70):
        await garage.wait(10)
        await garage.telemetry(**{SPEED: 50.0})
    assert garage.feed[0] == ("alarm.raised", "left_workshop", None)


# -- where a car was ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignition", [{}, {IGNITION: "ON"}], ids=["ignition unknown", "ignition on"])
@pytest.mark.parametrize("every_s", [1, 30])
@pytest.mark.parametrize("private", [False, True])
async def test_without_a_theft_alarm_no_track_is_kept(
    garage: Garage, ignition: dict[str, str], every_s: float, private: bool
) -> None:
    """A car whose each position is asked for is driven about: the newest is kept, and the mode's place."""
    if private:
        stated = {"event_id": "m", "occurred_at": garage.rig.clock.now().isoformat(), "private_mode": True}
        garage.rig.send("mode", stated)
    await garage.telemetry(**{LATITUDE: 52.123, LONGITUDE: 5.0, **ignition})
    await garage.put("workshop", H, place=Place(52.123, 5.0))
    for number in range(1, 20):
        await garage.wait(every_s)
        signals: dict[str, Any] = {LATITUDE: 52.123 + number / 1e4, LONGITUDE: 5.0, SPEED: 5.0, **ignition}
        await garage.telemetry(**signals)
        if number % 5 == 0:
            await garage.trigger("tilt")
    await garage.wait(10)
    assert garage.rows("SELECT * FROM tracks") == []
    facts = garage.rows("SELECT body FROM facts WHERE kind <> 'setmode'")
    assert not [body for (body,) in facts if b"52.12" in body]
    ((body,),) = garage.rows("SELECT body FROM vehicles WHERE vin LIKE 'XVG%'")
    state = json.loads(body)
    places = state["modes"]["running"][0]["place"]["latitude"], state["position"]["latitude"]
    held_back = [alarm["position"]["latitude"] for alarm in state["suppressed"].values()]
    parts = garage.rows("SELECT body FROM vehicle_parts WHERE vin LIKE 'XVG%'")
    stored = b"\n".join([body, *(part for (part,) in parts)])
    assert set(re.findall(rb"52\.1[2-9]\d*", stored)) == {str(one).encode() for one in (*places, *held_back)}
    assert len(state["suppressed"]) == 1, "the place of what was held back is the alarm's, like any other's"


async def test_where_the_car_is_left_is_known_though_its_drive_was_followed(garage: Garage) -> None:
    """Each position of the drive was told for the mode's place; the last of them is the parking spot."""
    await garage.telemetry(**{LATITUDE: 52.0, LONGITUDE: 5.0, IGNITION: "ON"})
    await garage.put("workshop", H)
    for metres in range(0, 200, 20):
        await garage.wait(5)
        await garage.telemetry(**{LATITUDE: 52 + metres / 111_195, LONGITUDE: 5.0, SPEED: 15.0})
    await garage.wait(2)
    await garage.telemetry(**{IGNITION: "OFF", SPEED: 0})
    await garage.restart()
    ((body,),) = garage.rows("SELECT body FROM vehicles WHERE vin LIKE 'XVG%'")
    latitude, *_rest = json.loads(body)["past"]["now"]["parking"][1]
    assert round((latitude - 52) * 111_195) == 180


async def test_the_track_of_a_theft_is_erased_thirty_days_after_its_case(garage: Garage) -> None:
    await garage.trigger("hold_up")
    for metres in (0, 100, 200):
        await garage.wait(30)
        await garage.at(metres)
    rig = garage.rig
    rows = await rig.store.track(VIN, 0, 10)
    assert [round((row.latitude - 52) * 111_195) for _, row in rows] == [0, 100, 200]
    alarm_id = rig.data()[0]["alarm_id"]
    await garage.act(Close(received_at=rig.clock.now(), alarm_id=alarm_id, by="Kim", disposition="recovered"))
    await garage.wait(30)
    await garage.at(300)
    for days, kept in ((0, 3), (29, 3), (2, 0)):
        rig.clock.advance(days * 86_400)
        await rig.store.prune(rig.clock.now())
        assert len(await rig.store.track(VIN, 0, 10)) == kept
    assert garage.rows("SELECT * FROM left_cases") == []


async def test_a_track_is_bounded(garage: Garage) -> None:
    rows = [(VIN, "c", "2026-11-22T00:00:00+00:00", 1.0, 2.0)] * (MAX_TRACK + 50)
    with sqlite3.connect(garage.rig.store.path) as connection:
        connection.executemany(
            "INSERT INTO tracks (vin, case_id, at, latitude, longitude) VALUES (?, ?, ?, ?, ?)", rows
        )
    await garage.rig.store.prune(garage.rig.clock.now())
    assert garage.rows("SELECT COUNT(*), MIN(n) FROM tracks") == [(MAX_TRACK, 51)]


async def test_in_private_mode_no_track_is_kept(garage: Garage) -> None:
    await garage.trigger("hold_up")
    at = garage.rig.clock.now().isoformat()
    garage.rig.send("mode", {"event_id": "m", "occurred_at": at, "private_mode": True})
    await garage.wait(30)
    await garage.at(0)
    assert garage.rows("SELECT * FROM tracks") == []


async def test_a_timer_that_was_pinned_and_dropped_wakes_nobody(garage: Garage) -> None:
    timers, now = garage.rig.timers, garage.rig.clock.now()
    timers.pin(VIN, [now + timedelta(seconds=5)])
    timers.pin(VIN, [])
    garage.rig.clock.advance(6)
    await timers._tick()
    assert len(garage.rig.inbox) == 0


# -- with what the gateway finds itself --------------------------------------------------------------------


async def _is_towed(garage: Garage) -> None:
    for metres in range(0, 3000, 100):
        await garage.wait(10)
        await garage.at(metres)


async def _is_parked(garage: Garage) -> None:
    await garage.telemetry(**{IGNITION: "ON"})
    await garage.wait(10)
    await garage.at(0)
    await garage.wait(10)
    await garage.telemetry(**{IGNITION: "OFF"})
    await garage.wait(70)


async def test_towed_in_transport_mode_is_held_back_and_alarmed_when_the_mode_ends(garage: Garage) -> None:
    await _is_parked(garage)
    await garage.put("transport", H)
    await _is_towed(garage)
    assert garage.feed == [("alarm.suppressed", "towed", None)]
    await garage.wait(H)
    updates = [one for one in garage.feed if one != ("alarm.suppressed", "towed", None)]
    assert updates == [
        ("alarm.updated", "towed", "mode_ended"),
        ("alarm.raised", "towed", "present_at_mode_end"),
    ]
    assert garage.holes() == []


async def test_transport_that_ends_by_driving_off_alarms_nothing(garage: Garage) -> None:
    await _is_parked(garage)
    await garage.put("transport", H)
    await _is_towed(garage)
    await garage.telemetry(**{IGNITION: "ON", SPEED: 0})
    await garage.wait(60)
    await garage.telemetry(**{IGNITION: "ON", SPEED: 30})
    await garage.wait(20)
    await garage.telemetry(**{IGNITION: "OFF", SPEED: 0})
    await garage.wait(2 * H)
    assert "alarm.raised" not in {kind for kind, _, _ in garage.feed}
    assert ("alarm.updated", "towed", "mode_ended") in garage.feed
    assert "mode.ended" in [action for (action,) in garage.rows("SELECT action FROM audit")]


async def test_a_battery_cut_in_workshop_mode_then_half_an_hour_of_silence(garage: Garage) -> None:
    await garage.put("workshop", H)
    await garage.trigger("battery_disconnect")
    await garage.wait(1799)
    assert garage.feed == [("alarm.suppressed", "battery_disconnect", None)]
    await garage.wait(2)
    assert garage.feed[1:] == [("alarm.raised", "comm_loss_after_tamper", None)]


async def test_what_was_heard_by_telemetry_is_no_silence_when_a_mode_ends(garage: Garage) -> None:
    await garage.put("transport", 72 * H)
    await garage.trigger("tilt", state="restored")
    await garage.wait(49 * H)
    assert garage.feed == [("alarm.suppressed", "supervision_lost", None)]
    await garage.telemetry(**{SPEED: 0})
    await garage.telemetry(**{SPEED: 0})
    await garage.wait(23 * H + 1)
    assert garage.feed[1:] == [("alarm.updated", "supervision_lost", "mode_ended")]
