"""A gateway in memory behind the HTTP side: real rules and real messages, no broker and no disk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import structlog

from gateway.api.auth import make_token
from gateway.api.deps import Deps
from gateway.api.passwords import hash_password
from gateway.domain.case_effects import CaseChanged
from gateway.domain.effects import Announce, Audited, Effect, Register, Revoke
from gateway.domain.facts import AnyFact
from gateway.domain.remote_access.effects import CommandChanged
from gateway.domain.signals import Position, Registered, Registration, RegistryAct, TheftSensor
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.case_feed import CaseFeed
from gateway.pipeline.commanding import command_row
from gateway.pipeline.inbox import Item
from gateway.pipeline.messages import alarm_row, encode_data, feed_data, feed_message
from gateway.pipeline.meters import Tally
from gateway.pipeline.requests import Requests
from gateway.ports import (
    AlarmFilter,
    AuditEntry,
    CaseFile,
    Delivered,
    HealthReport,
    Outcome,
    Person,
    Role,
    SignalValue,
    SinkPlan,
    StoredAlarm,
    StoredCase,
    Tried,
)
from gateway.testing import ClearSeal, RecordingLink
from tests.api.memory import MemoryFeed, MemoryStore

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN = "WVWZZZ1JZXW000001"
OTHER = "WVWZZZ1JZXW000002"
PASSWORD = "correct-horse-battery"

_hash = cache(hash_password)


class HandClock:
    """Wall clock set by hand; monotonic time is real unless it is moved on."""

    def __init__(self) -> None:
        self.at = NOW
        self.moved_s = 0.0

    def now(self) -> datetime:
        return self.at

    def mono_s(self) -> float:
        return asyncio.get_running_loop().time() + self.moved_s

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.moved_s += seconds


class Gateway:
    """Decides at once, in memory."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = MemoryStore()
        self.feed = MemoryFeed(self.store)
        self.cases = CaseFeed(self.store)  # type: ignore[arg-type]  # the part that is used
        self.signal_values: dict[str, dict[str, SignalValue]] = {}
        self.status = "ready"
        self.handed_over: list[str] = []
        self.poked: list[tuple[str, str]] = []
        self.answer: Outcome = Delivered()
        self.readers: list[int] = []
        self._made = 0
        self._deciding: set[asyncio.Future[None]] = set()
        self.requests = Requests(
            self,  # type: ignore[arg-type]  # the part of the inbox that is used
            self,  # type: ignore[arg-type]  # the part of the intake that is used
            RecordingLink(),
            clock=self.clock,
            meters=Tally(),
            log=structlog.get_logger(),
            new_challenge=lambda: "c0" * 32,
            seal=ClearSeal(),
        )

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        state = self.store.states.get(subject, Vehicle(vin=subject))
        kept = self.store.registry.get(subject)
        if isinstance(fact, RegistryAct) and kept != state.registration:
            registered = Registered(received_at=self.clock.now(), registration=kept)
            state, _ = step(state, registered, self.clock.now(), Thresholds())
        before = state.approvals
        state, effects = step(state, fact, self.clock.now(), Thresholds())
        self.store.states[subject] = state
        if state.approvals is not before:
            self.cases.committed()
        for effect in effects:
            if isinstance(effect, Announce):
                self._publish(state, effect)
            elif isinstance(effect, Revoke):
                self.store.revoke(subject, effect, self.clock.now())
            elif isinstance(effect, Register):
                self.store.registry[subject] = effect.registration
            elif isinstance(effect, CaseChanged):
                self.store.files[effect.case.case_id] = CaseFile(
                    StoredCase(self._n(effect.case.case_id), subject, state.soc, effect.case), (), ()
                )
                self.store.changed.append(effect.case.case_id)
                self.cases.committed()
            elif isinstance(effect, Audited):
                entry = AuditEntry(self.clock.now(), effect.actor, effect.action, subject, effect.details)
                self.store.trail.append(entry)
        self.feed.grow()
        return effects

    def _n(self, case_id: str) -> int:
        known = self.store.files.get(case_id)
        return len(self.store.files) + 1 if known is None else known.stored.n

    def offer(self, item: Item) -> bool:
        """Be the inbox of requests: decide at once."""
        task = asyncio.ensure_future(self._decide(item))
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)
        return True

    async def _decide(self, item: Item) -> None:
        assert item.answer is not None
        assert item.fact is not None
        fact = item.fact
        entry = self.store.registry.get(item.subject)
        if entry is not None:
            await self.register(entry)
        if item.complete is not None:
            fact = item.complete(fact, self.store.states.get(item.subject, Vehicle(vin=item.subject)))
        effects = await self.act(item.subject, fact)
        for effect in effects:
            if isinstance(effect, CommandChanged):
                row = command_row(item.subject, effect.command)
                self.store.commands[row.command_id] = row
        item.answer.set_result(effects)

    def heard_at(self, vin: str) -> datetime | None:
        return self.clock.now() if vin in self.signal_values else None

    def _publish(self, state: Vehicle, effect: Announce) -> None:
        sequence = len(self.store.feed) + 1
        data = feed_data(state, effect.alarm, effect.event_ids, soc=state.soc, sequence=sequence)
        encoded = encode_data(data)
        message = feed_message(
            effect.type,
            data,
            encoded,
            feed_id="feed-1",
            subject=state.vin,
            instance="gw-1",
            created_at=self.clock.now(),
        )
        self.store.feed.append(message)
        before = self.store.rows.get(data.alarm_id)
        first, ids = (sequence, ()) if before is None else (before.first_sequence, before.event_ids)
        row = alarm_row(data, encoded, state.vin)
        self.store.wheres[row.alarm_id] = AlarmFilter(row.state, row.vin, row.cause, row.cause_class, row.soc)
        self.store.rows[row.alarm_id] = StoredAlarm(
            row.alarm_id, state.vin, first, sequence, row.body, (*ids, *effect.event_ids)
        )

    async def register(self, entry: Registration) -> None:
        """Let the fold know of a registry entry, as the pipeline does before anything else."""
        state = self.store.states.get(entry.vin)
        if state is None or state.registration is None:
            await self.act(entry.vin, Registered(received_at=self.clock.now(), registration=entry))

    async def trigger(
        self,
        cause: str = "intrusion",
        vin: str = VIN,
        detail: str | None = None,
        *,
        suppressed: bool = False,
    ) -> str:
        """Raise an alarm (or add to one) as the pipeline would; returns its id."""
        return await self.trigger_as(cause, cause, vin, detail, suppressed=suppressed)

    async def trigger_as(
        self, cause: str, alarm: str, vin: str, detail: str | None = None, *, suppressed: bool = False
    ) -> str:
        """Do so for a cause that becomes another alarm."""
        self._made += 1
        fact = TheftSensor(
            received_at=self.clock.now(),
            occurred_at=self.clock.now(),
            event_id=f"boot.{self._made}",
            cause=cause,
            state="triggered",
            zone="door",
            position=Position(52.1, 4.3, 8),
            detail=detail,
        )
        await self.act(vin, fact)
        state = self.store.states[vin]
        if suppressed:
            return next(one.alarm_id for one in state.suppressed.values() if one.cause == cause)
        return state.alarms[alarm].alarm_id

    def token(
        self, role: Role, *, user: str | None = None, vin: str | None = None, days: int | None = 1
    ) -> str:
        """Make a token of a role; the same role always has the same secret."""
        if role in {"main_user", "secondary_user"} and user is None and vin is None:
            vin = VIN
        seed = f"{role}/{user}/{vin}".encode()
        secret, token = make_token(
            role,
            role,
            user=user,
            vin=vin,
            days=days,
            now=self.clock.now(),
            rng=lambda n: sha256(seed).digest()[:n],
        )
        self.store.kept[token.secret_hash] = token
        return secret

    async def person(self, name: str, role: Role) -> str:
        """Let somebody log in to the console; returns the password."""
        person = Person(name, role, _hash(PASSWORD), self.clock.now())
        await self.store.put_person(person, AuditEntry(self.clock.now(), "cli:test", "person.added", name))
        return PASSWORD

    def bearer(self, role: Role, *, user: str | None = None, vin: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, user=user, vin=vin)}"}

    # the small ports

    def signals(self, vin: str) -> dict[str, SignalValue]:
        return self.signal_values.get(vin, {})

    def hand_over(self, vin: str, now: datetime) -> None:
        self.handed_over.append(vin)

    async def report(self) -> HealthReport:
        return HealthReport(self.status, "connected", "ok", {"soc": "ok"}, 1.0, 0.0, 0.5, {"events": 1})  # type: ignore[arg-type]

    def sinks(self) -> list[str]:
        return ["soc"]

    async def test(self, sink: str) -> Outcome | None:
        return self.answer if sink == "soc" else None

    async def test_vehicle(self, vin: str, soc: str) -> list[Tried] | None:
        return [Tried(SinkPlan("soc", soc, "primary"), self.answer, 0.042)]

    def poke(self, sink: str, subject: str) -> None:
        self.poked.append((sink, subject))

    def deps(self, **more: Any) -> Deps:
        return Deps(
            store=self.store,  # type: ignore[arg-type]  # the part that is used
            acts=self,
            commands=self.requests,
            feed=self.feed,
            cases=self.cases,
            vehicles=self,
            health=self,
            sinks=self,
            seal=ClearSeal(),
            clock=self.clock,
            instance="gw-1",
            metrics=lambda: b"gateway_inbox 0\n",
            on_readers=self.readers.append,
            **more,
        )
