"""A gateway in memory behind the HTTP side: real rules and real messages, no broker and no disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
import structlog

from gateway.adapters.storage.sqlite.console import ConsoleMethods
from gateway.adapters.storage.sqlite.handovers import HandoverMethods
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.api.auth import make_token
from gateway.api.deps import Deps
from gateway.api.passwords import hash_password
from gateway.domain.audit_proof import Proof
from gateway.domain.audit_trail import Head
from gateway.domain.case_effects import CaseChanged
from gateway.domain.effects import Announce, Audited, Effect, Register, Revoke
from gateway.domain.facts import AnyFact
from gateway.domain.protection import reasons
from gateway.domain.reasons import RANK, SEVERITIES
from gateway.domain.remote_access.effects import CommandChanged
from gateway.domain.security_code import Tries, counted
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
    CaseChanges,
    CaseEvidence,
    CaseFile,
    CaseFilter,
    CommandRow,
    CountryCount,
    Delivered,
    DeliveryRow,
    HealthReport,
    Known,
    Mention,
    Message,
    OpenCase,
    Outcome,
    Person,
    Role,
    SignalValue,
    SinkPlan,
    StoredAlarm,
    StoredCase,
    StoredVehicle,
    Token,
    TrackRow,
    Tried,
    UnprotectedFilter,
    UnprotectedVehicle,
)
from gateway.testing import ClearSeal, RecordingLink

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
VIN = "WVWZZZ1JZXW000001"
OTHER = "WVWZZZ1JZXW000002"
SOC = "default"
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


class _OnTheSpot:
    """Stands in for the store's threads: the real queries, at once, in memory."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        migrate(self.connection)

    async def run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        return work(self.connection)


class MemoryStore(ConsoleMethods, HandoverMethods):
    """The part of the store that the HTTP side uses; logins are those of the real store."""

    def __init__(self) -> None:
        self._writer = self._serving = on = _OnTheSpot()  # type: ignore[assignment]  # the part that is used
        self.sqlite = on.connection
        self.kept: dict[str, Token] = {}
        self.feed: list[Message] = []
        self.oldest = 1
        self.rows: dict[str, StoredAlarm] = {}
        self.wheres: dict[str, AlarmFilter] = {}
        self.states: dict[str, Vehicle] = {}
        self.registry: dict[str, Registration] = {}
        self.commands: dict[str, CommandRow] = {}
        self.trail: list[AuditEntry] = []
        self.tracked: list[TrackRow] = []
        self.parked: list[DeliveryRow] = []
        self.bad: list[dict[str, Any]] = []
        self.tries: dict[str, Tries] = {}
        self.looked_up = 0
        self.asked: UnprotectedFilter | None = None
        self.files: dict[str, CaseFile] = {}
        self.changed: list[str] = []
        self.fails: Exception | None = None

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails

    async def token(self, secret_hash: str) -> Token | None:
        self.looked_up += 1
        self._check()
        return self.kept.get(secret_hash)

    async def messages(self, soc: str, after: int, limit: int) -> list[Message]:
        self._check()
        return [one for one in self.feed if one.sequence > after and one.sequence >= self.oldest][:limit]

    async def oldest_sequence(self, soc: str) -> int | None:
        return self.oldest if self.feed else None

    async def alarms(self, where: AlarmFilter, after: int, limit: int) -> list[StoredAlarm]:
        self._check()
        return [row for row in self.rows.values() if row.first_sequence > after and self._fits(where, row)][
            :limit
        ]

    def _fits(self, where: AlarmFilter, row: StoredAlarm) -> bool:
        mine = self.wheres[row.alarm_id]
        return all(getattr(where, name) in {None, getattr(mine, name)} for name in where.__struct_fields__)

    async def alarm(self, alarm_id: str) -> StoredAlarm | None:
        self._check()
        return self.rows.get(alarm_id)

    async def cases(self, where: CaseFilter, after: int, limit: int) -> list[StoredCase]:
        all_ = [file.stored for file in self.files.values()][after : after + limit]
        return [one for one in all_ if where.state in {None, one.case.state}]

    async def case(self, case_id: str, after: int = 0, limit: int = 0) -> CaseFile | None:
        return self.files.get(case_id)

    async def evidence(self, case_id: str) -> CaseEvidence | None:
        file = self.files.get(case_id)
        return None if file is None else CaseEvidence(file, (), (), None)

    async def audit_proof(self, subjects: Sequence[str], vin: str, closed_at: datetime | None) -> Proof:
        return Proof(str(Head(0, bytes(32))), [])

    async def open_cases(self, soc: str | None, after: int, limit: int) -> list[OpenCase]:
        found = [one.stored for one in self.files.values() if one.stored.case.state != "closed"]
        tracks = {row.case_id: row for row in self.tracked}
        return [OpenCase(one, tracks.get(one.case.case_id)) for one in found if one.n > after][:limit]

    async def countries(self) -> list[CountryCount]:
        counts = Counter(one.country for one in self.registry.values())
        return [CountryCount(country, count) for country, count in counts.most_common()]

    async def newest_case_entry(self) -> int:
        return len(self.changed)

    async def case_changes(self, soc: str, after: int, limit: int) -> CaseChanges:
        self._check()
        new = list(enumerate(self.changed, 1))[after : after + limit]
        newest = {case_id: n for n, case_id in new}
        found = tuple((n, self.files[case_id].stored) for case_id, n in newest.items())
        return CaseChanges(new[-1][0] if new else after, len(new) < limit, found)

    async def registration(self, vin: str) -> Registration | None:
        return self.registry.get(vin)

    async def vehicle(self, vin: str) -> StoredVehicle | None:
        state = self.states.get(vin)
        return None if state is None else StoredVehicle(state.version, msgspec.json.encode(state))

    async def command(self, command_id: str) -> CommandRow | None:
        return self.commands.get(command_id)

    async def vehicles(self, after: str, limit: int) -> list[str]:
        return sorted(vin for vin in {*self.states, *self.registry} if vin > after)[:limit]

    async def vehicles_of(self, user: str) -> list[tuple[str, str]]:
        main = [(one.vin, "main_user") for one in self.registry.values() if one.main_user == user]
        more = [(one.vin, "secondary_user") for one in self.registry.values() if user in one.secondary_users]
        return sorted([*main, *more])

    async def involved(self, user: str) -> list[str]:
        quoted = f'"{user}"'.encode()
        return [vin for vin, state in self.states.items() if quoted in msgspec.json.encode(state)]

    async def mentions(self, user: str) -> list[Mention]:
        return []

    async def begin_try(self, user: str, now: datetime) -> datetime | None:
        known = self.tries.get(user, Tries(user))
        if known.locked_until is not None and now < known.locked_until:
            return known.locked_until
        self.tries[user] = counted(known, now)
        return None

    async def forgive_try(self, user: str, now: datetime) -> None:
        self.tries.pop(user, None)

    async def held_of(self, user: str) -> dict[str, Any]:
        tokens = [{"id": one.id} for one in self.kept.values() if one.user == user]
        empty: dict[str, Any] = {
            "account": None,
            "notifications": [],
            "commands": [],
            "wrong_codes": [],
            "audit": [],
        }
        return {**empty, "tokens": tokens}

    async def erase(self, user: str, journal: Sequence[int], entry: AuditEntry) -> None:
        self.kept = {kept: one for kept, one in self.kept.items() if one.user != user}
        self.trail.append(entry)

    def revoke(self, vin: str, gone: Revoke, at: datetime) -> None:
        for kept, one in self.kept.items():
            unnamed = gone.unnamed and one.user is None and one.role in {"main_user", "secondary_user"}
            if one.vin == vin and (one.user in gone.users or unnamed):
                self.kept[kept] = msgspec.structs.replace(one, revoked_at=at)

    async def known(self, events: Sequence[Any], vins: Sequence[str], quarantined: Sequence[Any]) -> Known:
        bodies = {vin: found for vin in vins if (found := await self.vehicle(vin)) is not None}
        entries = {vin: self.registry[vin] for vin in vins if vin in self.registry}
        return Known({}, bodies, entries, frozenset())

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        self._check()
        self.trail += entries

    async def audit_head(self) -> Head | None:
        return Head(len(self.trail), bytes(32)) if self.trail else None

    async def audit_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        rows = [
            {"n": n, **msgspec.to_builtins(entry), "hash": f"{n:064x}"}
            for n, entry in enumerate(self.trail, 1)
        ]
        return [row for row in rows if row["n"] > after][:limit]

    async def unprotected(
        self, where: UnprotectedFilter, after: tuple[int, str], limit: int
    ) -> list[UnprotectedVehicle]:
        """Every vehicle's reasons, whenever they hold; filtering is the real store's."""
        self.asked = where
        found = []
        for vin, state in self.states.items():
            why = reasons(state)
            if why:
                rank, severity = min((RANK[SEVERITIES[one.code]], SEVERITIES[one.code]) for one in why)
                found.append(((rank, vin), UnprotectedVehicle(vin, severity, why)))
        return [one for key, one in sorted(found, key=lambda pair: pair[0]) if key > after][:limit]

    async def track(self, vin: str, after: int, limit: int) -> list[tuple[int, TrackRow]]:
        return [(n, row) for n, row in enumerate(self.tracked, 1) if row.vin == vin and n > after][:limit]

    async def quarantine_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        return [row for row in self.bad if row["n"] > after][:limit]

    async def deliveries(
        self, state: str | None, sink: str | None, after: int, limit: int
    ) -> list[DeliveryRow]:
        rows = [row for row in self.parked if row.id > after and state in {None, row.state}]
        return [row for row in rows if sink in {None, row.sink}][:limit]

    async def resend(self, delivery_id: int) -> DeliveryRow | None:
        for place, row in enumerate(self.parked):
            if row.id == delivery_id:
                self.parked[place] = msgspec.structs.replace(row, state="pending")
                return self.parked[place]
        return None


class MemoryFeed:
    """The feed while it grows."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._grown = asyncio.Event()
        self.reads = 0

    def latest(self, soc: str) -> int:
        return self._store.feed[-1].sequence if self._store.feed and soc == SOC else 0

    async def grown(self, soc: str, after: int) -> None:
        while self.latest(soc) <= after:
            await self._grown.wait()

    async def read(self, soc: str, after: int, limit: int) -> list[Message]:
        self.reads += 1
        return await self._store.messages(soc, after, limit)

    def grow(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


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
        state, effects = step(state, fact, self.clock.now(), Thresholds())
        self.store.states[subject] = state
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
