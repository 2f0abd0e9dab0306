"""The feed message of contract 5.3: the same bytes for webhook, SSE and MQTT."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from gateway.domain.alarms import Alarm, PositionFix
from gateway.domain.causes import BY_NAME
from gateway.domain.said import Said
from gateway.domain.services.entitlements import car_security
from gateway.domain.vehicle import Vehicle
from gateway.ports import AlarmRow, Message

Data = TypeVar("Data")


class ToldEvidence(Struct, frozen=True):
    """Evidence with its English sentence written out."""

    text: str
    event_id: str | None
    at: datetime | None
    said: tuple[Said, ...]


class FeedData(Struct, frozen=True, rename={"cause_class": "class"}):
    """``data`` of a feed message."""

    sequence: int | None
    recorded: bool
    soc: str
    alarm_id: str
    case_id: str | None
    vin: str | None
    registered: bool
    service: str
    cause: str
    cause_class: str
    severity: str
    state: str
    silent: bool
    occurred_at: datetime
    received_at: datetime
    raised_at: datetime
    late: bool
    clock_suspect: bool
    count: int
    event_ids: tuple[str, ...]
    position: PositionFix | None
    suppressed_by: str | None
    note: str | None
    acknowledged_by: str | None
    disposition: str | None
    evidence: tuple[ToldEvidence, ...]


class CloudEvent(Struct, Generic[Data], frozen=True):
    """The envelope."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


class HeartbeatData(Struct, frozen=True):
    """``data`` of a heartbeat."""

    instance: str
    sequence: None = None


_encode = msgspec.json.Encoder().encode


def feed_data(
    vehicle: Vehicle, alarm: Alarm, event_ids: tuple[str, ...], *, soc: str, sequence: int | None
) -> FeedData:
    """What the feed says of an alarm. ``sequence`` None: it could not be recorded."""
    cause = BY_NAME[alarm.cause]
    return FeedData(
        sequence=sequence,
        recorded=sequence is not None,
        soc=soc,
        alarm_id=alarm.alarm_id,
        case_id=alarm.case_id,
        vin=alarm.vin,
        registered=vehicle.registration is not None,
        service=car_security(vehicle.registration, alarm.raised_at),
        cause=alarm.cause,
        cause_class=cause.cause_class,
        severity=cause.severity,
        state=alarm.state,
        silent=cause.silent,
        occurred_at=alarm.occurred_at,
        received_at=alarm.received_at,
        raised_at=alarm.raised_at,
        late=alarm.late,
        clock_suspect=alarm.clock_suspect,
        count=alarm.count,
        event_ids=event_ids,
        position=alarm.position,
        suppressed_by=alarm.suppressed_by,
        note=alarm.note,
        acknowledged_by=alarm.acknowledged_by,
        disposition=alarm.disposition,
        evidence=tuple(ToldEvidence(one.text, one.event_id, one.at, one.said) for one in alarm.evidence),
    )


def feed_of(feed_id: str, soc: str) -> str:
    """Identity of one SOC's feed: two feeds that reach one receiver must not look like repeats."""
    return feed_id if soc == "default" else f"{feed_id}-{soc}"


def encode_data(data: FeedData) -> bytes:
    """``data`` once, for the message and for the alarm that is kept."""
    return _encode(data)


def feed_message(
    kind: str,
    data: FeedData,
    encoded: bytes,
    *,
    feed_id: str,
    subject: str,
    instance: str,
    created_at: datetime,
) -> Message:
    """Wrap ``data`` as the message that leaves. Unrecorded ones have sequence 0 inside the gateway only."""
    event = CloudEvent(
        id=f"unrecorded.{data.alarm_id}" if data.sequence is None else str(data.sequence),
        source=f"vehicle-gateway/{feed_of(feed_id, data.soc)}",
        type=kind,
        subject=data.vin or instance,
        time=created_at,
        data=msgspec.Raw(encoded),
    )
    return Message(
        soc=data.soc,
        sequence=data.sequence or 0,
        type=kind,
        alarm_id=data.alarm_id,
        subject=subject,
        critical=data.severity == "critical",
        body=_encode(event),
        created_at=created_at,
    )


def alarm_row(data: FeedData, encoded: bytes, subject: str) -> AlarmRow:
    """The alarm as the store keeps it for ``GET /alarms``."""
    return AlarmRow(
        alarm_id=data.alarm_id,
        vin=data.vin,
        subject=subject,
        soc=data.soc,
        cause=data.cause,
        cause_class=data.cause_class,
        state=data.state,
        sequence=data.sequence or 0,
        body=encoded,
    )


def heartbeat(feed_id: str, instance: str, now: datetime) -> bytes:
    """The canary as a message for sinks that ask for it. It stands in no feed and has no sequence."""
    identity, source = f"heartbeat.{instance}.{now.isoformat()}", f"vehicle-gateway/{feed_id}"
    return _encode(CloudEvent(identity, source, "gateway.heartbeat", instance, now, HeartbeatData(instance)))
