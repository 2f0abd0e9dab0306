"""The durable store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.audit_proof import Proof
from gateway.domain.audit_trail import Head
from gateway.domain.signals import Registration
from gateway.ports.case_files import CaseChanges, CaseFile, CaseFilter, StoredCase
from gateway.ports.cases import Waiting
from gateway.ports.console import ConsoleStore
from gateway.ports.decision import AuditEntry, CommandRow, Decision, Message, Notification, TrackRow
from gateway.ports.evidence import AuditScope, CaseEvidence, LeftOut
from gateway.ports.fleet import CountryCount, OpenCase
from gateway.ports.handovers import HandoverStore
from gateway.ports.outbox import Backlog, DeliveryMark, DeliveryRow, DeliveryState, SinkPlan
from gateway.ports.protection import UnprotectedFilter, UnprotectedVehicle
from gateway.ports.stored import (
    WHOLE_TRAIL,
    AlarmFilter,
    AuditFilter,
    AuditPage,
    Known,
    Mention,
    StoredAlarm,
    StoredVehicle,
    Token,
    User,
)


class Store(ConsoleStore, HandoverStore, Protocol):
    """
    The durable store: one writer, many readers.

    Every method may be called from the event loop and blocks only its caller. StoreError means that nothing
    was changed. A method that changes something returns after the change is on the disk.
    """

    # deciding
    async def known(
        self,
        events: Sequence[tuple[str, str]],
        vins: Sequence[str],
        quarantined: Sequence[tuple[str, str]],
    ) -> Known:
        """What deciding on these events and vehicles needs to know."""
        ...

    async def commit(self, decision: Decision) -> None:
        """One transaction: all or nothing. Makes the outbox rows of the messages for every primary sink."""
        ...

    async def feed_id(self) -> str:
        """Made with the store; part of every feed's identity."""
        ...

    async def sequences(self) -> dict[str, int]:
        """Last sequence of each SOC's feed."""
        ...

    async def newest_decided(self) -> datetime | None:
        """When the newest fact was decided, by the gateway's clock of then; None if there is none."""
        ...

    async def timers(self) -> list[tuple[str, datetime]]:
        """Every vehicle that asked to be woken, with the time."""
        ...

    async def registry_version(self) -> int:
        """Grows with each change of the registry, by whatever process."""
        ...

    async def changed_entries(self, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        """Version and VIN of registry entries that changed after such a pair, in that order."""
        ...

    async def survey_mark(self) -> str:
        """How far the registry has been surveyed, as it was kept; empty if never."""
        ...

    async def keep_survey_mark(self, mark: str) -> None:
        """Keep how far the registry has been surveyed."""
        ...

    async def unprotected(
        self, where: UnprotectedFilter, after: tuple[int, str], limit: int
    ) -> list[UnprotectedVehicle]:
        """Cars that are not protected, worst first; ``after`` is rank and VIN of the last one seen."""

    async def registered_since(self, version: int, limit: int) -> list[str]:
        """VINs whose registry entries are newer than a version."""
        ...

    # feed and alarms
    async def messages(self, soc: str, after: int, limit: int) -> list[Message]:
        """A feed's messages after a sequence, in order."""
        ...

    async def oldest_sequence(self, soc: str) -> int | None:
        """First sequence still kept; None if the feed is empty."""
        ...

    async def alarms(self, where: AlarmFilter, after: int, limit: int) -> list[StoredAlarm]:
        """Alarms ordered and paged by their first sequence."""
        ...

    async def alarm(self, alarm_id: str) -> StoredAlarm | None:
        """One alarm."""
        ...

    # cases
    async def cases(self, where: CaseFilter, after: int, limit: int) -> list[StoredCase]:
        """Cases in the order in which they were opened, paged by their number."""
        ...

    async def case(self, case_id: str, after: int = 0, limit: int = 0) -> CaseFile | None:
        """One case, and a page of its timeline."""
        ...

    async def evidence(self, case_id: str) -> CaseEvidence | None:
        """One case with everything that it rests on."""
        ...

    async def audited(self, scope: AuditScope) -> LeftOut:
        """How many audit rows of a scope there are, and how many of them its proof shows in full."""
        ...

    async def audit_proof(self, scope: AuditScope) -> Proof:
        """The audit rows of a scope and those of its subjects since, with what proves them."""
        ...

    async def open_cases(self, soc: str | None, after: int, limit: int) -> list[OpenCase]:
        """Cases that are not closed and where their vehicles were last, paged by the case's number."""
        ...

    async def countries(self) -> list[CountryCount]:
        """How many vehicles are registered, by country, most first."""
        ...

    async def newest_case_entry(self) -> int:
        """Number of the newest entry in any timeline; 0: there is none."""
        ...

    async def case_changes(self, soc: str, after: int, limit: int) -> CaseChanges:
        """Cases of a SOC with entries after that one; of all SOCs ``limit`` entries are looked at."""
        ...

    async def waiting(self, soc: str, limit: int) -> list[Waiting]:
        """What waits for a second person in one SOC, the oldest first."""
        ...

    # delivery
    async def plan_sinks(self, sinks: Sequence[SinkPlan]) -> None:
        """Say which sinks exist, so that ``commit`` makes outbox rows for them."""
        ...

    async def backlog(self, sink: str, limit: int, after_subject: str = "") -> list[Backlog]:
        """Vehicles with pending deliveries at a sink, paged by subject."""
        ...

    async def pending(self, sink: str, subject: str, limit: int) -> list[tuple[DeliveryRow, Message]]:
        """Pending deliveries of one vehicle at one sink, in sequence order."""
        ...

    async def mark(self, marks: Sequence[DeliveryMark]) -> None:
        """Note what became of deliveries."""
        ...

    async def stand_by(self, before: datetime, limit: int) -> list[str]:
        """
        Give standby sinks what a primary of their SOC has parked, or not confirmed since ``before``.

        Returns the standby sinks that got something new.
        """
        ...

    async def deliveries(
        self, state: DeliveryState | None, sink: str | None, after: int, limit: int
    ) -> list[DeliveryRow]:
        """Deliveries by id."""
        ...

    async def resend(self, delivery_id: int) -> DeliveryRow | None:
        """Make a parked or done delivery pending again; None if there is none."""
        ...

    async def oldest_undelivered(self) -> datetime | None:
        """When the oldest pending message of a primary sink was made."""
        ...

    async def notifications(self, limit: int) -> list[Notification]:
        """Notifications that the broker has not taken yet, oldest first."""
        ...

    async def notified(self, ids: Sequence[str]) -> None:
        """The broker has these notifications."""
        ...

    # people and registry
    async def add_token(self, token: Token) -> None:
        """Keep a new token."""
        ...

    async def token(self, secret_hash: str) -> Token | None:
        """The token with this hash, revoked or not."""
        ...

    async def tokens(self) -> list[Token]:
        """All tokens, newest last."""
        ...

    async def revoke_token(self, token_id: str, at: datetime) -> bool:
        """False if there is no such token."""
        ...

    async def register(self, registrations: Sequence[Registration]) -> None:
        """Insert or replace registry entries."""
        ...

    async def registration(self, vin: str) -> Registration | None:
        """One registry entry."""
        ...

    async def vehicles_of(self, user: str) -> list[tuple[str, str]]:
        """VIN and role of each vehicle that the registry gives a person."""
        ...

    async def involved(self, user: str) -> list[str]:
        """VINs of vehicles whose state names a person; slow, it reads all."""
        ...

    async def mentions(self, user: str) -> list[Mention]:
        """Journal entries that name a person; slow, it reads all."""
        ...

    async def add_user(self, user: User, entry: AuditEntry) -> bool:
        """False if there is such a user already."""
        ...

    async def begin_try(self, user: str, now: datetime) -> datetime | None:
        """Count a code before it is judged; the end of the person's lock-out instead, if there is one."""
        ...

    async def forgive_try(self, user: str, now: datetime) -> None:
        """The code was right: the try that was counted does not count."""
        ...

    async def held_of(self, user: str) -> dict[str, Any]:
        """What is kept of a person beside vehicles and journal, without secrets, as JSON values."""
        ...

    async def erase(self, user: str, journal: Sequence[int], entry: AuditEntry) -> None:
        """Erase tokens, account, notifications and these journal entries of a person."""
        ...

    async def vehicles(self, after: str, limit: int) -> list[str]:
        """VINs that the registry or the journal knows, in order."""
        ...

    async def vehicle(self, vin: str) -> StoredVehicle | None:
        """Committed state of one vehicle."""
        ...

    async def command(self, command_id: str) -> CommandRow | None:
        """A command to a vehicle, as its user was last told of it."""
        ...

    async def track(self, vin: str, after: int, limit: int) -> list[tuple[int, TrackRow]]:
        """Positions kept under a vehicle's theft alarms, numbered, in the order in which they came."""
        ...

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit chain."""
        ...

    async def audit_head(self) -> Head | None:
        """The newest entry of the audit chain."""
        ...

    async def audit_page(self, after: int, limit: int, where: AuditFilter = WHOLE_TRAIL) -> AuditPage:
        """Entries behind the row ``after`` in the order that is asked for; 0 is before the first."""
        ...

    async def quarantine_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Quarantined payloads: ``n``, ``topic``, ``sha256``, ``reason``, ``payload``, ``count``."""
        ...

    async def prune(
        self, now: datetime, on_deleted: Callable[[str, int], None] | None = None, pause_s: float = 0.0
    ) -> None:
        """
        Delete what is over its time; the periods are the store's settings.

        In small bites with a pause after each, so that no decision waits long; ``on_deleted`` is told table
        and number of rows after each bite.

        Errors:  StoreError; what was deleted until then is deleted.
        """
