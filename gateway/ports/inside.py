"""The gateway itself, as the API sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.ports.case_files import CaseChanges
from gateway.ports.cases import Waiting
from gateway.ports.decision import Message
from gateway.ports.outbox import Outcome, SinkPlan
from gateway.ports.stored import Token


class Acts(Protocol):
    """Where a person's act goes: the same one writer per vehicle that events go through."""

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        """
        Decide a fact and return its effects after they are durable.

        Errors: StoreError while the store fails.
        """
        ...


class Commands(Protocol):
    """Where a person's request for a command goes."""

    async def ask(
        self, vin: str, token: Token, body: bytes, path: str, *, stranger: bool
    ) -> tuple[Effect, ...] | None:
        """
        Decide a request and return its effects after they are durable; None: that person asks too often.

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


class LiveCases(Protocol):
    """Cases while they change."""

    turn: int
    """Grows whenever there may be something new."""

    async def turned(self, turn: int) -> None:
        """Return as soon as there may be something new since ``turn`` (at once if there may)."""
        ...

    async def newest(self) -> int:
        """Number of the newest entry in any timeline. Errors: StoreError."""
        ...

    async def read(self, soc: str, after: int, limit: int) -> CaseChanges:
        """Cases of a SOC that have an entry after that one. Errors: StoreError."""
        ...

    async def waiting(self, soc: str) -> list[Waiting]:
        """What waits for a second person in a SOC. Errors: StoreError."""
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

    def heard_at(self, vin: str) -> datetime | None:
        """When anything at all last arrived from a vehicle; None: not since the start."""
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
    recording: Literal["off", "holds_positions", "failing"] = "off"
    """Whether what vehicles say is recorded: whoever can read the files, can read where they were."""


class HealthReporter(Protocol):
    """Knows how the gateway is."""

    async def report(self) -> HealthReport:
        """How it is now."""
        ...


class Tried(Struct, frozen=True):
    """What one sink answered to a test alarm, and after how long."""

    plan: SinkPlan
    outcome: Outcome
    took_s: float


class SinkTester(Protocol):
    """Delivery, as the API sees it."""

    def sinks(self) -> list[str]:
        """Names of the configured sinks."""
        ...

    async def test(self, sink: str) -> Outcome | None:
        """Send a marked test alarm to one sink; None if there is no such sink."""
        ...

    async def test_vehicle(self, vin: str, soc: str) -> list[Tried] | None:
        """Send a vehicle's marked test alarm to every sink that its alarms go to; None: too often."""
        ...

    def poke(self, sink: str, subject: str) -> None:
        """Deliveries of this vehicle have become pending again."""
        ...
