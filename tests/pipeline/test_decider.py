"""Nothing leaves before the commit; nothing is lost when it fails."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from gateway.api.grants import decode_vehicle
from gateway.domain import step as step_module
from gateway.domain.offline import is_online
from gateway.domain.signals import Acknowledge, Blind, Close, Healthy, Registration
from gateway.errors import StoreError
from gateway.pipeline import batch as batch_module
from gateway.pipeline import decider as decider_module
from gateway.pipeline import messages as messages_module
from gateway.pipeline import rows as rows_module
from gateway.pipeline.inbox import MAX_DERIVED, MAX_ITEMS, Inbox, Item
from gateway.ports import Decision, SinkPlan
from gateway.testing import START
from tests.pipeline.conftest import CANARY, VIN, Rig

ODD = "XVGZZZ99ZTS000002"


async def test_receipt_and_acknowledgement_leave_after_the_commit(rig: Rig) -> None:
    rig.failing = True
    rig.trigger("tilt", "e1")
    await rig.settle()
    assert (rig.receipts, rig.acks, rig.messages) == ([], [], [])
    rig.failing = False
    await rig.settle()
    assert [one["event_ids"] for one in rig.receipts] == [["e1"]]
    assert rig.acks == [1]
    assert [one["cause"] for one in rig.data()] == ["tilt"]


async def test_acknowledgements_leave_in_the_order_of_arrival(rig: Rig) -> None:
    sent = [rig.trigger("tilt", f"e{n}", vin=f"XVGZZZ99ZTS{n % 7:06}") for n in range(50)]
    await rig.settle()
    assert rig.acks == sent


async def test_while_the_store_fails_alarms_go_out_unrecorded_once(rig: Rig) -> None:
    rig.failing = True
    rig.trigger("hold_up", "e1")
    await rig.settle()
    await rig.settle()
    rig.clock.advance(1)
    rig.trigger("tilt", "e2")
    await rig.settle()
    bodies = [json.loads(message.body) for message in rig.unrecorded]
    assert [one["data"]["cause"] for one in bodies] == ["hold_up", "tilt"]
    assert {one["type"] for one in bodies} == {"alarm.unrecorded"}
    assert [(one["data"]["sequence"], one["data"]["recorded"]) for one in bodies] == [(None, False)] * 2
    assert rig.decider.failing_since_s is not None
    rig.failing = False
    await rig.settle()
    assert [(one["cause"], one["sequence"], one["recorded"]) for one in rig.data()] == [
        ("hold_up", 1, True),
        ("tilt", 2, True),
    ]
    assert rig.decider.failing_since_s is None


async def test_a_person_is_told_at_once_that_the_store_fails(rig: Rig) -> None:
    rig.failing = True
    fact = Acknowledge(received_at=rig.clock.now(), alarm_id="x", by="Kim")
    acting = asyncio.create_task(rig.decider.act(VIN, fact))
    await asyncio.sleep(0)
    await rig.settle()
    with pytest.raises(StoreError):
        await acting
    rig.failing = False
    await rig.settle()
    assert rig.messages == [], "what was refused is not done later"


async def test_an_alarm_is_acknowledged_and_closed_by_people(rig: Rig) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    alarm_id = rig.data()[0]["alarm_id"]
    for fact in (
        Acknowledge(received_at=rig.clock.now(), alarm_id=alarm_id, by="Kim", note="calling"),
        Close(received_at=rig.clock.now(), alarm_id=alarm_id, by="Kim", disposition="attempt"),
    ):
        acting = asyncio.create_task(rig.decider.act(VIN, fact))
        await asyncio.sleep(0)
        await rig.settle()
        await acting
    assert [(one["state"], one["acknowledged_by"], one["disposition"]) for one in rig.data()] == [
        ("open", None, None),
        ("acknowledged", "Kim", None),
        ("closed", "Kim", "attempt"),
    ]
    told = [(row["action"], row["actor"]) for row in (await rig.store.audit_page(0, 10)).items]
    assert told == [
        ("alarm.raised", "gateway"),
        ("alarm.acknowledged", "Kim"),
        ("alarm.closed", "Kim"),
        ("case.closed", "Kim"),
    ]
    rig.trigger("tilt", "e2")
    await rig.settle()
    assert rig.data()[-1]["alarm_id"] != alarm_id, "after closing, a new trigger is a new alarm"


async def test_a_poison_event_costs_only_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is acknowledged, kept and alarmed; the events around it go through."""

    def poisonous(vehicle: object, fact: object, *rest: object) -> object:
        if getattr(fact, "event_id", "") == "poison" and type(fact).__name__ == "TheftSensor":
            raise RecursionError("a bug")
        return step_module.step(vehicle, fact, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_module, "step", poisonous)
    sent = [rig.trigger("tilt", "good-1"), rig.trigger("tilt", "poison"), rig.trigger("intrusion", "good-2")]
    await rig.settle()
    assert rig.acks == sent
    assert [one["cause"] for one in rig.data()] == ["tilt", "unreadable_event", "intrusion"]
    assert [event_id for one in rig.receipts for event_id in one["event_ids"]] == ["good-1", "good-2"]
    (row,) = await rig.store.quarantine_page(0, 10)
    assert row["reason"].startswith("can't be decided: RecursionError at ")


async def test_a_state_that_can_not_be_read_does_not_silence_its_vehicle(rig: Rig) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    other = sqlite3.connect(rig.store.path)
    other.execute("UPDATE vehicles SET body = '{\"vin\": 7}'")
    other.commit()
    other.close()
    rig.decider = rig.new_decider()
    await rig.decider.open()
    rig.trigger("hold_up", "e2")
    await rig.settle()
    assert [one["cause"] for one in rig.data()] == ["tilt", "hold_up"]
    assert "vehicle.state_unreadable" in rig.log.events


async def test_a_restart_goes_on_where_the_store_stands(rig: Rig) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    rig.decider = rig.new_decider()
    await rig.decider.open()
    rig.trigger("tilt", "e1")
    rig.trigger("tilt", "e2")
    await rig.settle()
    rig.clock.advance(2)
    rig.trigger("tilt", "e3")
    await rig.settle()
    assert [(one["sequence"], one["count"], one["event_ids"]) for one in rig.data()] == [
        (1, 1, ["e1"]),
        (2, 3, ["e2", "e3"]),
    ]


async def test_the_canary_is_recorded_and_never_alarmed(rig: Rig) -> None:
    rig.trigger("hold_up", "canary-1", vin=CANARY)
    await rig.settle()
    assert (rig.messages, rig.canaries) == ([], ["canary-1"])
    assert rig.receipts == [{"event_ids": ["canary-1"], "rejected": []}]


async def test_the_gateways_own_alarm_has_no_vin(rig: Rig) -> None:
    now = rig.clock.now()
    rig.inbox.put(
        Item(
            subject="gateway:gw-1", kind="blind", received_at=now, fact=Blind(received_at=now, reasons=("x",))
        )
    )
    rig.inbox.put(
        Item(subject="gateway:gw-1", kind="healthy", received_at=now, fact=Healthy(received_at=now))
    )
    await rig.settle()
    bodies = [json.loads(message.body) for message in rig.messages]
    assert [(one["type"], one["subject"], one["data"]["vin"]) for one in bodies] == [
        ("alarm.raised", "gw-1", None),
        ("alarm.closed", "gw-1", None),
    ]


async def test_a_topic_without_a_vin_raises_and_receipts_nothing(rig: Rig) -> None:
    rig.trigger("tilt", "e1", vin="XVGZZZ99ZTS00000O")
    rig.trigger("tilt", "e1", vin="TOO-SHORT")
    await rig.settle()
    assert (rig.receipts, rig.messages, rig.acks) == ([], [], [1, 2])
    assert len(await rig.store.quarantine_page(0, 10)) == 2


async def test_a_registered_vehicle_is_shown_as_such_and_goes_to_its_soc(rig: Rig) -> None:
    until = (START + timedelta(days=9)).isoformat()
    services = {"car_security": {"until": until, "certified": True}}
    await rig.store.register([Registration(vin=VIN, soc="north", services=services)])
    rig.trigger("tilt", "e1")
    rig.trigger("tilt", "e1", vin=ODD)
    await rig.settle()
    assert [(one["registered"], one["service"], one["soc"], one["sequence"]) for one in rig.data()] == [
        (True, "certified", "north", 1),
        (False, "none", "default", 1),
    ]


async def test_a_change_of_the_registry_counts_for_the_next_fact(rig: Rig) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    await rig.store.register([Registration(vin=VIN, soc="north")])
    rig.decider.forget()
    rig.trigger("intrusion", "e2")
    await rig.settle()
    assert [one["soc"] for one in rig.data()] == ["default", "north"]


async def test_in_private_mode_telemetry_is_used_but_not_kept(rig: Rig) -> None:
    at = rig.clock.now().isoformat()
    rig.send("mode", {"event_id": "m", "occurred_at": at, "private_mode": True})
    rig.send("driver-card", {"event_id": "c1", "occurred_at": at, "present": True, "card_id": "DC-1"})
    signals = {
        "Vehicle.Speed": 50,
        "Vehicle.CurrentLocation.Latitude": 52.123,
        "Vehicle.CurrentLocation.Longitude": 4.987,
    }
    rig.send("telemetry", {"occurred_at": at, "signals": signals})
    await rig.settle()
    other = sqlite3.connect(rig.store.path)
    stored = b"".join(body for (body,) in other.execute("SELECT body FROM facts"))
    other.close()
    state = await rig.store.vehicle(VIN)
    assert state is not None
    assert b"52.123" not in stored + state.body
    rig.clock.advance(1)
    gone_at = rig.clock.now().isoformat()
    rig.send("driver-card", {"event_id": "c2", "occurred_at": gone_at, "present": False, "card_id": "DC-1"})
    await rig.settle()
    rig.clock.advance(16)
    rig.send("telemetry", {"occurred_at": rig.clock.now().isoformat(), "signals": {"Vehicle.Speed": 60}})
    await rig.settle()
    assert [one["cause"] for one in rig.data()] == ["driver_card_missing"]


async def test_the_alarm_has_the_newest_position(rig: Rig) -> None:
    for latitude in (52.1, 52.2, 52.3):
        rig.clock.advance(1)
        signals = {
            "Vehicle.Speed": 40,
            "Vehicle.CurrentLocation.Latitude": latitude,
            "Vehicle.CurrentLocation.Longitude": 4.3,
        }
        rig.send("telemetry", {"occurred_at": rig.clock.now().isoformat(), "signals": signals})
    rig.trigger("hold_up", "e1")
    await rig.settle()
    assert rig.data()[0]["position"]["latitude"] == 52.3


def test_the_line_is_bounded_and_keeps_room_for_what_can_not_be_derived_again() -> None:
    inbox = Inbox()
    item = Item(subject=VIN, kind="x", received_at=START)
    others = [Item(subject=f"{n % 100}", kind="x", received_at=START) for n in range(MAX_DERIVED)]
    assert all(inbox.offer(one) for one in others)
    assert not inbox.offer(item)
    assert all(inbox.put(item) for _ in range(MAX_ITEMS - MAX_DERIVED))
    assert not inbox.put(item)


async def test_an_outage_makes_nobody_deaf(rig: Rig) -> None:
    """Hundreds of harmless events are kept; a hold-up behind them goes out at once."""
    rig.failing = True
    for number in range(400):
        card = {"occurred_at": rig.clock.now().isoformat(), "present": True, "card_id": "DC-1"}
        rig.send("driver-card", {"event_id": f"c{number}", **card}, vin=f"XVGZZZ99ZTS{number:06}")
    await rig.settle()
    rig.trigger("hold_up", "e1")
    for _ in range(5):
        await rig.settle()
    assert [json.loads(message.body)["data"]["cause"] for message in rig.unrecorded] == ["hold_up"]
    rig.failing = False
    await rig.settle()
    assert len(rig.acks) == 401
    assert rig.acks == sorted(rig.acks)


async def test_a_duration_is_not_mute_while_the_store_fails(rig: Rig) -> None:
    rig.failing = True
    rig.trigger("car_alarm", "e1")
    await rig.settle()
    assert rig.unrecorded == []
    rig.clock.advance(15.1)
    await rig.timers._tick()
    await rig.settle()
    assert [json.loads(message.body)["data"]["cause"] for message in rig.unrecorded] == ["car_alarm"]
    rig.failing = False
    await rig.settle()
    assert [one["cause"] for one in rig.data()] == ["car_alarm"]


async def test_what_found_no_room_is_told_again(rig: Rig) -> None:
    rig.failing = rig.deaf = True
    rig.trigger("hold_up", "e1")
    await rig.settle()
    rig.deaf = False
    rig.trigger("tilt", "e2")
    await rig.settle()
    assert [json.loads(message.body)["data"]["cause"] for message in rig.unrecorded] == ["hold_up", "tilt"]


async def test_a_commit_that_hangs_is_a_failing_store(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still waited for: when it ends well after all, its receipts leave, once."""
    monkeypatch.setattr(decider_module, "PATIENCE_S", 0.05)
    released, commit = asyncio.Event(), rig.store.commit

    async def hang(decision: Decision) -> None:
        await released.wait()
        await commit(decision)

    monkeypatch.setattr(rig.store, "commit", hang)
    rig.trigger("hold_up", "e1")
    assert not await rig.decider._turn(rig.inbox.take(10))
    assert rig.decider.failing_since_s is not None
    assert [json.loads(message.body)["data"]["cause"] for message in rig.unrecorded] == ["hold_up"]
    assert rig.receipts == []
    released.set()
    retrying = asyncio.create_task(rig.decider._retry())
    while rig.decider._kept:
        await asyncio.sleep(0.01)
        rig.clock.advance(1)
    await retrying
    assert rig.receipts == [{"event_ids": ["e1"], "rejected": []}]
    assert rig.acks == [1]
    assert not rig.decider.failing_since_s


async def test_another_writer_does_not_wedge_deciding(rig: Rig) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    other = rig.new_decider()
    await other.open()
    rig.trigger("tilt", "x1", vin=ODD)
    assert await other._turn(rig.inbox.take(10))
    rig.trigger("hold_up", "e2")
    assert not await rig.decider._turn(rig.inbox.take(10))
    assert await rig.decider._sequences_are_known()
    await rig.settle()
    assert [one["sequence"] for one in rig.data()] == [1, 2, 3]


async def test_the_same_event_twice_in_one_batch_has_one_effect(rig: Rig) -> None:
    at = rig.clock.now().isoformat()
    body = {"event_id": "e1", "occurred_at": at, "cause": "tilt", "state": "triggered"}
    for _ in range(3):
        rig.send("theft-sensor", body)
    await rig.settle()
    assert [(one["cause"], one["count"]) for one in rig.data()] == [("tilt", 1)]
    assert rig.acks == [1, 2, 3]


async def test_a_message_that_can_not_be_made_leaves_no_gap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = messages_module.feed_data

    def poisonous(vehicle: Any, alarm: Any, *rest: Any, **more: Any) -> Any:
        if alarm.cause == "tilt":
            raise ValueError("a bug")
        return made(vehicle, alarm, *rest, **more)

    monkeypatch.setattr(rows_module, "feed_data", poisonous)
    rig.trigger("hold_up", "e1")
    rig.trigger("tilt", "e2", vin=ODD)
    rig.trigger("intrusion", "e3")
    await rig.settle()
    assert [one["sequence"] for one in rig.data()] == list(range(1, len(rig.data()) + 1))
    assert [one["cause"] for one in rig.data()] == ["hold_up", "intrusion", "unreadable_event"]


@pytest.mark.parametrize("body", [b"\xff", b"[" * 5000, b'{"vin": 7}', b""])
async def test_rows_that_can_not_be_read_wedge_nothing(rig: Rig, body: bytes) -> None:
    rig.trigger("tilt", "e1")
    await rig.settle()
    other = sqlite3.connect(rig.store.path)
    other.execute("UPDATE vehicles SET body = ?", (body,))
    other.execute("INSERT INTO registry VALUES (?, 1, ?)", (VIN, body))
    other.commit()
    other.close()
    rig.decider = rig.new_decider()
    await rig.decider.open()
    rig.trigger("hold_up", "e2")
    await rig.settle()
    assert [(one["cause"], one["registered"]) for one in rig.data()][-1] == ("hold_up", False)


async def test_what_waits_for_a_sink_that_is_gone_goes_to_its_successor(rig: Rig) -> None:
    await rig.store.plan_sinks([SinkPlan("old", "default", "primary")])
    rig.trigger("tilt", "e1")
    await rig.settle()
    await rig.store.plan_sinks([SinkPlan("new", "default", "primary")])
    pending = await rig.store.deliveries("pending", None, 0, 10)
    assert [(row.sink, row.sequence) for row in pending] == [("new", 1)]


async def test_a_replayed_connection_is_not_journalled_again(rig: Rig) -> None:
    body = {"online": True, "bearer": "LTE", "at": rig.clock.now().isoformat()}
    for _ in range(4):
        rig.clock.advance(1)
        rig.send("connection", body)
        await rig.settle()
    other = sqlite3.connect(rig.store.path)
    assert other.execute("SELECT COUNT(*) FROM facts WHERE kind = 'connection'").fetchone() == (1,)
    other.close()
    assert len(rig.acks) == 4


async def test_a_second_will_counts_and_one_that_the_broker_replays_does_not(rig: Rig) -> None:
    async def online_after(kind: str, body: dict[str, Any], *, replayed: bool = False) -> bool | None:
        rig.clock.advance(1)
        rig.send(kind, body, replayed=replayed)
        await rig.settle()
        known = await rig.store.vehicle(VIN)
        return is_online(decode_vehicle(VIN, known))

    will, speed = {"online": False}, {"signals": {"Vehicle.Speed": 0.0}}
    telemetry = {**speed, "occurred_at": rig.clock.now().isoformat()}
    assert await online_after("connection", will) is False
    assert await online_after("telemetry", telemetry) is True
    assert await online_after("connection", will, replayed=True) is True
    assert await online_after("connection", will) is False
