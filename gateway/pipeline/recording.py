"""
Recording: what vehicles said and people did, as lines that ``replay`` reads. Off unless configured.

Rules of this file:

1. Nothing waits for it: ``hear`` puts into a bounded line and returns. What finds no room, or can't be
   written, is left out, counted, and stands in the recording as a number of messages that are missing.
2. Telemetry of a car in private mode is not recorded, nor that of a car of which this is not known yet.
   Its events are: the theft path stays (contract 3.5). A stolen car ignores private mode.
3. Of the registry only what the rules need is recorded. Lines hold positions: whoever reads them, reads
   where cars were.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from gateway import wire
from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.signals import (
    Acknowledge,
    ActOnCase,
    Challenged,
    Close,
    EndMode,
    Mode,
    Registered,
    Registration,
    SetMode,
    TheftReport,
)
from gateway.errors import StoreError
from gateway.pipeline.meters import Meters
from gateway.pipeline.states import decode_state
from gateway.ports import Acts, Clock, Inbound, Store
from gateway.wire import telemetry
from gateway.wire.topics import is_vin, split_vehicle_topic

T = TypeVar("T")

MAX_WAITING = 50_000
MAX_WAITING_BYTES = 32 << 20
MAX_AT_ONCE = 5_000
LOOK_UP_AT_ONCE = 200
GATHER_S = 0.2
MARK_EVERY_S = 10.0
AGAIN_S = 1.0
LOUD_EVERY_S = 60.0
PEOPLES = (Acknowledge, Close, SetMode, EndMode, Challenged, TheftReport, ActOnCase)
"""What people do to alarms, cases and modes: without it a replay would alarm what was held back."""


class RecordingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[recording]``; without a folder nothing is recorded."""

    folder: str | None = None
    max_bytes: Annotated[int, Meta(ge=1_000_000)] = 1_000_000_000
    """All files together; the oldest goes first."""
    max_days: Annotated[float, Meta(gt=0, le=30)] = 7


class Mark(Struct, frozen=True):
    """First line of a file, and wherever time has passed: up to here nothing more was heard."""

    at: datetime
    recording: int = 1
    started: bool = False
    """The gateway has just started: it was deaf before."""


class Said(Struct, frozen=True):
    """A message as it came. The payload is text, so that not a byte of it changes."""

    at: datetime
    topic: str
    payload: str


class SaidBytes(Struct, frozen=True):
    """A message that is no text: its payload in Base64."""

    at: datetime
    topic: str
    payload_base64: bytes


class Done(Struct, frozen=True, omit_defaults=True):
    """A fact that came by no topic; ``cause`` names the alarm that an act was for."""

    vin: str
    at: datetime
    fact: AnyFact
    cause: str | None = None


class Missing(Struct, frozen=True):
    """So many messages were not recorded before here."""

    at: datetime
    lost: int


Entry = Said | SaidBytes | Done | Missing | Mark


class Files(Protocol):
    """Where the lines go. May be called from any thread, by one at a time."""

    def append(self, lines: Sequence[Any], now: datetime) -> bool:
        """
        Write lines behind what is there; True if they begin a new file.

        Errors:  OSError; none of them may be expected to stand there then.
        """
        ...

    def close(self) -> None:
        """End the file."""
        ...


class Recorder:
    """Hears what ingest takes and what people do; its own task writes it."""

    def __init__(
        self, store: Store, files: Files, *, clock: Clock, meters: Meters, log: Any, canary_vin: str
    ) -> None:
        self.failing = False
        """Whether the newest lines could not be written."""
        self._store = store
        self._files = files
        self._clock = clock
        self._meters = meters
        self._log = log
        self._canary_vin = canary_vin
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")
        self._waiting: deque[Inbound | Done] = deque()
        self._waiting_bytes = 0
        self._filled = asyncio.Event()
        self._lost = 0
        self._loud_s = -LOUD_EVERY_S
        self._registry_version = -1
        self._known: set[str] = set()
        self._registered: dict[str, Registration | None] = {}
        """What the recording says of the registry."""
        self._news: dict[str, Registered] = {}
        """What it has to say before the vehicle's next message."""
        self._private: dict[str, Mode] = {}
        self._stolen: set[str] = set()

    def hear(self, batch: Sequence[Inbound]) -> None:
        """Take note of messages. Never raises, never waits."""
        for message in batch:
            parts = split_vehicle_topic(message.topic)
            if parts is None or not is_vin(parts[0]) or parts[0] == self._canary_vin:
                continue
            size = len(message.topic) + len(message.payload)
            if self._has_room(size):
                self._waiting.append(message)
                self._waiting_bytes += size
        self._filled.set()

    def did(self, subject: str, fact: AnyFact) -> None:
        """Take note of what a person does."""
        if isinstance(fact, PEOPLES) and self._has_room(0):
            self._waiting.append(Done(subject, fact.received_at, _bare(fact)))
            self._filled.set()

    async def run(self) -> None:
        """Write until cancelled."""
        await self._append([Mark(self._clock.now(), started=True)])
        while True:
            try:
                async with asyncio.timeout(MARK_EVERY_S):
                    await self._filled.wait()
            except TimeoutError:
                await self._append([Mark(self._clock.now())])
                continue
            await asyncio.sleep(GATHER_S)
            await self._write()

    async def close(self) -> None:
        """Write what still waits, and end the file."""
        await self._write()
        await self._append([Mark(self._clock.now())])
        await self._in_thread(self._files.close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """One thread for all: what a cancelled task has begun is finished before the next."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _has_room(self, size: int) -> bool:
        if len(self._waiting) < MAX_WAITING and self._waiting_bytes + size <= MAX_WAITING_BYTES:
            return True
        self._lose(1, "more comes than can be written")
        return False

    def _lose(self, count: int, reason: str) -> None:
        self._lost += count
        self._meters.count("gateway_recording_lost_total", count)
        if self._clock.mono_s() - self._loud_s >= LOUD_EVERY_S:
            self._loud_s = self._clock.mono_s()
            self._log.error("recording.lost", reason=reason, lost=self._lost)

    async def _write(self) -> None:
        try:
            await self._look_up()
        except StoreError:
            await asyncio.sleep(AGAIN_S)  # what waits stays; the decider reports a failing store
            return
        lines: list[Entry] = []
        for _ in range(min(len(self._waiting), MAX_AT_ONCE)):
            one = self._waiting[0]
            if isinstance(one, Done):
                lines.append(await self._with_cause(one))
            elif _vin(one) in self._known:
                self._waiting_bytes -= len(one.topic) + len(one.payload)
                self._add(lines, one)
            else:
                break  # looked up next: until then it is not known whether the car is in private mode
            self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
        if lines:
            await self._append(lines)

    async def _append(self, lines: list[Entry]) -> None:
        now, lost = self._clock.now(), self._lost
        if lost:
            lines.insert(0, Missing(now, lost))
        try:
            if await self._in_thread(self._files.append, lines, now):
                self._known.clear()  # each file says anew what the registry says: older ones may be deleted
                self._registered.clear()
        except OSError as error:
            self.failing = True
            count = sum(1 for line in lines if not isinstance(line, Missing | Mark))
            self._lose(count, str(error.strerror or error))
        else:
            self.failing = False
            self._lost -= lost
            self._meters.count("gateway_recorded_total", len(lines))

    def _add(self, lines: list[Entry], message: Inbound) -> None:
        vin, kind = _vin(message), message.topic.rpartition("/")[2]
        news = self._news.pop(vin, None)
        if news is not None:
            self._registered[vin] = news.registration
            lines.append(Done(vin, message.received_at, replace(news, received_at=message.received_at)))
        if kind == "mode":
            self._follow_mode(vin, wire.decode(kind, message.payload, message.received_at))
        elif kind == telemetry.KIND and self._is_private(vin):
            return
        lines.append(_said(message))

    def _is_private(self, vin: str) -> bool:
        mode = self._private.get(vin)
        return mode is not None and bool(mode.private_mode) and vin not in self._stolen

    def _follow_mode(self, vin: str, mode: object) -> None:
        """Older never overwrites newer, as in the vehicle's own state."""
        known = self._private.get(vin)
        if not isinstance(mode, Mode) or mode.private_mode is None:
            return
        if known is None or known.at <= mode.at:
            self._private[vin] = mode

    async def _look_up(self) -> None:
        """
        Read what the store knows of vehicles that were not heard before.

        Errors:  StoreError.
        """
        version = await self._store.registry_version()
        if version != self._registry_version:
            self._registry_version = version
            self._known.clear()
        vins: dict[str, None] = {}
        for one in islice(self._waiting, MAX_AT_ONCE):
            if isinstance(one, Inbound) and _vin(one) not in self._known:
                vins[_vin(one)] = None
            if len(vins) >= LOOK_UP_AT_ONCE:
                break
        if not vins:
            return
        known = await self._store.known((), tuple(vins), ())
        for vin in vins:
            self._learn(vin, known.vehicles.get(vin), known.registrations.get(vin))

    def _learn(self, vin: str, stored: Any, registration: Registration | None) -> None:
        vehicle, _wrong = decode_state(vin, stored)
        self._follow_mode(vin, vehicle.stated.get("mode.private_mode"))
        (self._stolen.add if vehicle.stolen else self._stolen.discard)(vin)
        if registration is not None:
            registration = Registration(vin=vin, driver_cards=registration.driver_cards, soc=registration.soc)
        if registration != self._registered.get(vin):
            self._news[vin] = Registered(received_at=self._clock.now(), registration=registration)
        self._known.add(vin)

    async def _with_cause(self, done: Done) -> Done:
        """An act names its alarm by an id that a replay would not give."""
        alarm_id = getattr(done.fact, "alarm_id", None)
        if alarm_id is None:
            return done
        try:
            alarm = await self._store.alarm(alarm_id)
        except StoreError:
            alarm = None
        cause = None if alarm is None else _cause.decode(alarm.body).cause
        return Done(done.vin, done.at, done.fact, cause)


class RecordedActs:
    """Acts that are recorded on their way. Implements ``gateway.ports.Acts``."""

    def __init__(self, acts: Acts, recorder: Recorder) -> None:
        self._acts = acts
        self._recorder = recorder

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        """See ``gateway.ports.Acts``."""
        self._recorder.did(subject, fact)
        return await self._acts.act(subject, fact)


class _OfAlarm(Struct):
    cause: str


_cause = msgspec.json.Decoder(_OfAlarm)


def _bare(fact: AnyFact) -> AnyFact:
    """An act without what a person wrote, and with a number for the name: two persons stay two."""
    changes: dict[str, Any] = {}
    for name in ("note", "reason", "contact", "reference"):
        if getattr(fact, name, None):
            changes[name] = "left out"
    by = getattr(fact, "by", None)
    if by is not None:
        changes["by"] = sha256(by.encode()).hexdigest()[:8]
    return replace(fact, **changes)


def _vin(message: Inbound) -> str:
    """The topic was split when it was heard."""
    return message.topic.split("/", 3)[2]


def _said(message: Inbound) -> Said | SaidBytes:
    try:
        return Said(message.received_at, message.topic, message.payload.decode())
    except UnicodeDecodeError:
        return SaidBytes(message.received_at, message.topic, message.payload)
