"""The part of the store, and of the feed, that the HTTP side uses: in memory."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.adapters.storage.sqlite.console import ConsoleMethods
from gateway.adapters.storage.sqlite.handovers import HandoverMethods
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.domain.approvals import APPROVAL_LIVES, Approval
from gateway.domain.audit_proof import Proof
from gateway.domain.audit_trail import Head
from gateway.domain.effects import Revoke
from gateway.domain.protection import reasons
from gateway.domain.reasons import RANK, SEVERITIES
from gateway.domain.security_code import Tries, counted
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle
from gateway.ports import (
    WHOLE_TRAIL,
    AlarmFilter,
    AuditEntry,
    AuditFilter,
    AuditPage,
    AuditScope,
    CaseChanges,
    CaseEvidence,
    CaseFile,
    CaseFilter,
    CommandRow,
    CountryCount,
    DeliveryRow,
    Known,
    LeftOut,
    Mention,
    Message,
    OpenCase,
    StoredAlarm,
    StoredCase,
    StoredVehicle,
    Token,
    TrackRow,
    UnprotectedFilter,
    UnprotectedVehicle,
    Waiting,
)

SOC = "default"


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

    async def audited(self, scope: AuditScope) -> LeftOut:
        return LeftOut("audit", 0, 0)

    async def audit_proof(self, scope: AuditScope) -> Proof:
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

    async def waiting(self, soc: str, limit: int) -> list[Waiting]:
        def said(vin: str, case_id: str | None, one: Approval) -> Waiting:
            until = one.asked_at + APPROVAL_LIVES
            return Waiting(one.approval_id, vin, case_id, one.what, one.asked_by, one.asked_at, until)

        return [
            said(vin, state.case_id, one)
            for vin, state in self.states.items()
            if state.soc == soc
            for one in state.approvals.waiting
        ][:limit]

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

    async def audit_page(self, after: int, limit: int, where: AuditFilter = WHOLE_TRAIL) -> AuditPage:
        rows = [
            {"n": n, **msgspec.to_builtins(entry), "hash": f"{n:064x}"}
            for n, entry in enumerate(self.trail, 1)
        ]
        names = [name for name in ("actor", "subject", "action") if getattr(where, name) is not None]
        found = [row for row in rows if all(row[name] == getattr(where, name) for name in names)]
        if where.newest_first:
            found = [row for row in reversed(found) if not after or row["n"] < after]
        else:
            found = [row for row in found if row["n"] > after]
        return AuditPage(found[:limit], found[limit - 1]["n"] if len(found) > limit else None)

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
