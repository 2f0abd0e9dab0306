"""The Store port over SQLite: each method is one function of this package, run on the right thread."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.adapters.storage.sqlite import (
    accounts,
    audit_pages,
    case_files,
    chain,
    commands,
    deciding,
    evidence,
    feeds,
    fleet,
    outbox,
    people,
    protection,
)
from gateway.adapters.storage.sqlite.console import ConsoleMethods
from gateway.adapters.storage.sqlite.handovers import HandoverMethods
from gateway.adapters.storage.sqlite.retention import BY_DEFAULT, Bitten, Keeping, Sweep
from gateway.adapters.storage.sqlite.schema import WAIT_MS, migrate
from gateway.adapters.storage.sqlite.threads import Reader, Writer, connect
from gateway.domain.audit_proof import Proof
from gateway.domain.audit_trail import Head
from gateway.domain.signals import Registration
from gateway.errors import StartError
from gateway.ports import (
    WHOLE_TRAIL,
    AlarmFilter,
    AuditEntry,
    AuditFilter,
    AuditPage,
    AuditScope,
    Backlog,
    CaseChanges,
    CaseEvidence,
    CaseFile,
    CaseFilter,
    CommandRow,
    CountryCount,
    Decision,
    DeliveryMark,
    DeliveryRow,
    DeliveryState,
    Known,
    LeftOut,
    Mention,
    Message,
    Notification,
    OpenCase,
    SinkPlan,
    StoredAlarm,
    StoredCase,
    StoredVehicle,
    Token,
    TrackRow,
    UnprotectedFilter,
    UnprotectedVehicle,
    User,
    Waiting,
)


class SqliteStore(ConsoleMethods, HandoverMethods):
    """See ``gateway.ports.Store``. Opening migrates; several processes may have it open."""

    def __init__(self, path: Path, canary_vin: str, keeping: Keeping = BY_DEFAULT) -> None:
        self.path = path
        self._keeping = keeping
        self.migrated = _prepare(path)
        self._canary_vin = canary_vin
        self._sinks: tuple[SinkPlan, ...] = ()
        self._writer = Writer(path)
        self._deciding = Reader(path, "deciding")
        self._reading = Reader(path, "reading")
        self._serving = Reader(path, "serving")

    def close(self) -> None:
        """Finish what waits, then close. Not needed for durability."""
        self._writer.close()
        self._deciding.close()
        self._reading.close()
        self._serving.close()

    # deciding
    async def known(
        self, events: Sequence[tuple[str, str]], vins: Sequence[str], quarantined: Sequence[tuple[str, str]]
    ) -> Known:
        return await self._deciding.run(lambda on: deciding.known(on, events, vins, quarantined))

    async def commit(self, decision: Decision) -> None:
        await self._writer.run(lambda on: deciding.commit(on, decision, self._sinks))

    async def feed_id(self) -> str:
        return await self._reading.run(_feed_id)

    async def sequences(self) -> dict[str, int]:
        return await self._reading.run(feeds.sequences)

    async def newest_decided(self) -> datetime | None:
        return await self._reading.run(deciding.newest_decided)

    async def timers(self) -> list[tuple[str, datetime]]:
        return await self._reading.run(deciding.timers)

    async def registry_version(self) -> int:
        return await self._reading.run(people.registry_version)

    async def changed_entries(self, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        return await self._reading.run(lambda on: protection.changed(on, after, limit))

    async def survey_mark(self) -> str:
        return await self._reading.run(protection.survey_mark)

    async def keep_survey_mark(self, mark: str) -> None:
        await self._writer.run(lambda on: protection.keep_survey_mark(on, mark))

    async def unprotected(
        self, where: UnprotectedFilter, after: tuple[int, str], limit: int
    ) -> list[UnprotectedVehicle]:
        return await self._serving.run(lambda on: protection.page(on, where, after, limit))

    async def registered_since(self, version: int, limit: int) -> list[str]:
        return await self._reading.run(lambda on: people.registered_since(on, version, limit))

    # feed and alarms
    async def messages(self, soc: str, after: int, limit: int) -> list[Message]:
        return await self._reading.run(lambda on: feeds.messages(on, soc, after, limit))

    async def oldest_sequence(self, soc: str) -> int | None:
        return await self._reading.run(lambda on: feeds.oldest_sequence(on, soc))

    async def alarms(self, where: AlarmFilter, after: int, limit: int) -> list[StoredAlarm]:
        return await self._serving.run(lambda on: feeds.alarms(on, where, after, limit))

    async def alarm(self, alarm_id: str) -> StoredAlarm | None:
        return await self._serving.run(lambda on: feeds.alarm(on, alarm_id))

    # cases
    async def cases(self, where: CaseFilter, after: int, limit: int) -> list[StoredCase]:
        return await self._serving.run(lambda on: case_files.cases(on, where, after, limit))

    async def case(self, case_id: str, after: int = 0, limit: int = 0) -> CaseFile | None:
        return await self._serving.run(lambda on: case_files.case(on, case_id, after, limit, self._sinks))

    async def evidence(self, case_id: str) -> CaseEvidence | None:
        return await self._serving.run(lambda on: evidence.evidence(on, case_id, self._sinks))

    async def audited(self, scope: AuditScope) -> LeftOut:
        return await self._serving.run(lambda on: evidence.audited(on, scope))

    async def audit_proof(self, scope: AuditScope) -> Proof:
        return await self._serving.run(lambda on: evidence.proof(on, scope))

    async def open_cases(self, soc: str | None, after: int, limit: int) -> list[OpenCase]:
        return await self._serving.run(lambda on: fleet.open_cases(on, soc, after, limit))

    async def countries(self) -> list[CountryCount]:
        return await self._serving.run(fleet.countries)

    async def newest_case_entry(self) -> int:
        return await self._reading.run(case_files.newest)

    async def case_changes(self, soc: str, after: int, limit: int) -> CaseChanges:
        return await self._reading.run(lambda on: case_files.changes(on, soc, after, limit))

    async def waiting(self, soc: str, limit: int) -> list[Waiting]:
        return await self._reading.run(lambda on: case_files.waiting(on, soc, limit))

    # delivery
    async def plan_sinks(self, sinks: Sequence[SinkPlan]) -> None:
        self._sinks = tuple(sinks)
        await self._writer.run(lambda on: outbox.adopt_orphans(on, self._sinks))

    async def backlog(self, sink: str, limit: int, after_subject: str = "") -> list[Backlog]:
        return await self._reading.run(lambda on: outbox.backlog(on, sink, limit, after_subject))

    async def pending(self, sink: str, subject: str, limit: int) -> list[tuple[DeliveryRow, Message]]:
        return await self._reading.run(lambda on: outbox.pending(on, sink, subject, limit))

    async def mark(self, marks: Sequence[DeliveryMark]) -> None:
        await self._writer.run(lambda on: outbox.mark(on, marks))

    async def stand_by(self, before: datetime, limit: int) -> list[str]:
        return await self._writer.run(lambda on: outbox.stand_by(on, self._sinks, before, limit))

    async def deliveries(
        self, state: DeliveryState | None, sink: str | None, after: int, limit: int
    ) -> list[DeliveryRow]:
        return await self._serving.run(lambda on: outbox.deliveries(on, state, sink, after, limit))

    async def resend(self, delivery_id: int) -> DeliveryRow | None:
        return await self._writer.run(lambda on: outbox.resend(on, delivery_id))

    async def oldest_undelivered(self) -> datetime | None:
        return await self._reading.run(lambda on: outbox.oldest_undelivered(on, self._sinks))

    async def notifications(self, limit: int) -> list[Notification]:
        return await self._reading.run(lambda on: outbox.notifications(on, limit))

    async def notified(self, ids: Sequence[str]) -> None:
        await self._writer.run(lambda on: outbox.notified(on, ids))

    # people and registry
    async def add_token(self, token: Token) -> None:
        await self._writer.run(lambda on: people.add_token(on, token))

    async def token(self, secret_hash: str) -> Token | None:
        return await self._reading.run(lambda on: people.token(on, secret_hash))

    async def tokens(self) -> list[Token]:
        return await self._reading.run(people.tokens)

    async def revoke_token(self, token_id: str, at: datetime) -> bool:
        return await self._writer.run(lambda on: people.revoke_token(on, token_id, at))

    async def register(self, registrations: Sequence[Registration]) -> None:
        await self._writer.run(lambda on: people.register(on, registrations))

    async def registration(self, vin: str) -> Registration | None:
        return await self._reading.run(lambda on: people.registration(on, vin))

    async def vehicles_of(self, user: str) -> list[tuple[str, str]]:
        return await self._reading.run(lambda on: accounts.vehicles_of(on, user))

    async def involved(self, user: str) -> list[str]:
        return await self._serving.run(lambda on: accounts.involved(on, user))

    async def mentions(self, user: str) -> list[Mention]:
        return await self._serving.run(lambda on: accounts.mentions(on, user))

    async def add_user(self, user: User, entry: AuditEntry) -> bool:
        return await self._writer.run(lambda on: accounts.add_user(on, user, entry))

    async def begin_try(self, user: str, now: datetime) -> datetime | None:
        return await self._writer.run(lambda on: accounts.begin_try(on, user, now))

    async def forgive_try(self, user: str, now: datetime) -> None:
        await self._writer.run(lambda on: accounts.forgive_try(on, user, now))

    async def held_of(self, user: str) -> dict[str, Any]:
        return await self._serving.run(lambda on: accounts.held_of(on, user))

    async def erase(self, user: str, journal: Sequence[int], entry: AuditEntry) -> None:
        await self._writer.run(lambda on: accounts.erase(on, user, journal, entry))

    async def vehicles(self, after: str, limit: int) -> list[str]:
        return await self._serving.run(lambda on: people.vehicles(on, after, limit))

    async def vehicle(self, vin: str) -> StoredVehicle | None:
        return await self._reading.run(lambda on: deciding.vehicle(on, vin))

    async def command(self, command_id: str) -> CommandRow | None:
        return await self._reading.run(lambda on: commands.command(on, command_id))

    async def track(self, vin: str, after: int, limit: int) -> list[tuple[int, TrackRow]]:
        return await self._reading.run(lambda on: people.track(on, vin, after, limit))

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._writer.run(lambda on: chain.append(on, entries))

    async def audit_head(self) -> Head | None:
        return await self._reading.run(chain.head)

    async def audit_page(self, after: int, limit: int, where: AuditFilter = WHOLE_TRAIL) -> AuditPage:
        return await self._serving.run(lambda on: audit_pages.page(on, where, after, limit))

    async def quarantine_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        return await self._serving.run(lambda on: people.quarantine_page(on, after, limit))

    async def prune(
        self, now: datetime, on_deleted: Callable[[str, int], None] | None = None, pause_s: float = 0.0
    ) -> None:
        for table, bite in Sweep(self._keeping, self._canary_vin).bites():
            bitten = Bitten(0, more=True)
            while bitten.more:
                bitten = await self._writer.run(partial(bite, now))
                if bitten.deleted:
                    if on_deleted is not None:
                        on_deleted(table, bitten.deleted)
                    await asyncio.sleep(pause_s)


def _prepare(path: Path) -> tuple[int, int]:
    """Make folder, file and schema; returns the schema version before and after."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = connect(path)
        try:
            versions = migrate(connection)
            connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
            made = (secrets.token_hex(8),)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('feed_id', ?)", made)
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"the store {path} can't be opened: {error}") from error
    return versions


def _feed_id(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT value FROM meta WHERE key = 'feed_id'").fetchone()[0])
