"""Alarms: list them, read one, acknowledge, close."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from gateway.api.alarm_bodies import AcknowledgeBody, AlarmPage, AlarmView, CloseBody, StoredView
from gateway.api.deps import Caller, Deps, FromApp
from gateway.api.paging import MAX_SOCS, After, Limit, cut_whole
from gateway.api.problems import Problem, problems
from gateway.domain.alarms import AlarmState
from gateway.domain.causes import CauseClass
from gateway.domain.effects import Refused
from gateway.domain.signals import Acknowledge, Close
from gateway.ports import AlarmFilter, StoredAlarm

Text = Annotated[str | None, QueryParameter(max_length=64)]

_body = msgspec.json.Decoder(StoredView)


@get("/alarms", operation_id="listAlarms", summary="List alarms", responses=problems(422))
async def list_alarms(
    *,
    deps: FromApp,
    alarm_state: Annotated[AlarmState | None, QueryParameter(name="state")] = None,
    vin: Text = None,
    cause: Text = None,
    cause_class: Annotated[CauseClass | None, QueryParameter(name="class")] = None,
    soc: Text = None,
    after: After = 0,
    limit: Limit = 100,
) -> AlarmPage:
    """Alarms in the order of their first sequence. Changes are read from the feed, not by asking again."""
    where = AlarmFilter(alarm_state, vin, cause, cause_class, soc)
    found, next_after = cut_whole(await deps.store.alarms(where, after, limit + MAX_SOCS), limit)
    return AlarmPage([view(alarm) for alarm in found], next_after)


@get("/alarms/{alarm_id:str}", operation_id="readAlarm", summary="Read one alarm", responses=problems(404))
async def read_alarm(deps: FromApp, alarm_id: FromPath[str]) -> AlarmView:
    """One alarm with all its triggers."""
    return view(await _stored(deps, alarm_id))


@post(
    "/alarms/{alarm_id:str}/acknowledge",
    operation_id="acknowledgeAlarm",
    summary="Acknowledge an alarm",
    status_code=200,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def acknowledge(
    deps: FromApp, who: Caller, alarm_id: FromPath[str], data: JSONBody[AcknowledgeBody | None] = None
) -> AlarmView:
    """Say that an operator has seen the alarm; answers the alarm as it is stored afterwards."""
    note = None if data is None else data.note
    alarm = await _stored(deps, alarm_id)
    fact = Acknowledge(received_at=deps.clock.now(), alarm_id=alarm_id, by=who.person, note=note)
    return await _act(deps, alarm, fact)


@post(
    "/alarms/{alarm_id:str}/close",
    operation_id="closeAlarm",
    summary="Close an alarm",
    status_code=200,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def close(deps: FromApp, who: Caller, alarm_id: FromPath[str], data: JSONBody[CloseBody]) -> AlarmView:
    """Say that an operator is done with the alarm and what it was; answers it as it is stored afterwards."""
    alarm = await _stored(deps, alarm_id)
    fact = Close(
        received_at=deps.clock.now(),
        alarm_id=alarm_id,
        by=who.person,
        disposition=data.disposition,
        note=data.note,
    )
    return await _act(deps, alarm, fact)


async def _stored(deps: Deps, alarm_id: str) -> StoredAlarm:
    alarm = await deps.store.alarm(alarm_id)
    if alarm is None:
        raise Problem(404, "unknown_alarm", "There is no such alarm.")
    return alarm


async def _act(deps: Deps, alarm: StoredAlarm, fact: Acknowledge | Close) -> AlarmView:
    """Let the vehicle's one writer decide: two operators at once can't both succeed."""
    for effect in await deps.acts.act(alarm.subject, fact):
        if isinstance(effect, Refused):
            raise Problem(404 if effect.code == "unknown_alarm" else 409, effect.code, effect.detail)
    return view(await _stored(deps, alarm.alarm_id))


def view(alarm: StoredAlarm) -> AlarmView:
    """An alarm as the contract lists it."""
    return AlarmView(
        **_fields(_body.decode(alarm.body)),
        event_ids=list(alarm.event_ids),
        first_sequence=alarm.first_sequence,
        last_sequence=alarm.last_sequence,
    )


def _fields(struct: Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


routes = Router("/", route_handlers=[list_alarms, read_alarm, acknowledge, close], tags=["alarms"])
