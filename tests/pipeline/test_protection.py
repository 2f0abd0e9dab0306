"""Cars that never speak are told of too, and the SOC's list says tonight's truth in the same commit."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.protection import ingredients, reasons
from gateway.domain.reasons import SEVERITIES, Reason
from gateway.domain.services.availability import EVERYWHERE, Availability, ServiceRule
from gateway.domain.signals import Registration
from gateway.pipeline.states import decode_state
from gateway.pipeline.survey import PAGE, Survey
from gateway.ports import UnprotectedFilter
from tests.pipeline.conftest import VIN, Rig

PHONE = ({"name": "Anna", "phone": "+31"},)


def entry(vin: str, rig: Rig, days: float = 400, **more: Any) -> Registration:
    until = (rig.clock.now() + timedelta(days=days)).isoformat()
    services = {"car_security": {"until": until, "certified": True}}
    return Registration(vin=vin, **{"main_user": "anna", "services": services, "contacts": PHONE, **more})


def vin_of(number: int) -> str:
    return f"XVGZZZ99ZTS{number:06}"


@contextlib.asynccontextmanager
async def deciding(rig: Rig) -> AsyncIterator[None]:
    task = asyncio.create_task(rig.decider.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def surveyed(rig: Rig, table: Availability = EVERYWHERE) -> int:
    """Survey until nothing is left; how many entries."""
    survey, count = Survey(rig.store, rig.decider, rig.clock, table, rig.log), 0
    async with deciding(rig):
        while found := await survey.page():
            count += found
    return count


async def tonight(rig: Rig, hours: float = 9, **where: Any) -> dict[str, list[str]]:
    begin = rig.clock.now()
    asked = UnprotectedFilter(begin, begin + timedelta(hours=hours), **where)
    page = await rig.store.unprotected(asked, (0, ""), 1000)
    return {one.vin: [reason.code for reason in one.reasons] for one in page}


async def notices(rig: Rig) -> list[tuple[str, str, str]]:
    rows = await rig.store.notifications(1000)
    return [(row.vin, *(json.loads(row.body)[key] for key in ("kind", "code"))) for row in rows]


async def test_a_fleet_that_never_speaks_is_surveyed_once(rig: Rig) -> None:
    fleet = [entry(vin_of(number), rig, 20) for number in range(PAGE + 20)]
    await rig.store.register(fleet)
    assert await surveyed(rig) == len(fleet)
    told = await notices(rig)
    assert sorted(told) == [(one.vin, "service_term", "ends_in_30_days") for one in fleet]
    await rig.restart()
    assert await surveyed(rig) == 0
    await rig.store.register([entry(vin_of(7), rig, 5)])
    assert await surveyed(rig) == 1
    assert (vin_of(7), "service_term", "ends_in_7_days") in await notices(rig)


async def test_a_term_is_told_on_time_across_a_restart_and_once(rig: Rig) -> None:
    await rig.store.register([entry(VIN, rig, 40)])
    await surveyed(rig)
    assert await notices(rig) == []
    await rig.restart()
    await rig.wait(11 * 86400)
    await rig.restart()
    await rig.wait(86400)
    assert await notices(rig) == [(VIN, "service_term", "ends_in_30_days")]


async def test_other_rules_survey_all_again(rig: Rig) -> None:
    await rig.store.register([entry(VIN, rig, country="NL")])
    await surveyed(rig)
    assert await tonight(rig) == {VIN: ["never_heard"]}
    table = Availability({"car_security": ServiceRule(except_countries=("NL",))})
    await rig.restart()
    rig.decider._availability = table
    assert await surveyed(rig, table) == 1
    assert await tonight(rig) == {VIN: ["never_heard", "no_service"]}


async def test_a_clock_that_is_set_back_surveys_all_again(rig: Rig) -> None:
    await rig.store.register([entry(VIN, rig, 20)])
    await surveyed(rig)
    survey = Survey(rig.store, rig.decider, rig.clock, EVERYWHERE, rig.log)
    async with deciding(rig):
        assert await survey.page() == 0
        await survey.set_back(timedelta(hours=1))
        assert await survey.page() == 1
    assert await notices(rig) == [(VIN, "service_term", "ends_in_30_days")]


async def test_the_list_says_who_is_not_protected_tonight_and_why(rig: Rig) -> None:
    names = ["safe", "ends", "none", "later", "nobody", "jammed", "driving"]
    vins = {name: vin_of(number) for number, name in enumerate(names)}
    fleet = {name: entry(vin, rig) for name, vin in vins.items()}
    fleet["ends"] = entry(vins["ends"], rig, 0.25)
    fleet["later"] = entry(vins["later"], rig, 3)
    fleet["none"] = entry(vins["none"], rig, services={})
    fleet["nobody"] = entry(vins["nobody"], rig, contacts=())
    await rig.store.register(list(fleet.values()))
    await surveyed(rig)
    for vin in vins.values():
        rig.send("connection", {"online": True, "at": rig.clock.now(), "bearer": "LTE"}, vin=vin)
        rig.telemetry(vin, LowVoltageSystemState="OFF", IsMoving=False)
    rig.trigger("jamming_gsm", "j1", vin=vins["jammed"])
    rig.telemetry(vins["driving"], LowVoltageSystemState="ON", IsMoving=True)
    await rig.settle()
    rig.clock.advance(1)
    for name in ("jammed", "driving"):
        rig.send("connection", {"online": False}, vin=vins[name])
    await rig.settle()
    found = await tonight(rig)
    assert list(found) == [vins[one] for one in ("jammed", "ends", "none", "nobody", "driving")]
    assert [found[vins[one]] for one in ("jammed", "ends", "none", "nobody", "driving")] == [
        ["jammed"],
        ["service_expired"],
        ["no_service"],
        ["no_contact"],
        ["offline"],
    ]
    assert list(await tonight(rig, severity="critical")) == [vins["jammed"]]
    assert list(await tonight(rig, code="no_contact")) == [vins["nobody"]]
    assert vins["later"] in await tonight(rig, hours=80)
    rig.clock.advance(60)
    rig.send("connection", {"online": True, "at": rig.clock.now()}, vin=vins["jammed"])
    await rig.settle()
    assert vins["jammed"] not in await tonight(rig)


async def test_pages_follow_each_other(rig: Rig) -> None:
    fleet = [entry(vin_of(number), rig, 0 if number % 3 else 400) for number in range(30)]
    await rig.store.register(fleet)
    await surveyed(rig)
    begin = rig.clock.now()
    where = UnprotectedFilter(begin, begin + timedelta(hours=9))
    after, seen = (0, ""), []
    while page := await rig.store.unprotected(where, after, 7):
        seen += [one.vin for one in page]
        after = (2, page[-1].vin)
    assert seen == sorted(one.vin for one in fleet)


STEPS = ("on", "off", "will", "online", "jam", "tamper", "restored", "wait", "long", "entry", "private")


@given(st.lists(st.sampled_from(STEPS), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
async def test_what_is_kept_is_what_follows_from_the_state(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whatever happens, the rows are those of the stored state: nothing is forgotten to be written."""
    rig = Rig(tmp_path_factory.mktemp("rig") / "gateway.db")
    try:
        await rig.decider.open()
        await rig.store.register([entry(VIN, rig)])
        await surveyed(rig)
        for number, step in enumerate(steps):
            await _do(rig, step, number)
        await rig.settle()
        stored = await rig.store.vehicle(VIN)
        vehicle, _ = decode_state(VIN, stored)
        begin = rig.clock.now() - timedelta(days=3650)
        where = UnprotectedFilter(begin, begin + timedelta(days=7300))
        kept = await rig.store.unprotected(where, (0, ""), 10)
        mine = in_order(reasons(vehicle))
        assert in_order(reason for one in kept for reason in one.reasons) == mine
        assert all(one.code in SEVERITIES for one in mine)
        assert ingredients(vehicle) == ingredients(decode_state(VIN, stored)[0])
    finally:
        rig.store.close()
        await asyncio.sleep(0)


def in_order(found: Iterable[Reason]) -> list[Reason]:
    return sorted(found, key=lambda one: (one.code, str(one.from_at)))


async def _do(rig: Rig, step: str, number: int) -> None:
    rig.clock.advance(1)
    now = rig.clock.now()
    base = {"event_id": f"e{number}", "occurred_at": now}
    match step:
        case "on" | "off":
            rig.telemetry(LowVoltageSystemState=step.upper(), IsMoving=False)
        case "will":
            rig.send("connection", {"online": False})
        case "online":
            rig.send("connection", {"online": True, "at": now, "bearer": "LTE"})
        case "jam" | "tamper":
            rig.trigger({"jam": "jamming_gsm"}.get(step, step), f"e{number}")
        case "restored":
            rig.send("theft-sensor", {**base, "cause": "tamper", "state": "restored"})
        case "entry":
            await rig.store.register([entry(VIN, rig, number)])
            rig.decider.forget()
            await surveyed(rig)
        case "private":
            rig.send("mode", {**base, "private_mode": number % 2 == 0, "remote_access_enabled": False})
        case _:
            await rig.wait(30 if step == "wait" else 86400 * 9)
    await rig.settle()
