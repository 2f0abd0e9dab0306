"""``vehicle-gateway doctor``: tries every part that lies outside, and names what is wrong."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt.connection import FAILURE, Connection, Refused
from gateway.adapters.mqtt.self_test import self_test
from gateway.adapters.mqtt.splitter import Received
from gateway.adapters.sinks import SinkSettings
from gateway.adapters.site_map import wrong_with
from gateway.adapters.storage import STORES
from gateway.errors import GatewayError, LinkDown, PublishRefused, StartError, StoreError
from gateway.pipeline.recording import RecordingSettings
from gateway.settings import Settings
from gateway.wire import TOPICS, command_request
from gateway.wire.topics import user_vehicle_topic, vehicle_topic

HEARS_WITHIN_S = 2.0
CONNECTS_WITHIN_S = 3.0
FREE_BYTES = 1 << 30


class Finding(Struct, frozen=True):
    """One thing that was tried."""

    good: bool
    sentence: str


async def examine(settings: Settings) -> list[Finding]:
    """Try everything; a failure of one part does not hide the next."""
    findings = [_store(settings), _space(settings)]
    if settings.recording.folder is not None:
        findings.append(_recording(settings.recording))
    findings += _site_map(settings.console.map_file)
    findings += await _broker(settings)
    for sink in settings.sinks:
        findings += await _sink(sink)
    if not settings.sinks:
        findings.append(
            Finding(good=False, sentence="No sink is configured: alarms would reach nobody but the feed.")
        )
    return findings


def _store(settings: Settings) -> Finding:
    try:
        store = STORES["sqlite"](settings.database, settings.canary.vin)
        store.close()
    except (StartError, StoreError) as error:
        return Finding(good=False, sentence=f"Store: {error}.")
    return Finding(good=True, sentence=f"The store {settings.database} opens and has the newest schema.")


def _space(settings: Settings) -> Finding:
    folder = Path(settings.gateway.data_dir)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(good=free > FREE_BYTES, sentence=f"{free / 2**30:.1f} GiB are free where the store lies.")


def _recording(recording: RecordingSettings) -> Finding:
    folder = Path(recording.folder or "")
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(good=False, sentence=f"The recording can't be written to {folder}.")
    text = (
        f"Recording is on: {folder} holds what vehicles say, with their positions,"
        f" for {recording.max_days:g} day(s). Switch it off when it has served."
    )
    return Finding(good=True, sentence=text)


def _site_map(stated: str | None) -> list[Finding]:
    if stated is None:
        return []
    wrong = wrong_with(Path(stated))
    if wrong is not None:
        return [Finding(good=False, sentence=f"The site's own map {stated} can't be shown: {wrong}.")]
    return [Finding(good=True, sentence=f"The site's own map {stated} can be shown.")]


async def _broker(settings: Settings) -> list[Finding]:
    address = settings.mqtt.address
    where = f"{address.host}:{address.port}"
    # An instance name of its own, so that a running gateway keeps its sessions.
    name = f"{settings.gateway.instance}-doctor-{secrets.token_hex(3)}"
    try:
        version = await self_test(settings.mqtt, name)
    except LinkDown as error:
        hint = (
            " Over TLS a missing or wrong client certificate looks like this as well." if address.tls else ""
        )
        return [Finding(good=False, sentence=f"The broker at {where} can't be reached: {error}.{hint}")]
    except StartError as error:
        return [Finding(good=False, sentence=f"Broker: {error}.")]
    good = [
        Finding(good=True, sentence=f"The broker at {where} takes the credentials; acknowledgements work.")
    ]
    try:
        return good + await _access(settings, name, version)
    except (GatewayError, Refused) as error:
        return [*good, Finding(good=False, sentence=f"Broker: {error}.")]


async def _access(settings: Settings, name: str, version: Any) -> list[Finding]:
    """An access list that hides a topic is silent, so the canary's topic is tried for real."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def take(batch: Sequence[Received]) -> None:
        for one in batch:
            heard.put_nowait(one.payload)
            connection.ack(one)

    connection = Connection(
        settings.mqtt, f"{name}-acl", version=version, clean=True, on_messages=take, session_expiry_s=0
    )
    findings = []
    async with connection:
        filters = [vehicle_topic("+", topic.kind) for topic in TOPICS]
        filters.append(user_vehicle_topic("+", "+", command_request.KIND))
        granted = await connection.subscribe(filters, qos=1)
        refused = [one for one, code in zip(filters, granted, strict=True) if code >= FAILURE]
        if refused:
            findings.append(
                Finding(good=False, sentence=f"The broker refuses subscriptions: {', '.join(refused)}.")
            )
        marker = msgspec.json.encode(
            {
                "event_id": f"doctor-{secrets.token_hex(6)}",
                "occurred_at": SystemClock().now(),
                "cause": "health_check_failed",
                "state": "restored",
            }
        )
        topic = vehicle_topic(settings.canary.vin, "theft-sensor")
        findings.append(await _round_trip(connection, heard, topic, marker))
        receipt = vehicle_topic(settings.canary.vin, "receipt")
        findings.append(await _may_publish(connection, receipt, b'{"event_ids":[],"rejected":[]}'))
    return findings


async def _round_trip(
    connection: Connection, heard: asyncio.Queue[bytes], topic: str, marker: bytes
) -> Finding:
    allowed = await _may_publish(connection, topic, marker)
    if not allowed.good:
        return allowed
    try:
        async with asyncio.timeout(HEARS_WITHIN_S):
            while await heard.get() != marker:
                pass
    except TimeoutError:
        text = "its access list hides vehicle topics from the gateway"
        return Finding(good=False, sentence=f"The broker grants {topic} and delivers nothing: {text}.")
    return Finding(good=True, sentence="Vehicle topics reach the gateway.")


async def _may_publish(connection: Connection, topic: str, payload: bytes) -> Finding:
    try:
        await connection.publish(topic, payload)
    except PublishRefused as error:
        if error.reason_code >= FAILURE:
            return Finding(
                good=False, sentence=f"The broker does not let the gateway publish to {topic}: {error}."
            )
    except GatewayError as error:
        return Finding(good=False, sentence=f"Publishing to {topic} had no answer: {error}.")
    return Finding(good=True, sentence=f"The gateway may publish to {topic}.")


async def _sink(sink: SinkSettings) -> list[Finding]:
    given = (getattr(sink, key, None) for key in ("url", "backup_url"))
    urls = [url for url in given if isinstance(url, str)]
    if not urls:
        kind = type(sink).__struct_config__.tag
        return [Finding(good=True, sentence=f"Sink {sink.name} ({kind}) needs nothing outside.")]
    return [await _reaches(sink.name, url) for url in urls]


async def _reaches(sink: str, url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    where = f"{parts.hostname}:{port}"
    if parts.scheme == "udp":
        return Finding(good=True, sentence=f"Sink {sink}: {where} is UDP: only a test alarm can tell.")
    try:
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            _reader, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer"
        return Finding(good=False, sentence=f"Sink {sink}: {where} can't be reached: {reason}.")
    return Finding(good=True, sentence=f"Sink {sink}: {where} takes connections.")
