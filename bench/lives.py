"""
What has happened to a few vehicles over months, decided by the real decider into a real store.

These are the templates that ``bench.filled`` makes a large store of. Each vehicle alarms once a night and an
operator works on it; what is special about a vehicle is how its last night ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.domain.cases import CaseAct
from gateway.domain.effects import Refused
from gateway.domain.facts import AnyFact
from gateway.domain.services.availability import EVERYWHERE
from gateway.domain.signals import Acknowledge, ActOnCase, Close, Registration, SetMode, Tick
from gateway.domain.thresholds import Thresholds
from gateway.pipeline.decider import Decider
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.receipts import Receipts
from gateway.pipeline.survey import Survey
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.ports import AlarmFilter, DeliveryMark, Inbound, SinkPlan, StoredAlarm
from gateway.testing import FakeClock, RecordingLink
from vehicle_emulator import messages
from vehicle_emulator.messages import Position, TheftSensor

SINK = "soc"
CANARY = "CANARY00000000001"
NIGHTS_APART = timedelta(days=36)
THEFT = ("tilt", "intrusion", "battery_disconnect", "tamper", "unauthorised_movement")
TECHNICAL = ("battery_low", "backup_battery_low")
MAX_WAKES = 20


class Life(Struct, frozen=True, kw_only=True):
    """One kind of vehicle, and how many of a hundred are so."""

    serial: str
    """The end of its VIN, by which it is known."""
    percent: int
    ends: str
    """How its last night ends: ``closed``, ``open``, ``acknowledged``, ``suppressed`` or ``parked``."""
    causes: tuple[str, ...] = THEFT
    soc: str = "default"

    @property
    def vin(self) -> str:
        """Its VIN as a template."""
        return f"XVG000000{self.serial}"


LIVES = (
    Life(serial="WAY00001", percent=56, ends="closed"),
    Life(serial="WAY00002", percent=30, ends="closed", causes=TECHNICAL),
    Life(serial="WAY00003", percent=5, ends="open"),
    Life(serial="WAY00004", percent=3, ends="acknowledged"),
    Life(serial="WAY00005", percent=1, ends="suppressed"),
    Life(serial="WAY00006", percent=4, ends="closed", soc="north"),
    Life(serial="WAY00007", percent=1, ends="parked"),
)
OPEN = (Life(serial="WAY00003", percent=100, ends="open"),)
"""A store with nothing but alarms that wait."""


class Quiet:
    """A log that nobody reads."""

    def __getattr__(self, _level: str) -> Any:
        return lambda _event, **_fields: None


class Author:
    """Plays vehicles and their operator before the decider, on a clock that moves when told."""

    def __init__(self, path: Path, began: datetime) -> None:
        self.clock = FakeClock(began)
        self.store = SqliteStore(path, CANARY)
        meters, log, inbox = Tally(), Quiet(), Inbox()
        self._ingest = Ingest(inbox, TelemetryIntake(inbox, meters), meters)
        self._decider = Decider(
            inbox, self.store, Receipts(RecordingLink(), meters, log), clock=self.clock, meters=meters,
            log=log, instance="gw-1", canary_vin=CANARY, thresholds=Thresholds(),
            socs=frozenset({"default", "north"}),
        )  # fmt: skip
        self._survey = Survey(self.store, self._decider, self.clock, EVERYWHERE, log)
        self._events = 0

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator[None]:
        """Decide while the block runs, and then close the store."""
        await self.store.plan_sinks([SinkPlan(SINK, "default", "primary")])
        await self._decider.open()
        deciding = asyncio.create_task(self._decider.run())
        try:
            yield
        finally:
            deciding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await deciding
            self.store.close()

    async def tell(self, lives: tuple[Life, ...], nights: int) -> None:
        """Let all of it happen; every delivery is confirmed in the end but those that are parked."""
        async with self.deciding():
            await self.store.register([_entry(life) for life in lives])
            while await self._survey.page():
                pass
            for night in range(nights):
                self.clock.advance(NIGHTS_APART.total_seconds())
                for life in lives:
                    await self._night(life, night, is_last=night == nights - 1)
            await self._confirm(lives)

    async def acknowledge(self, alarm: StoredAlarm) -> float:
        """Let an operator see an alarm; how long deciding and commit took, in milliseconds."""
        fact = Acknowledge(received_at=self.clock.now(), alarm_id=alarm.alarm_id, by="Kim")
        began_s = time.perf_counter()
        effects = await self._decider.act(alarm.subject, fact)
        took_ms = (time.perf_counter() - began_s) * 1_000
        if any(isinstance(effect, Refused) for effect in effects):
            raise RuntimeError(f"{alarm.alarm_id} could not be acknowledged")
        return took_ms

    async def _night(self, life: Life, night: int, *, is_last: bool) -> None:
        ends = life.ends if is_last else "closed"
        if ends == "suppressed":
            mode = SetMode(
                received_at=self.clock.now(), mode="transport", by="Kim", role="operator", reason="service",
                duration_s=3600,
            )  # fmt: skip
            await self._act(life, mode)
        await self._trigger(life, life.causes[night % len(life.causes)])
        if ends == "open":
            await self._wake(life)
        elif ends != "suppressed":
            await self._work(life, is_acknowledged_only=ends == "acknowledged")
        self.clock.advance(1)

    async def _trigger(self, life: Life, cause: str) -> None:
        self._events += 1
        event = TheftSensor(
            event_id=f"b1-{self._events}", occurred_at=messages.rfc3339(_ms(self.clock.now())), boot_id="b1",
            seq=self._events, cause=cause, state="triggered", position=Position(52.09, 5.12, 8),
        )  # fmt: skip
        topic = f"v1/vehicles/{life.vin}/{messages.THEFT_SENSOR}"
        self._ingest.take([Inbound(topic, messages.encode(event), self.clock.now(), None)])
        await self._act(life, Tick(received_at=self.clock.now()))

    async def _work(self, life: Life, *, is_acknowledged_only: bool) -> None:
        """An operator answers what is open, and closes it with its case."""
        (alarm,) = await self.store.alarms(AlarmFilter(state="open", vin=life.vin), 0, 10)
        self.clock.advance(20)
        await self._act(life, Acknowledge(received_at=self.clock.now(), alarm_id=alarm.alarm_id, by="Kim"))
        if is_acknowledged_only:
            await self._wake(life)
            return
        vehicle = await self.store.vehicle(life.vin)
        case_id = None if vehicle is None else _case_of(vehicle.body)
        if case_id is None:
            close = Close(
                received_at=self.clock.now(), alarm_id=alarm.alarm_id, by="Kim", disposition="battery"
            )
            await self._act(life, close)
        else:
            await self._close_case(life, case_id)
        await self._wake(life)

    async def _close_case(self, life: Life, case_id: str) -> None:
        acts: list[tuple[CaseAct, dict[str, Any]]] = [
            ("claim", {}),
            ("contact", {"contact": "Sam", "place": 1, "outcome": "reached"}),
            ("dismiss", {"disposition": "user_error_card"}),
            ("close", {"disposition": "user_error_card"}),
        ]
        for act, more in acts:
            self.clock.advance(30)
            now = self.clock.now()
            fact = ActOnCase(received_at=now, case_id=case_id, act=act, by="Kim", role="supervisor", **more)
            await self._act(life, fact)

    async def _wake(self, life: Life) -> None:
        """Let every timer of the next day run: nothing but the watch over its silence is left then."""
        until = self.clock.now() + timedelta(days=1)
        for _ in range(MAX_WAKES):
            due = dict(await self.store.timers()).get(life.vin)
            if due is None or due > until:
                return
            self.clock.advance(max(0.0, (due - self.clock.now()).total_seconds()) + 0.001)
            await self._act(life, Tick(received_at=self.clock.now()))

    async def _confirm(self, lives: tuple[Life, ...]) -> None:
        parked = {life.vin for life in lives if life.ends == "parked"}
        rows = await self.store.deliveries("pending", None, 0, 100_000)
        newest = {row.subject: row.sequence for row in rows}
        await self.store.mark(
            [
                DeliveryMark(row.sink, row.soc, row.sequence, "parked", 1, "400")
                if row.subject in parked and row.sequence == newest[row.subject]
                else DeliveryMark(row.sink, row.soc, row.sequence, "done", 1, None)
                for row in rows
            ]
        )

    async def _act(self, life: Life, fact: AnyFact) -> None:
        effects = await self._decider.act(life.vin, fact)
        refused = [effect.detail for effect in effects if isinstance(effect, Refused)]
        if refused:
            raise RuntimeError(f"{life.vin}: {type(fact).__name__} was refused: {refused[0]}")


def write(path: Path, lives: tuple[Life, ...], nights: int) -> None:
    """Write the store of these vehicles; their last night is the one before this day."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asyncio.run(Author(path, today - timedelta(days=2) - nights * NIGHTS_APART).tell(lives, nights))


def _entry(life: Life) -> Registration:
    until = "2100-01-01T00:00:00Z"
    return Registration(
        vin=life.vin, country="NL", model="Sedan", main_user=f"owner-{life.vin}", soc=life.soc,
        driver_cards=("DC-1",), contacts=({"name": "Sam", "phone": "+31600000000"},),
        services={"car_security": {"until": until, "certified": life.ends != "open"}},
    )  # fmt: skip


def _case_of(body: bytes) -> str | None:
    case_id: str | None = (msgspec.json.decode(body).get("case") or {}).get("case_id")
    return case_id


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)
