"""
What the pipeline and the API need of the world outside. Adapters fill it, tests double it.

Shapes that cross these borders are defined here; no library type does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.signals import Registration

Role = Literal["main_user", "secondary_user", "workshop", "operator", "supervisor", "auditor", "admin"]
SinkRole = Literal["primary", "standby"]
DeliveryState = Literal["pending", "parked", "done"]


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for stamping."""
        ...

    def mono_s(self) -> float:
        """Monotonic seconds: for every duration inside the process."""
        ...


# -- MQTT -------------------------------------------------------------------------------------------------


class Inbound(Struct, frozen=True, gc=False):
    """
    One received message. ``ack`` is called once its effect is durable, in the order of arrival.

    An ack of an earlier connection does nothing: the broker sends the message again.
    """

    topic: str
    payload: bytes
    received_at: datetime
    ack: Callable[[], None] | None = None


class Link(Protocol):
    """The broker, for publishing. May be called from the event loop only."""

    @property
    def connected(self) -> bool:
        """Whether all sessions are subscribed."""
        ...

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """
        Publish and wait for the broker's word.

        Errors: LinkDown, PublishUnknown, PublishRefused (also when a QoS 1 message found no subscriber and
        the broker says so).
        """
        ...

    def post(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> bool:
        """Publish at QoS 1 without waiting; False if the link is down or full. Refusals are only logged."""
        ...


# -- the store --------------------------------------------------------------------------------------------


class FactRow(Struct, frozen=True):
    """One journal entry: a fact as it was decided, with its verdict where it is a theft-sensor trigger."""

    vin: str
    kind: str
    """Topic kind, or the fact's own name where it came by no topic."""
    event_id: str | None
    digest: bytes | None
    received_at: datetime
    decided_at: datetime
    body: bytes
    trigger: bool = False
    verdict: str | None = None
    alarm_id: str | None = None


class LaterVerdict(Struct, frozen=True):
    """The verdict on a trigger that was journalled before as ``pending``."""

    vin: str
    event_id: str
    verdict: str
    alarm_id: str | None


class VehicleRow(Struct, frozen=True):
    """Vehicle state of one version; the commit fails unless the stored version is ``version - steps``."""

    vin: str
    version: int
    steps: int
    body: bytes
    wake_at: datetime | None


class AlarmRow(Struct, frozen=True):
    """The newest content of an alarm. ``body`` is ``data`` of its newest message."""

    alarm_id: str
    vin: str | None
    subject: str
    """The fold it belongs to: the VIN, or ``gateway:<instance>``."""
    soc: str
    cause: str
    cause_class: str
    state: str
    sequence: int
    body: bytes


class Message(Struct, frozen=True):
    """One message of a SOC's feed, exactly as every way out sends it."""

    soc: str
    sequence: int
    type: str
    alarm_id: str
    subject: str
    critical: bool
    body: bytes
    created_at: datetime


class QuarantineRow(Struct, frozen=True):
    """One undecodable payload; the same one again only counts."""

    topic: str
    sha256: str
    reason: str
    payload: bytes
    """First 4 KiB."""
    received_at: datetime
    vin: str | None = None


class AuditEntry(Struct, frozen=True):
    """Who did what to what, and why. The store chains entries by hash."""

    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = {}


class TrackRow(Struct, frozen=True):
    """One position of a vehicle under an open theft alarm."""

    vin: str
    case_id: str
    at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None


class LeftCase(Struct, frozen=True):
    """A case has ended: its track is erased a set time later."""

    case_id: str
    at: datetime


class RegistryRow(Struct, frozen=True):
    """A registry entry of one vehicle; the commit fails unless the stored one still is ``replaces``."""

    registration: Registration
    replaces: Registration | None


class Revocation(Struct, frozen=True):
    """Tokens for a vehicle, and notifications about it, of people who are none of its users any more."""

    vin: str
    users: tuple[str, ...]
    unnamed: bool
    """Owners' tokens that name the vehicle and no user as well."""
    at: datetime


class Decision(Struct, frozen=True):
    """Everything that one batch of facts changes: one transaction."""

    facts: tuple[FactRow, ...] = ()
    verdicts: tuple[LaterVerdict, ...] = ()
    vehicles: tuple[VehicleRow, ...] = ()
    alarms: tuple[AlarmRow, ...] = ()
    messages: tuple[Message, ...] = ()
    notifications: tuple[Notification, ...] = ()
    quarantine: tuple[QuarantineRow, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    track: tuple[TrackRow, ...] = ()
    left_cases: tuple[LeftCase, ...] = ()
    registrations: tuple[RegistryRow, ...] = ()
    revocations: tuple[Revocation, ...] = ()


class Notification(Struct, frozen=True):
    """Something that the main user is told, kept until the broker has it."""

    id: str
    user: str
    vin: str
    body: bytes
    created_at: datetime


class StoredVehicle(Struct, frozen=True):
    """Committed state of one vehicle, as it was encoded by whatever version of this program."""

    version: int
    body: bytes


class Known(Struct, frozen=True):
    """What the store says before deciding."""

    digests: dict[tuple[str, str], frozenset[bytes]]
    """Of each (VIN, event_id) asked for that is there: digests of the contents seen."""
    vehicles: dict[str, StoredVehicle]
    registrations: dict[str, Registration]
    quarantined: frozenset[tuple[str, str]]
    """Of the (topic, sha256) asked for: those already in quarantine."""


class DeliveryRow(Struct, frozen=True):
    """One message on its way to one sink."""

    id: int
    sink: str
    soc: str
    sequence: int
    subject: str
    critical: bool
    state: DeliveryState
    attempts: int
    last_error: str | None
    created_at: datetime


class DeliveryMark(Struct, frozen=True):
    """What became of one message at one sink."""

    sink: str
    soc: str
    sequence: int
    state: DeliveryState
    attempts: int
    last_error: str | None


class Backlog(Struct, frozen=True):
    """One vehicle with undelivered messages at one sink."""

    subject: str
    first_id: int
    critical: bool
    count: int


class SinkPlan(Struct, frozen=True):
    """A sink as the store must know it to make its outbox rows."""

    name: str
    soc: str
    role: SinkRole


class Token(Struct, frozen=True):
    """A bearer token's record; the secret itself is never kept."""

    id: str
    secret_hash: str
    role: Role
    person: str
    created_at: datetime
    expires_at: datetime | None
    user: str | None = None
    vin: str | None = None
    revoked_at: datetime | None = None


class User(Struct, frozen=True):
    """A person's account, as ``user add`` made it."""

    user: str
    person: str
    added_at: datetime


class Mention(Struct, frozen=True):
    """A journal entry that names a person."""

    n: int
    vin: str
    kind: str
    body: bytes


class AlarmFilter(Struct, frozen=True):
    """Filters of ``GET /alarms``; None: any."""

    state: str | None = None
    vin: str | None = None
    cause: str | None = None
    cause_class: str | None = None
    soc: str | None = None


class StoredAlarm(Struct, frozen=True):
    """An alarm with where it stands in its feed; ``body`` as in AlarmRow."""

    alarm_id: str
    subject: str
    first_sequence: int
    last_sequence: int
    body: bytes
    event_ids: tuple[str, ...]


class Store(Protocol):
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

    async def timers(self) -> list[tuple[str, datetime]]:
        """Every vehicle that asked to be woken, with the time."""
        ...

    async def registry_version(self) -> int:
        """Grows with each change of the registry, by whatever process."""
        ...

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

    async def end_tries(self, user: str) -> None:
        """The code was right."""
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

    async def track(self, vin: str, after: int, limit: int) -> list[tuple[int, TrackRow]]:
        """Positions kept under a vehicle's theft alarms, numbered, in the order in which they came."""
        ...

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit chain."""
        ...

    async def audit_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Audit entries: ``n``, ``at``, ``actor``, ``action``, ``subject``, ``details``, ``hash``."""
        ...

    async def quarantine_page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Quarantined payloads: ``n``, ``topic``, ``sha256``, ``reason``, ``payload``, ``count``."""
        ...

    async def prune(self, now: datetime) -> None:
        """Delete what no rule needs any more (retention periods are the store's settings)."""
        ...


# -- ways out ---------------------------------------------------------------------------------------------


class Delivered(Struct, frozen=True):
    """The SOC has confirmed the message."""


class Retry(Struct, frozen=True):
    """Not confirmed; try again (not before ``after_s``, where the SOC asked for that)."""

    reason: str
    after_s: float | None = None


class Park(Struct, frozen=True):
    """The SOC will never take this message as it is."""

    reason: str


Outcome = Delivered | Retry | Park


class AlarmSink(Protocol):
    """One way to a SOC. ``deliver`` never raises and always ends within its own time limit."""

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        """Send one message and say what the SOC answered."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


# -- inside the gateway, as the API sees it ------------------------------------------------------------------


class Acts(Protocol):
    """Where a person's act goes: the same one writer per vehicle that events go through."""

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        """
        Decide a fact and return its effects after they are durable.

        Errors: StoreError while the store fails.
        """
        ...


class LiveFeed(Protocol):
    """The feed while it grows."""

    def latest(self, soc: str) -> int:
        """Last sequence that is visible; 0 for an empty feed."""
        ...

    async def grown(self, soc: str, after: int) -> None:
        """Return as soon as the feed has a sequence beyond ``after`` (at once if it has)."""
        ...

    async def read(self, soc: str, after: int, limit: int) -> list[Message]:
        """Messages after a sequence, from memory where they still are, else from the store."""
        ...


class SignalValue(Struct, frozen=True):
    """Last known value of one signal."""

    value: Any
    at: datetime


class LiveVehicles(Protocol):
    """What telemetry says of vehicles, in memory only."""

    def signals(self, vin: str) -> dict[str, SignalValue]:
        """Last known values by VSS name; empty for a vehicle not heard since the start."""
        ...

    def vins(self) -> list[str]:
        """Vehicles heard since the start."""
        ...

    def hand_over(self, vin: str, now: datetime) -> None:
        """State to the fold what is newer than it knows: movement and position."""
        ...


class HealthReport(Struct, frozen=True):
    """Body of ``/health/ready`` (contract 7)."""

    status: Literal["ready", "degraded", "not_ready"]
    broker: Literal["connected", "lost"]
    store: Literal["ok", "failing"]
    sinks: dict[str, Literal["ok", "failing"]]
    canary_age_s: float | None
    oldest_undelivered_s: float
    loop_lag_ms: float
    counters: dict[str, int]


class HealthReporter(Protocol):
    """Knows how the gateway is."""

    async def report(self) -> HealthReport:
        """How it is now."""
        ...


class SinkTester(Protocol):
    """Delivery, as the API sees it."""

    def sinks(self) -> list[str]:
        """Names of the configured sinks."""
        ...

    async def test(self, sink: str) -> Outcome | None:
        """Send a marked test alarm to one sink; None if there is no such sink."""
        ...

    def poke(self, sink: str, subject: str) -> None:
        """Deliveries of this vehicle have become pending again."""
        ...
