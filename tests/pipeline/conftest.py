"""The decider with a real store and doubles around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.domain.thresholds import Thresholds
from gateway.errors import StoreError
from gateway.pipeline.acks import InOrder
from gateway.pipeline.decider import MAX_BATCH, MAX_SHARE, Decider
from gateway.pipeline.hearing import MassLoss, ticker
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.receipts import Receipts
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.timers import Timers
from gateway.ports import Decision, Inbound, Message
from gateway.testing import FakeClock, RecordingLink

VIN = "XVGZZZ99ZTS000001"
CANARY = "CANARY00000000001"


class Quiet:
    """A log that remembers names."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattr__(self, _level: str) -> Callable[..., None]:
        return lambda event, **_fields: self.events.append(event)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class Rig:
    """Everything between MQTT and the sinks, in one process, on a clock that moves when told."""

    def __init__(self, path: Path) -> None:
        self.clock, self.link, self.tally, self.log = FakeClock(), RecordingLink(), Tally(), Quiet()
        self.store = SqliteStore(path, CANARY)
        self.inbox = Inbox()
        self.intake = TelemetryIntake(self.inbox, self.tally)
        self.ingest = Ingest(self.inbox, self.intake, self.tally)
        self.hearing_since: datetime | None = self.clock.now()
        self.mass_loss = MassLoss(self.clock, self.intake.heard_since)
        self.timers = self.new_timers()
        self.messages: list[Message] = []
        self.unrecorded: list[Message] = []
        self.acks: list[int] = []
        self.acks_in_order = InOrder()
        self.canaries: list[str] = []
        self.failing = False
        self.deaf = False
        self._sent = 0
        self.decider = self.new_decider()

    def new_decider(self) -> Decider:
        """Make a decider as a start does; its memory is empty."""
        decider = Decider(
            self.inbox,
            self.store,
            Receipts(self.link, self.tally, self.log),
            clock=self.clock,
            meters=self.tally,
            log=self.log,
            instance="gw-1",
            canary_vin=CANARY,
            thresholds=Thresholds(),
            socs=frozenset({"default", "north"}),
        )
        decider.on_messages = [self.messages.extend]
        decider.on_unrecorded = self.take_unrecorded
        decider.on_canary = self.canaries.append
        decider.on_silent = self.mass_loss.note
        decider.on_wake = self.timers.wake
        decider.on_awaited = self.intake.await_word
        return decider

    def take_unrecorded(self, message: Message) -> bool:
        """Be the delivery of what could not be recorded."""
        if self.deaf:
            return False
        self.unrecorded.append(message)
        return True

    def send(self, kind: str, payload: Any, *, vin: str = VIN, replayed: bool = False) -> int:
        """Let one message arrive; returns the number by which its acknowledgement is known."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload, default=_text).encode()
        self._sent += 1
        number = self._sent
        ack = self.acks_in_order.place(lambda: self.acks.append(number))
        inbound = Inbound(f"v1/vehicles/{vin}/{kind}", body, self.clock.now(), ack, replayed=replayed)
        if self.ingest.glance(inbound.topic, inbound.payload, inbound.received_at):
            ack()
        else:
            self.ingest.take([inbound])
        return number

    def trigger(self, cause: str, event_id: str, *, vin: str = VIN, **fields: Any) -> int:
        """Let a theft-sensor trigger arrive."""
        base = {"event_id": event_id, "occurred_at": self.clock.now().isoformat(), "cause": cause}
        return self.send("theft-sensor", {**base, "state": "triggered", **fields}, vin=vin)

    def new_timers(self) -> Timers:
        """Make timers as a start does; nothing is wanted of them."""
        tick = ticker(lambda: self.hearing_since, self.intake.heard_at, self.mass_loss)
        return Timers(self.inbox, self.clock, self.intake.hand_over, tick)

    async def restart(self) -> None:
        """Lose all memory, as a SIGKILL does, and start on what the store holds."""
        self.intake = TelemetryIntake(self.inbox, self.tally)
        self.ingest = Ingest(self.inbox, self.intake, self.tally)
        self.timers = self.new_timers()
        self.decider = self.new_decider()
        self.hearing_since = self.clock.now()
        await self.decider.open()
        await self.timers.load(self.store)

    async def wait(self, seconds: float) -> None:
        """Let time run, with every timer on time."""
        until_s = self.clock.mono_s() + seconds
        await self.settle()
        while self.timers._heap and self.timers._heap[0][0] <= until_s:
            self.clock.advance(max(0.0, self.timers._heap[0][0] - self.clock.mono_s()))
            while self.timers._heap and self.timers._heap[0][0] <= self.clock.mono_s():
                await self.timers._tick()
            await self.settle()
        self.clock.advance(until_s - self.clock.mono_s())

    def telemetry(self, vin: str = VIN, **signals: Any) -> int:
        """Let telemetry arrive, each signal by the last part of its name."""
        names = {"Latitude": "CurrentLocation.Latitude", "Longitude": "CurrentLocation.Longitude"}
        named = {f"Vehicle.{names.get(name, name)}": value for name, value in signals.items()}
        return self.send("telemetry", {"occurred_at": self.clock.now(), "signals": named}, vin=vin)

    def card(self, event_id: str, present: bool, card_id: str = "DC-1") -> int:
        """Let a Driver Card be seen or go."""
        fields = {"event_id": event_id, "occurred_at": self.clock.now(), "present": present}
        return self.send("driver-card", {**fields, "card_id": card_id})

    async def settle(self) -> None:
        """Decide everything that waits; counts and logs follow two turns of the loop later."""
        await self._decide()
        for _ in range(2):
            await asyncio.sleep(0)

    async def _decide(self) -> None:
        decider = self.decider
        for _ in range(200):
            if decider._kept:
                await decider._listen(0.01)
                if not await decider._turn(decider._kept[:MAX_BATCH]):
                    return
            elif not (items := self.inbox.take(MAX_BATCH, MAX_SHARE)) or not await decider._turn(items):
                return

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """Receipts sent so far."""
        return [json.loads(body) for topic, body in self.link.published if topic.endswith("/receipt")]

    def data(self) -> list[dict[str, Any]]:
        """``data`` of every feed message."""
        return [json.loads(message.body)["data"] for message in self.messages]


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "gateway.db")
    await rig.decider.open()
    commit = rig.store.commit

    async def commit_or_fail(decision: Decision) -> None:
        if rig.failing:
            raise StoreError("database or disk is full")
        await commit(decision)

    monkeypatch.setattr(rig.store, "commit", commit_or_fail)
    yield rig
    rig.store.close()
    await asyncio.sleep(0)
