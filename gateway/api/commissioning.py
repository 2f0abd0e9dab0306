"""The test alarm of one vehicle: does what it states arrive, and does what it would alarm reach its SOC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from litestar import Router, post
from litestar.params import FromPath
from msgspec import Struct

from gateway.api.control import tested
from gateway.api.control_bodies import SinkTest
from gateway.api.deps import Caller, FromApp
from gateway.api.grants import Grant, grant
from gateway.api.policy import SOC
from gateway.api.problems import Problem, problems
from gateway.domain.alarms import Alarm
from gateway.ports import AuditEntry, Tried


class TestedSink(SinkTest, frozen=True):
    """What one sink of the vehicle's SOC answered, and how long it took."""

    role: Literal["primary", "standby"]
    took_ms: int


class SensorSeen(Struct, frozen=True):
    """A cause of an alarm, and when the vehicle last stated it."""

    cause: str
    at: datetime


class TestAlarm(Struct, frozen=True):
    """
    Both halves of a vehicle's way to its SOC: what the vehicle has stated, and who confirmed a test alarm.

    ``sensors``: to the SOC what it stated for its open alarms, and for those that a running mode holds back;
    to others, who may not read alarms, only what a workshop mode of theirs holds back: a theft is silent.
    """

    vin: str
    at: datetime
    soc: str
    heard_at: datetime | None
    sensors: list[SensorSeen]
    sinks: list[TestedSink]


TOO_OFTEN = "Three tests of a vehicle at once, then one a minute."


@post(
    "/vehicles/{vin:str}/test-alarm",
    operation_id="testVehicle",
    summary="Send a vehicle's test alarm",
    status_code=200,
    responses=problems(404, 429),
)
async def test_vehicle(deps: FromApp, who: Caller, vin: FromPath[str]) -> TestAlarm:
    """Send a marked test alarm to every sink of the vehicle's SOC. It is no alarm, and stands in no feed."""
    granted = await grant(deps, who, vin)
    soc = "default" if granted.registration is None else granted.registration.soc
    now = deps.clock.now()
    tried = await deps.sinks.test_vehicle(vin, soc)
    if tried is None:
        raise Problem(429, "too_many_requests", TOO_OFTEN, headers={"Retry-After": "60"})
    sinks = [_sink(one) for one in tried]
    outcomes = {one.sink: one.outcome for one in sinks}
    details = {"role": who.role, "soc": soc, "outcomes": outcomes}
    await deps.store.audit([AuditEntry(now, who.person, "vehicle.tested", vin, details)])
    return TestAlarm(vin, now, soc, granted.vehicle.heard_at, sensors_seen(granted), sinks)


def sensors_seen(granted: Grant) -> list[SensorSeen]:
    """What the vehicle itself stated, as far as the caller may know of it."""
    newest: dict[str, datetime] = {}
    for alarm in _alarms(granted):
        stated = [one.at for one in alarm.evidence if one.event_id is not None and one.at is not None]
        if stated:
            newest[alarm.cause] = max(*stated, newest.get(alarm.cause, stated[0]))
    return [SensorSeen(cause, at) for cause, at in sorted(newest.items(), key=lambda seen: seen[1])]


def _alarms(granted: Grant) -> list[Alarm]:
    vehicle, who = granted.vehicle, granted.token
    held_back = list(vehicle.suppressed.values())
    if who.role in SOC:
        return [*vehicle.alarms.values(), *held_back]
    theirs = {
        one.mode_id
        for one in vehicle.modes.running
        if one.mode == "workshop" and (who.vin == vehicle.vin or who.person in {one.set_by, one.requested_by})
    }
    return [one for one in held_back if one.suppressed_by in theirs]


def _sink(tried: Tried) -> TestedSink:
    answer = tested(tried.plan.name, tried.outcome)
    return TestedSink(answer.sink, answer.outcome, answer.reason, tried.plan.role, round(1000 * tried.took_s))


routes = Router("/", route_handlers=[test_vehicle], tags=["control"])
