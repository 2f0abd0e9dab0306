"""
The gateway's sessions with the broker: events, commands, telemetry, each on a connection of its own.

One vehicle's flood on one session costs nothing on another. A connection that is lost comes back with full
jitter, on a new ``Connection``; what was not acknowledged on the old one comes again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from msgspec import Struct

from gateway.adapters.mqtt import packets
from gateway.adapters.mqtt.connection import FAILURE, Connection, Refused, Will
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received, Version
from gateway.errors import LinkDown, StartError
from gateway.pipeline.acks import InOrder
from gateway.pipeline.meters import Meters
from gateway.ports import Clock, Inbound, Reply

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
TAKEN_OVER_PAUSE_S = (5.0, 30.0)
TAKEN_OVER_AFTER = 5
SHORT_LIVED_S = 3.0
UNSUPPORTED_VERSION = (1, 132)
BAD_CREDENTIALS = (4, 5, 134, 135)
STABLE_AFTER_S = 10.0
PAUSE_S = 0.02
SAID_EVERY_S = 60.0


class Log(Protocol):
    """The part of a structlog logger that is used here."""

    def info(self, event: str, **fields: object) -> None: ...
    def warning(self, event: str, **fields: object) -> None: ...
    def error(self, event: str, **fields: object) -> None: ...


class Glances(Protocol):
    """Deals at once with messages that change nothing but what is in memory."""

    @property
    def glance(self) -> Callable[[str, bytes, datetime], bool]:
        """Of topic, payload and arrival, whether that was all there is to do; asked for with each batch."""
        ...

    def glanced(self, count: int) -> None:
        """So many of a batch were."""
        ...


class Plan(Struct, frozen=True):
    """One session: what it reads and what becomes of it."""

    name: str
    filters: tuple[str, ...]
    qos: int
    on_batch: Callable[[Sequence[Inbound]], bool]
    """Takes a batch; False: no room, so the connection ends and the broker sends it again."""
    keeps_retained: Callable[[str], bool]
    """Whether a replayed retained message of this topic counts."""
    optional: tuple[str, ...] = ()
    """Filters that a broker may refuse."""
    will: Callable[[], Will] | None = None
    """Made anew for each connection, because it carries a time."""
    coalesce_s: float = 0.0
    """Read no more often than this: many small messages are cheaper together. Nothing that alarms."""
    glances: Glances | None = None
    is_crowded: Callable[[], bool] = lambda: False
    """Whether there is much to decide already: then nothing is read for a moment."""


class Session:
    """Keeps one session connected."""

    def __init__(
        self,
        plan: Plan,
        settings: MqttSettings,
        *,
        client_id: str,
        clock: Clock,
        rng: random.Random,
        meters: Meters,
        log: Log,
        version: Version = 5,
    ) -> None:
        self.plan = plan
        self.connection: Connection | None = None
        self.version: Version = version
        self.subscribed = asyncio.Event()
        self._resumed = False
        self._resumed_briefly = 0
        self._said_paused_s = -SAID_EVERY_S
        self._settings = settings
        self._client_id = client_id
        self._clock = clock
        self._rng = rng
        self._meters = meters
        self._log = log

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            began_s = self._clock.mono_s()
            try:
                self._resumed = False
                why = await self._once()
                self._log.warning("mqtt.disconnected", session=self.plan.name, reason=why)
            except Refused as error:
                self._refused(error)
            except (LinkDown, StartError) as error:  # a certificate file may be unreadable for a moment
                self._resumed_briefly = 0
                self._log.warning("mqtt.disconnected", session=self.plan.name, reason=str(error))
            if self._is_taken_over(self._clock.mono_s() - began_s):
                self._log.error("mqtt.taken_over", client_id=self._client_id)
                await asyncio.sleep(self._rng.uniform(*TAKEN_OVER_PAUSE_S))
            if self._clock.mono_s() - began_s > STABLE_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(self._rng.uniform(0, pause_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _is_taken_over(self, lasted_s: float) -> bool:
        """
        Whether another client of our name keeps taking the session.

        paho drops the reason that the broker gives for it. What remains is the pattern: again and again the
        session is resumed at once and lost within seconds, and never is a connection refused in between, as
        it would be while a broker restarts.
        """
        briefly = self._resumed and lasted_s < SHORT_LIVED_S
        self._resumed_briefly = self._resumed_briefly + 1 if briefly else 0
        if self._resumed_briefly < TAKEN_OVER_AFTER:
            return False
        self._resumed_briefly = 0
        return True

    async def _once(self) -> str:
        connection: Connection
        acks = InOrder()
        connection = Connection(
            self._settings,
            self._client_id,
            version=self.version,
            clean=False,
            on_messages=lambda batch: self._take(connection, acks, batch),
            will=None if self.plan.will is None else self.plan.will(),
            coalesce_s=self.plan.coalesce_s,
        )
        connection.on_refused = self._post_refused
        async with connection:
            lost = asyncio.create_task(connection.until_lost())
            try:
                await self._subscribe_unless(lost, connection)
                return await self._connected(connection, lost)
            finally:
                lost.cancel()

    async def _connected(self, connection: Connection, lost: asyncio.Task[str]) -> str:
        self._resumed = connection.session_present
        if not self._resumed:
            self._log.info("mqtt.session_lost", session=self.plan.name)
        self._say_how_it_reads(connection)
        self.connection = connection
        self.subscribed.set()
        self._meters.gauge("gateway_mqtt_connected", 1, session=self.plan.name)
        self._log.info("mqtt.connected", session=self.plan.name, mqtt_version=self.version)
        try:
            return await lost
        finally:
            self.connection = None
            self.subscribed.clear()
            self._meters.gauge("gateway_mqtt_connected", 0, session=self.plan.name)

    def _say_how_it_reads(self, connection: Connection) -> None:
        self._meters.gauge("gateway_mqtt_fast_reader", int(connection.is_fast), session=self.plan.name)
        if connection.missing:
            self._log.warning("mqtt.slow_reader", session=self.plan.name, missing=connection.missing)

    async def _subscribe_unless(self, lost: asyncio.Task[str], connection: Connection) -> None:
        """Subscribe; the end of the connection ends the wait for the broker's word."""
        subscribing = asyncio.create_task(self._subscribe(connection))
        try:
            await asyncio.wait({subscribing, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not subscribing.done():
                raise LinkDown(await lost)
            await subscribing
        finally:
            subscribing.cancel()

    async def _subscribe(self, connection: Connection) -> None:
        granted = await connection.subscribe(self.plan.filters, self.plan.qos)
        for one, code in zip(self.plan.filters, granted, strict=True):
            if code < FAILURE:
                continue
            if one not in self.plan.optional:
                raise Refused(code, f"the broker does not grant a subscription to {one}")
            self._log.warning("mqtt.sys_not_granted", topic=one)

    def _take(self, connection: Connection, acks: InOrder, batch: Sequence[Received]) -> None:
        """Hand a batch on; replayed retained messages are counted and acknowledged when it is their turn."""
        now, glances, glanced = self._clock.now(), self.plan.glances, 0
        glance = None if glances is None else glances.glance
        wanted: list[Inbound] = []
        waiting: set[str] = set()  # topics: what comes after a message must not overtake it
        for one in batch:
            may_pass = not one.retained and one.topic not in waiting
            if may_pass and glance is not None and glance(one.topic, one.payload, now):
                glanced += 1
                if one.qos:
                    acks.now(partial(connection.ack, one))
                continue
            waiting.add(one.topic)
            ack = acks.place(partial(connection.ack, one)) if one.qos else None
            if one.retained and not self.plan.keeps_retained(one.topic):
                self._meters.count("gateway_retained_ignored_total")
                self._log.info("mqtt.retained_ignored", topic=one.topic)
                if ack is not None:
                    ack()
                continue
            correlation = packets.correlation(one.properties) if one.properties else None
            wanted.append(Inbound(one.topic, one.payload, now, ack, correlation, one.retained))
        if glances is not None and glanced:
            glances.glanced(glanced)
        if wanted and not self.plan.on_batch(wanted):
            self.drop(connection)
        elif self.plan.is_crowded() and connection.pause():
            self._say_paused()
            asyncio.get_running_loop().call_later(PAUSE_S, self._read_on, connection)

    def _read_on(self, connection: Connection) -> None:
        if self.plan.is_crowded():
            asyncio.get_running_loop().call_later(PAUSE_S, self._read_on, connection)
        else:
            connection.resume()

    def _say_paused(self) -> None:
        self._meters.count("gateway_reading_paused_total", session=self.plan.name)
        now_s = self._clock.mono_s()
        if now_s - self._said_paused_s >= SAID_EVERY_S:
            self._said_paused_s = now_s
            self._log.warning("mqtt.paused", session=self.plan.name)

    def drop(self, connection: Connection | None = None) -> None:
        """End the connection: everything unacknowledged comes again on the next."""
        victim = connection or self.connection
        if victim is not None:
            victim.abort()

    def _refused(self, error: Refused) -> None:
        if error.reason_code in UNSUPPORTED_VERSION and self.version != 3:  # noqa: PLR2004  # MQTT 3.1.1
            self.version = 3
            self._log.warning("mqtt.protocol_fallback", session=self.plan.name)
        else:
            self._log.error(
                "mqtt.refused", session=self.plan.name, reason=error.reason, code=error.reason_code
            )

    def _post_refused(self, reason_code: int) -> None:
        self._meters.count("gateway_publish_refused_total")
        self._log.error("mqtt.publish_refused", session=self.plan.name, code=reason_code)


class MqttLink:
    """The Link port over the sessions; publishes leave by the ``commands`` session."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = {session.plan.name: session for session in sessions}

    @property
    def connected(self) -> bool:
        """Whether every session is subscribed."""
        return all(session.connection is not None for session in self.sessions.values())

    async def wait_connected(self) -> None:
        """Until every session is subscribed."""
        for session in self.sessions.values():
            await session.subscribed.wait()

    async def run(self) -> None:
        """Keep all sessions connected until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, session in self.sessions.items():
                group.create_task(session.run(), name=f"mqtt-{name}")

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        connection = self.sessions["commands"].connection
        if connection is None:
            raise LinkDown("the broker is not connected")
        await connection.publish(topic, payload, qos=qos, retain=retain, expiry_s=expiry_s)

    def post(
        self, topic: str, payload: bytes, *, expiry_s: int | None = None, reply: Reply | None = None
    ) -> bool:
        connection = self.sessions["commands"].connection
        return connection is not None and connection.post(topic, payload, expiry_s, reply)
