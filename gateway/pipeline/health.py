"""
How the gateway is, and what happens when it can't hear, store or deliver.

A part that has been bad for 15 s makes a ``gateway_blind`` alarm; 60 s of health close it. Together with the
canary's interval this stays below 30 s from the failure to the alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.domain.signals import Blind, Healthy
from gateway.errors import GatewayError, StoreError
from gateway.pipeline.canary import Canary
from gateway.pipeline.decider import Decider
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.hearing import Hearing, MassLoss
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Tally
from gateway.pipeline.recording import Recorder
from gateway.ports import Clock, HealthReport, Link, Store
from gateway.wire.status import KIND, Payload
from gateway.wire.topics import gateway_topic

LOOK_EVERY_S = 1.0
BLIND_AFTER_S = 15.0
WELL_AFTER_S = 60.0
CANARY_GRACE_S = 3.0
MASS_LOSS = "Many vehicles fell silent at once."
FAREWELL_S = 1.0

COUNTERS = {
    "events": "gateway_events_total",
    "duplicates": "gateway_duplicates_total",
    "quarantined": "gateway_quarantined_total",
    "suppressed": "gateway_suppressed_total",
    "telemetry": "gateway_telemetry_total",
    "telemetry_dropped": "gateway_telemetry_dropped_total",
    "retained_ignored": "gateway_retained_ignored_total",
    "unrecorded": "gateway_unrecorded_total",
}


class Health:
    """Looks every second. Implements HealthReporter."""

    def __init__(
        self,
        *,
        link: Link,
        store: Store,
        decider: Decider,
        delivery: Delivery,
        canary: Canary,
        canary_interval_s: float,
        inbox: Inbox,
        clock: Clock,
        tally: Tally,
        instance: str,
        log: Any,
        hearing: Hearing,
        mass_loss: MassLoss,
        recorder: Recorder | None = None,
    ) -> None:
        self._link = link
        self._store = store
        self._decider = decider
        self._delivery = delivery
        self._canary = canary
        self._canary_late_s = canary_interval_s + CANARY_GRACE_S
        self._inbox = inbox
        self._clock = clock
        self._tally = tally
        self._instance = instance
        self._log = log
        self._hearing = hearing
        self._mass_loss = mass_loss
        self._recorder = recorder
        self._bad_since_s: dict[str, float] = {}
        self._well_since_s = clock.mono_s()
        self._told_blind: frozenset[str] = frozenset()
        self._told_well = False
        self._told_status = ""
        self._lag_s = 0.0

    async def report(self) -> HealthReport:
        """See ``gateway.ports.HealthReporter``."""
        states = self._delivery.states()
        return HealthReport(
            status=self._status(),
            broker="connected" if self._link.connected else "lost",
            store="ok" if self._decider.failing_since_s is None else "failing",
            sinks=states,
            canary_age_s=None if self._canary.age_s is None else round(self._canary.age_s, 3),
            oldest_undelivered_s=round(await self._oldest_undelivered_s(), 3),
            loop_lag_ms=round(self._lag_s * 1000, 3),
            recording=self._recording(),
            counters={name: self._tally.totals[metric] for name, metric in COUNTERS.items()},
        )

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            before_s = self._clock.mono_s()
            await asyncio.sleep(LOOK_EVERY_S)
            self._lag_s = max(0.0, self._clock.mono_s() - before_s - LOOK_EVERY_S)
            self._look()
            await self._tell_status()

    async def farewell(self) -> None:
        """Say ``offline`` before a planned stop: a clean disconnect takes the will with it."""
        body = offline(self._clock.now())
        with contextlib.suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._link.publish(gateway_topic(self._instance, KIND), body, retain=True)

    def _recording(self) -> Literal["off", "holds_positions", "failing"]:
        if self._recorder is None:
            return "off"
        return "failing" if self._recorder.failing else "holds_positions"

    def _status(self) -> Literal["ready", "degraded", "not_ready"]:
        if not self._link.connected or self._decider.failing_since_s is not None:
            return "not_ready"
        if self._canary.age_s is None or self._canary.age_s > self._canary_late_s:
            return "not_ready"
        return "degraded" if "failing" in self._delivery.states().values() else "ready"

    def _look(self) -> None:
        now_s = self._clock.mono_s()
        self._hearing.since()
        bad = self._reasons()
        self._bad_since_s = {part: self._bad_since_s.get(part, now_s) for part in bad}
        self._tally.gauge("gateway_loop_lag_seconds", self._lag_s)
        self._tally.gauge("gateway_canary_age_seconds", self._canary.silent_for_s)
        blind = frozenset(
            reason for part, reason in bad.items() if now_s - self._bad_since_s[part] >= BLIND_AFTER_S
        )
        if bad:
            self._well_since_s = now_s
            self._told_well = False
        if blind - self._told_blind:
            self._log.error("gateway.blind", reasons=sorted(blind))
            received_at = self._clock.now()
            reasons = tuple(self._worded(reason) for reason in sorted(blind))
            if not self._state(Blind(received_at=received_at, reasons=reasons)):
                blind = self._told_blind  # no room: it is told in a second
        self._told_blind = blind
        if not bad and not self._told_well and now_s - self._well_since_s >= WELL_AFTER_S:
            self._told_well = self._state(Healthy(received_at=self._clock.now()))
            self._log.info("gateway.recovered")

    def _worded(self, reason: str) -> str:
        """The count is told when the alarm is; as part of the reason it would make each second a new one."""
        if reason != MASS_LOSS:
            return reason
        return (
            f"{self._mass_loss.count} vehicles fell silent within two minutes: a cell, a region, a carrier or"
            " the broker. Their single notes wait; thefts with other evidence are told."
        )

    def _reasons(self) -> dict[str, str]:
        """What is bad, by part: one part's reason may change without its time starting again."""
        bad = {}
        if not self._link.connected:
            bad["hearing"] = "The broker is not connected."
        elif self._canary.silent_for_s > self._canary_late_s:
            bad["hearing"] = (
                "The canary does not come back: the broker swallows messages, or its access list hides them."
            )
        if self._decider.failing_since_s is not None:
            bad["store"] = "The store can't be written."
        if self._mass_loss.lasts:
            bad["mass_loss"] = MASS_LOSS
        for sink, state in self._delivery.states().items():
            if state == "failing":
                bad[sink] = f"The SOC path {sink} confirms nothing."
        return bad

    def _state(self, fact: Blind | Healthy) -> bool:
        subject = f"gateway:{self._instance}"
        kind = type(fact).__name__.lower()
        return self._inbox.put(Item(subject=subject, kind=kind, received_at=fact.received_at, fact=fact))

    async def _oldest_undelivered_s(self) -> float:
        try:
            oldest = await self._store.oldest_undelivered()
        except StoreError:
            return 0.0
        return 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds())

    async def _tell_status(self) -> None:
        """Publish a retained status when it changes; while the broker is away its will says ``offline``."""
        status: Literal["ready", "degraded"] = "ready" if self._status() == "ready" else "degraded"
        if not self._link.connected:
            self._told_status = ""
        elif status != self._told_status:
            body = msgspec.json.encode(Payload(status, self._clock.now()))
            try:
                await self._link.publish(gateway_topic(self._instance, KIND), body, retain=True)
            except GatewayError:
                return  # tried again in a second
            self._told_status = status


def offline(at: datetime) -> bytes:
    """The will: what the broker says when the gateway is gone."""
    return msgspec.json.encode(Payload("offline", at))
