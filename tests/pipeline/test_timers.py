"""Timers: what is due survives a restart, and a fact to the contrary that waits at the broker comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.app import _plans
from gateway.pipeline import timers as timers_module
from gateway.pipeline.sys_topics import SysTopics
from gateway.pipeline.timers import Timers
from gateway.testing import FakeClock
from tests.pipeline.conftest import VIN, Rig


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  # a heap has no event
            await asyncio.sleep(0.01)


async def test_an_overdue_timer_waits_until_the_gateway_hears(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The siren's end waited at the broker while the gateway was away: it is heard first."""
    monkeypatch.setattr(timers_module, "HEAR_FIRST_S", 0.5)
    rig.trigger("car_alarm", "e1")
    await rig.settle()
    rig.clock.advance(10)
    ended_at = rig.clock.now().isoformat()
    rig.clock.advance(30)
    rig.decider = rig.new_decider()
    await rig.decider.open()
    rig.timers = Timers(rig.inbox, rig.clock, rig.intake.hand_over)
    heard = asyncio.Event()

    async def hearing() -> None:
        await heard.wait()

    assert await rig.timers.load(rig.store) == [VIN]
    running = asyncio.create_task(rig.timers.run(hearing))
    await asyncio.sleep(0.05)
    assert len(rig.inbox) == 0, "overdue, but not yet heard"
    heard.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(rig.inbox) == 0, "what waits at the broker comes first"
    restored = {"event_id": "e2", "occurred_at": ended_at, "cause": "car_alarm", "state": "restored"}
    rig.send("theft-sensor", restored)
    await until(lambda: len(rig.inbox) == 2)
    await rig.settle()
    running.cancel()
    assert rig.messages == []


async def test_a_timer_is_tried_again_when_the_line_is_full(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    timers = Timers(rig.inbox, clock, lambda _subject, _now: None)
    timers.wake(VIN, clock.now() + timedelta(seconds=1))
    clock.advance(2)
    with monkeypatch.context() as full:
        full.setattr(rig.inbox, "offer", lambda _item: False)
        await timers._tick()
    assert len(rig.inbox) == 0
    clock.advance(2)
    await timers._tick()
    assert len(rig.inbox) == 1


async def test_a_clock_set_back_does_not_hold_a_timer(rig: Rig) -> None:
    clock = FakeClock()
    timers = Timers(rig.inbox, clock, lambda _subject, _now: None)
    due_at = clock.now() + timedelta(seconds=15)
    timers.wake(VIN, due_at)
    clock.advance(15)
    clock.jump(-3600)
    await timers._tick()
    (item,) = rig.inbox.take(1)
    assert item.received_at > due_at


async def test_every_session_reads_at_qos_1(rig: Rig) -> None:
    """At QoS 2 the broker is told before the application has seen anything."""
    dropped = SysTopics(rig.ingest, rig.clock, rig.tally, rig.log)
    plans = _plans(rig.ingest, dropped, "gw-1", rig.clock)  # type: ignore[arg-type]
    assert {plan.name: plan.qos for plan in plans} == {"events": 1, "commands": 1, "telemetry": 1}
