"""Two hands wrote the wire format: the gateway must read everything an emulated vehicle says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway import wire
from gateway.domain.signals import TheftSensor
from gateway.wire import telemetry
from gateway.wire.event import Unwanted
from tests.emulator.lives import START_MS, Said, day, live, play, read, vehicle
from vehicle_emulator import commands, messages, scenarios
from vehicle_emulator.scenario import Scenario

COMMAND = b'{"command_id":"c","action":"sing","counter":1,"expires_at":"2026-11-18T11:07:40Z"}'
RECEIVED_AT = datetime.fromtimestamp(START_MS / 1_000, UTC) + timedelta(days=1)


def refused(said: list[Said]) -> list[tuple[str, bytes, str]]:
    """What the gateway can't read, and why."""
    found = []
    for one in said:
        if one.kind == messages.TELEMETRY:
            telemetry.decode(one.payload, RECEIVED_AT)
            continue
        fact = wire.decode(one.kind, one.payload, RECEIVED_AT)
        if isinstance(fact, Unwanted):
            found.append((one.kind, one.payload, fact.reason))
    return found


@pytest.mark.parametrize("index", range(8))
def test_the_gateway_reads_a_whole_day(index: int) -> None:
    assert refused(day(index=index)) == []


@pytest.mark.parametrize("one", scenarios.SCENARIOS, ids=lambda one: one.name)
def test_the_gateway_reads_every_scenario(one: Scenario) -> None:
    assert refused(play(one)[1]) == []


def test_the_gateway_reads_births_wills_results_and_software() -> None:
    alive = vehicle(driving_share=0.0)
    alive.power_up(START_MS)
    commands.hear(alive, messages.COMMAND, COMMAND, START_MS)
    commands.hear(alive, messages.PACKAGE, b'{"package_id":"P1"}', START_MS)
    said = [read(message, START_MS) for message in (*alive.connected(START_MS), alive.everything(START_MS))]
    said.append(read(messages.Message(messages.CONNECTION, messages.WILL), START_MS))
    said += live(alive, START_MS + 60_000)
    assert {messages.CONNECTION, messages.RESULT, messages.SOFTWARE} <= {one.kind for one in said}
    assert refused(said) == []


@pytest.mark.parametrize("cause", messages.THEFT_CAUSES)
def test_every_load_cause_is_one_that_a_vehicle_may_state(cause: str) -> None:
    alive = vehicle(driving_share=0.0)
    alive.trigger(START_MS, cause)
    (told,) = alive.take_told()
    fact = wire.decode(told.message.kind, told.message.payload, RECEIVED_AT)
    assert isinstance(fact, TheftSensor)
    assert fact.cause == cause
