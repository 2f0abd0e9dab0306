"""The gateway's own pipeline in this process, on whatever clock and link it is given, over a real store."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Raw, Struct

from bench.virtual import InlineStore
from gateway.domain.effects import Effect, Refused
from gateway.domain.facts import AnyFact
from gateway.domain.people.facts import AcceptTransfer, Hashed, StartTransfer
from gateway.domain.signals import Challenged, Place, Registration, SetMode
from gateway.domain.thresholds import Thresholds
from gateway.pipeline.canary import Canary, CanarySettings
from gateway.pipeline.decider import Decider
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.health import CANARY_GRACE_S
from gateway.pipeline.hearing import Hearing, MassLoss, ticker
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.outlet import Way
from gateway.pipeline.receipts import Receipts
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.timers import Timers
from gateway.ports import Clock, Delivered, Link, Message, Outcome, SinkPlan
from vehicle_emulator.owner import RefusedError
from vehicle_emulator.scenario import ModeWish

CANARY = CanarySettings(interval_s=60)
INSTANCE = "gw-day"
ANSWERS_AFTER_S = 0.05
NO_KEY = {"salt": "day", "rounds": 1, "key": "00"}
"""Nothing is computed with it: the acts say which challenge they answer."""
MODE_ENDS = "%Y-%m-%dT%H:%M:%SZ"


class Arrival(Struct, frozen=True):
    """A line of the SOC's ledger: a message as it came, and when."""

    received_at: datetime
    type: str
    data: Raw


class Body(Struct, frozen=True):
    """What of a message the SOC files."""

    type: str
    data: Raw


class Quiet:
    """A log that counts names; errors and warnings are what a day must not have."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        if level in {"error", "warning"}:
            return lambda event, **_fields: self.errors.append(event)
        return lambda *_event, **_fields: None


class FilingSink:
    """A SOC that confirms each message and files it with the moment it came."""

    def __init__(self, clock: Clock) -> None:
        self.filed: list[tuple[datetime, bytes]] = []
        self._clock = clock

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        """See the gateway's ``AlarmSink``."""
        del feed_id
        await asyncio.sleep(ANSWERS_AFTER_S)
        self.filed.append((self._clock.now(), message.body))
        return Delivered()

    async def close(self) -> None:
        """Nothing is open."""


class Inside:
    """Ingest, decider, timers, canary and delivery. Main users reach it as ``Owners``."""

    def __init__(self, path: Path, link: Link, clock: Clock, seed: int) -> None:
        self.clock, self.log, self.tally = clock, Quiet(), Tally()
        self.store = InlineStore(path, CANARY.vin)
        self._link, self._rng = link, random.Random(seed)
        inbox = Inbox()
        self.intake = TelemetryIntake(inbox, self.tally)
        self.ingest = Ingest(inbox, self.intake, self.tally)
        self.sink = FilingSink(clock)
        self.plan = SinkPlan("soc", "default", "primary")
        self.decider = Decider(
            inbox, self.store, Receipts(link, self.tally, self.log),
            clock=clock, meters=self.tally, log=self.log, instance=INSTANCE, canary_vin=CANARY.vin,
            thresholds=Thresholds(), socs=frozenset({"default"}),
        )  # fmt: skip
        self.canary = Canary(link, clock, CANARY, "day", self.log)
        self.hearing = hearing = Hearing(link, self.canary, clock, CANARY.interval_s + CANARY_GRACE_S)
        mass_loss = MassLoss(clock, self.intake.heard_since)
        tick = ticker(hearing.since, self.intake.heard_at, mass_loss, lambda: link.connected)
        self.timers = Timers(inbox, clock, self.intake.hand_over, tick)
        decider = self.decider
        decider.on_canary, decider.on_silent = self.canary.seen, mass_loss.note
        decider.on_wake, decider.on_modes = self.timers.wake, self.timers.pin
        decider.on_watched, decider.on_awaited = self.intake.watch, self.intake.await_word

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs; at the end it is only stopped: what counts is in the store by then."""
        await self.store.plan_sinks([self.plan])
        delivery = Delivery(
            store=self.store, ways=[Way(self.plan, self.sink)], feed_id=await self.store.feed_id(),
            clock=self.clock, rng=self._rng, meters=self.tally, log=self.log,
        )  # fmt: skip
        self.decider.on_messages = [delivery.committed]
        self.decider.on_unrecorded = delivery.unrecorded
        self.decider.on_escalated = delivery.escalated
        await self.decider.open()
        await self.timers.load(self.store)
        jobs = (
            self.decider.run(), self.timers.run(_at_once), self.canary.run(_at_once), delivery.run(),
            self._listen(),
        )  # fmt: skip
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.store.close()
            for one in ended:
                if isinstance(one, Exception):
                    raise one

    async def _listen(self) -> None:
        """Look every second whether the gateway hears, as its health does."""
        while True:
            self.hearing.since()
            await asyncio.sleep(1)

    async def settled(self) -> None:
        """Until all that waits is decided and delivered."""
        while self.decider.waiting or await self.store.oldest_undelivered() is not None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(1)

    # -- main users, by the acts that the API's handlers make ----------------------------------------------

    async def register(self, vins: list[str]) -> None:
        """Every vehicle with its main user, its Driver Card and a security code."""
        await self.store.register(
            [
                Registration(vin=vin, main_user=_user(vin), driver_cards=("DC-1",), security_code_key=NO_KEY)
                for vin in vins
            ]
        )

    async def set_mode(self, vin: str, wish: ModeWish, place: tuple[float, float]) -> str:
        """See ``Owners``."""
        now = self.clock.now()
        self.intake.hand_over(vin, now)
        proof = await self._prove(vin, "special_mode")
        fact = SetMode(
            received_at=now, mode=wish.mode, by=_user(vin), role="main_user", user=_user(vin),
            reason=wish.reason, place=Place(*place, wish.radius_m), needs_code=True, answered=True,
            challenge=proof,
        )  # fmt: skip
        await self._act(vin, fact)
        return now.strftime(MODE_ENDS)

    async def sell(self, vin: str) -> str:
        """See ``Owners``."""
        now, heir, code = self.clock.now(), f"{_user(vin)}-heir", secrets.token_hex(8)
        start = StartTransfer(
            received_at=now, by=_user(vin), role="main_user", user=_user(vin), to_user=heir,
            code=Hashed(code, code), answered=True, challenge=await self._prove(vin, "transfer"),
        )  # fmt: skip
        await self._act(vin, start)
        accept = AcceptTransfer(received_at=now, by=heir, role="main_user", user=heir, fits=code)
        await self._act(vin, accept)
        return heir

    async def _prove(self, vin: str, purpose: str) -> str:
        """Ask for a challenge that counts as answered with the code: to check that is the API's part."""
        challenge = secrets.token_hex(16)
        asked = Challenged(
            received_at=self.clock.now(), challenge=challenge, user=_user(vin), purpose=purpose
        )
        await self._act(vin, asked)
        return challenge

    async def _act(self, vin: str, fact: AnyFact) -> tuple[Effect, ...]:
        effects = await self.decider.act(vin, fact)
        for effect in effects:
            if isinstance(effect, Refused):
                raise RefusedError(effect.code, effect.detail)
        return effects


def _user(vin: str) -> str:
    return f"owner-{vin[-6:]}"


async def _at_once() -> None:
    """The link is there from the beginning."""
