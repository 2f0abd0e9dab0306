"""
The one writer: takes what waits, decides it, commits it, and only then lets anything leave.

Rules of this file:

1. One batch at a time. Whatever arrives while a batch commits is the next batch: this is the group commit.
2. Nothing leaves before the commit: no receipt, no acknowledgement, no message, no answer to a person.
3. A batch that can't be committed changes nothing in memory, is kept, and is decided again. Meanwhile its
   alarms go to the SOC as ``alarm.unrecorded``: rather twice than never.
4. Vehicles take turns (``inbox``); the acknowledgements that this asks for out of order leave in the order of
   arrival (``acks``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.offline import is_awaited
from gateway.domain.remote_access.facts import Asked, Stated
from gateway.domain.services.availability import EVERYWHERE, Availability, resolve
from gateway.domain.signals import RegistryAct
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.errors import StoreError
from gateway.faults import crash_point
from gateway.pipeline.batch import MAX_TOPIC, Batch, Looked
from gateway.pipeline.case_rows import EscalationLimit
from gateway.pipeline.commanding import Leaving
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.receipts import Receipts
from gateway.pipeline.rows import Context
from gateway.pipeline.states import decode_state, is_in_parts
from gateway.ports import Clock, Known, Message, Store

MAX_BATCH = 256
"""Vehicles that share pages of the store share their writing: twice as many cost a sixth less each."""
MAX_SHARE = 64
"""So many items of one vehicle are in a batch: the others that come meanwhile wait for no more."""
MAX_CACHED_VEHICLES = 50_000
MAX_KEPT_UNRECORDED = 10_000
RETRY_S = 0.5
PATIENCE_S = 3.0
"""A commit that takes longer counts as a failing store; it is still waited for."""
MAX_KEPT = 20_000


class Decider:
    """Owns every vehicle's state. Implements Acts."""

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        receipts: Receipts,
        *,
        clock: Clock,
        meters: Meters,
        log: Any,
        instance: str,
        canary_vin: str,
        thresholds: Thresholds,
        socs: frozenset[str] = frozenset(),
        availability: Availability = EVERYWHERE,
    ) -> None:
        self.failing_since_s: float | None = None
        """Monotonic time since when the store fails; None while it works."""
        self.on_messages: list[Callable[[Sequence[Message]], None]] = []
        self.on_unrecorded: Callable[[Message], bool] = lambda _message: True
        """Takes a message that could not be recorded; False if it had no room, so that it is told again."""
        self.on_canary: Callable[[str], None] = lambda _event_id: None
        self.on_escalated: Callable[[Collection[str]], None] = lambda _socs: None
        """Told the SOCs whose standby sinks have something new."""
        self.on_cases: Callable[[], None] = lambda: None
        """Told that timelines of cases have grown."""
        self.on_wake: Callable[[str, datetime | None], None] = lambda _subject, _at: None
        self.stated: Callable[[Vehicle], Stated] | None = None
        """What telemetry says of a vehicle: asked while a command waits for it."""
        self.on_silent: Callable[[Sequence[str]], None] = lambda _vins: None
        self.on_modes: Callable[[str, Sequence[datetime]], None] = lambda _subject, _ends: None
        self.before_turn: Callable[[list[Item]], Awaitable[list[Item]]] = _as_they_are
        """Looks at the items of a batch before they are decided."""
        self.on_leaving: Callable[[Sequence[Leaving]], None] = lambda _leaving: None
        """Publishes commands and answers; called once for each commit, and never before it."""
        self.on_watched: Callable[[str, bool], None] = lambda _subject, _watched: None
        self.on_awaited: Callable[[str, bool], None] = lambda _subject, _awaited: None
        self._inbox = inbox
        self._store = store
        self._receipts = receipts
        self._clock = clock
        self._meters = meters
        self._log = log
        self._instance = instance
        self._canary_vin = canary_vin
        self._thresholds = thresholds
        self._socs = socs
        self._availability = availability
        self._cache: OrderedDict[str, Vehicle] = OrderedDict()
        self._sequences: dict[str, int] = {}
        self._feed_id = ""
        self._stale = False
        self._stale_vins: set[str] = set()
        self._escalations = EscalationLimit()
        self._kept: list[Item] = []
        self._trying = 0
        self._committing: asyncio.Task[None] | None = None
        self._pending: Batch | None = None
        self._outage: Batch | None = None
        """What is decided in memory while the store fails; it is never committed."""
        self._unrecorded: OrderedDict[tuple[object, ...], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Items not yet committed."""
        return len(self._inbox) + len(self._kept)

    async def open(self) -> None:
        """
        Read where the feeds stand.

        Errors:  StoreError.
        """
        self._sequences = await self._store.sequences()
        self._feed_id = await self._store.feed_id()

    def sequences(self) -> dict[str, int]:
        """Last committed sequence of each feed."""
        return dict(self._sequences)

    def forget(self, vins: Sequence[str] | None = None) -> None:
        """Read vehicles (None: all) from the store again before the next batch: the registry has changed."""
        if vins is None:
            self._stale = True
        else:
            self._stale_vins.update(vins)

    async def set_back(self, _by: timedelta) -> None:
        """Read vehicles from the store again: they were moved to another clock."""
        self._cache.clear()

    async def act(self, subject: str, fact: AnyFact) -> tuple[Effect, ...]:
        """See ``gateway.ports.Acts``."""
        answer: asyncio.Future[tuple[Effect, ...]] = asyncio.get_running_loop().create_future()
        item = Item(
            subject=subject,
            kind=type(fact).__name__.lower(),
            received_at=fact.received_at,
            fact=fact,
            answer=answer,
        )
        if not self._inbox.offer(item):
            raise StoreError("too much waits to be decided; try again")
        return await answer

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            if self._kept:
                await self._retry()
            else:
                await self._inbox.filled()
                await self._turn(self._inbox.take(MAX_BATCH, MAX_SHARE))
            self._meters.gauge("gateway_inbox", self.waiting)

    async def _turn(self, items: list[Item]) -> bool:
        """Decide and commit a batch; False if it was kept because that could not be done."""
        if self._stale:
            self._cache.clear()
            self._stale = False
        for vin in self._stale_vins:
            self._cache.pop(vin, None)
        self._stale_vins.clear()
        try:
            items = await self.before_turn(items)
            batch = self._decide(items, await self._known(items))
        except StoreError as error:
            self._keep(items, error)
            return False
        crash_point("before_commit")
        began_s = self._clock.mono_s()
        self._committing = asyncio.create_task(self._store.commit(batch.decision()), name="commit")
        self._pending = batch
        await asyncio.wait({self._committing}, timeout=PATIENCE_S)
        if not self._committing.done():
            self._keep(items, StoreError(f"a commit takes longer than {PATIENCE_S:g} s"))
            return False
        return self._finish(items, began_s)

    def _finish(self, items: list[Item], began_s: float) -> bool:
        """Take the outcome of the commit that was under way."""
        committing, batch = self._committing, self._pending
        self._committing = self._pending = None
        if committing is None or batch is None:
            return False
        error = committing.exception()
        if isinstance(error, StoreError):
            self._keep(items, error)
            return False
        if error is not None:
            raise error
        self._meters.observe("gateway_commit_seconds", self._clock.mono_s() - began_s)
        crash_point("after_commit")
        self._kept = self._kept[len(items) :] if self._kept else []
        self._recovered()
        self._apply(batch)
        return True

    async def _known(self, items: Sequence[Item]) -> Known:
        events = {(item.subject, item.event_id) for item in items if item.event_id is not None}
        # One by one: the difference of two sets would walk all that is known.
        vins = {item.subject for item in items if item.subject and item.subject not in self._cache}
        # What changes the registry is decided on the entry as it is now: an import may have run beside us.
        # So is what a person asks: a right that was taken back counts at once.
        vins |= {item.subject for item in items if isinstance(item.fact, RegistryAct | Asked)}
        odd = {(item.topic[:MAX_TOPIC], item.unwanted.sha256) for item in items if item.unwanted is not None}
        known = await self._store.known(tuple(events), tuple(vins), tuple(odd))
        entries = {vin: resolve(entry, self._availability) for vin, entry in known.registrations.items()}
        return replace(known, registrations=entries)

    def _decide(
        self, items: Sequence[Item], known: Known, cache: Mapping[str, Vehicle] | None = None
    ) -> Batch:
        context = Context(
            now=self._clock.now(),
            feed_id=self._feed_id,
            instance=self._instance,
            canary_vin=self._canary_vin,
            thresholds=self._thresholds,
            socs=self._socs,
            stated=self.stated,
            may_tell=self._escalations.may_tell,
        )
        batch = Batch(
            context,
            known,
            self._vehicle_of(known, self._cache if cache is None else cache),
            dict(self._sequences),
        )
        for item in items:
            batch.take(item)
        return batch

    def _vehicle_of(self, known: Known, cache: Mapping[str, Vehicle]) -> Callable[[str], Looked]:
        """Looks a vehicle up: from memory, else as the store knows it."""

        def look_up(subject: str) -> Looked:
            cached = cache.get(subject)
            if cached is not None:
                return Looked(cached)
            stored = known.vehicles.get(subject)
            vehicle, wrong = decode_state(subject, stored)
            if wrong is not None:
                self._meters.count("gateway_states_unreadable_total")
                self._log.error("vehicle.state_unreadable", vin=subject, version=vehicle.version, error=wrong)
            return Looked(vehicle, fresh=True, whole=wrong is not None or not is_in_parts(stored))

        return look_up

    def _apply(self, batch: Batch) -> None:
        """Everything that may leave now, in the order that rule 2 and 4 demand."""
        rows = batch.rows
        self._sequences = rows.sequences
        for subject, vehicle in batch.vehicles.items():
            self._cache[subject] = vehicle
            self._cache.move_to_end(subject)
            self.on_wake(subject, vehicle.wake_at)
            self.on_modes(subject, [mode.ends_at for mode in vehicle.modes.running])
            self.on_watched(subject, vehicle.is_watched)
            self.on_awaited(subject, is_awaited(vehicle))
        while len(self._cache) > MAX_CACHED_VEHICLES:
            self._cache.popitem(last=False)
        crash_point("before_receipt")
        self._receipts.send(batch.receipts)
        crash_point("after_receipt")
        if rows.leaving:
            self.on_leaving(rows.leaving)
        for tell in self.on_messages:
            if rows.messages:
                tell(rows.messages)
        if rows.cases.entries or rows.cases.waiting:
            self.on_cases()
        if rows.cases.escalated:
            self._meters.count("gateway_escalations_total", len(rows.cases.escalations))
            self._log.warning("alarm.escalated", socs=sorted(rows.cases.escalated))
            self.on_escalated(rows.cases.escalated)
        crash_point("before_ack")
        for item in batch.items:
            if item.ack is not None:
                item.ack()
        self._answer(batch)
        # Counts and logs wait until sinks, too, have written: they wake in the next turn of the loop.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._measure, batch)

    def _answer(self, batch: Batch) -> None:
        """Tell whoever waits inside this process."""
        for answer, effects in batch.answers:
            if not answer.done():
                answer.set_result(effects)
        for event_id in batch.canaries:
            self.on_canary(event_id)
        if batch.rows.silent:
            self.on_silent(batch.rows.silent)

    def _measure(self, batch: Batch) -> None:
        meters, now, rows = self._meters, self._clock.now(), batch.rows
        meters.observe("gateway_batch_size", len(batch.items))
        for item in batch.items:
            if item.event_id is not None:
                meters.observe("gateway_event_receipt_seconds", (now - item.received_at).total_seconds())
        for kind, count in batch.events.items():
            meters.count("gateway_events_total", count, kind=kind)
        if batch.repeats:
            meters.count("gateway_duplicates_total", batch.repeats)
        if rows.suppressed:
            meters.count("gateway_suppressed_total", rows.suppressed)
        for vin, event_id in batch.forged:
            meters.count("gateway_forged_total")
            self._log.warning("event.forged", vin=vin, event_id=event_id)
        for row in batch.quarantine:
            self._log.warning("event.quarantined", topic=row.topic, sha256=row.sha256, reason=row.reason)
        for kind, count in Counter(message.type for message in rows.messages).items():
            meters.count("gateway_alarms_total", count, type=kind)
        for message in rows.messages:
            self._log.info(
                message.type, alarm_id=message.alarm_id, sequence=message.sequence, soc=message.soc
            )

    # -- the store fails --------------------------------------------------------------------------------

    async def _retry(self) -> None:
        """Try the oldest again; what arrives meanwhile is told from memory, in the order of arrival."""
        end_s = self._clock.mono_s() + RETRY_S
        if self._committing is not None:
            await asyncio.wait({self._committing}, timeout=RETRY_S)
            if self._committing.done():
                self._finish(self._kept[: self._trying], self._clock.mono_s())
        elif await self._sequences_are_known():
            self._cache.clear()  # another process may have written
            self._trying = len(self._kept[:MAX_BATCH])
            if await self._turn(self._kept[:MAX_BATCH]):
                return
        while self._kept and (left_s := end_s - self._clock.mono_s()) > 0:
            await self._listen(left_s)

    async def _listen(self, for_s: float) -> None:
        """Let the outage know of new items; with too many kept, the rest waits at the broker."""
        if len(self._kept) >= MAX_KEPT:
            await asyncio.sleep(for_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self._inbox.filled()
        items = self._inbox.take(MAX_BATCH, MAX_SHARE)
        self._tell_unrecorded(items)
        self._kept += [item for item in items if item.answer is None]

    async def _sequences_are_known(self) -> bool:
        """A failed commit may mean that another process has written: read where the feeds stand."""
        try:
            self._sequences = await self._store.sequences()
        except StoreError:
            return False
        return True

    def _keep(self, items: list[Item], error: StoreError) -> None:
        if self.failing_since_s is None:
            self.failing_since_s = self._clock.mono_s()
            self._log.error("store.failing", error=str(error))
            self._meters.gauge("gateway_store_ok", 0)
        if self._outage is None:
            self._outage = self._decide([], Known({}, {}, {}, frozenset()), dict(self._cache))
        if not self._kept:
            self._kept = [item for item in items if item.answer is None]
            self._trying = len(self._kept)
            self._tell_unrecorded(items)

    def _tell_unrecorded(self, items: Sequence[Item]) -> None:
        """Decide in memory only, so that no alarm is mute because nothing can be kept."""
        outage = self._outage
        if outage is None:
            return
        outage.now = self._clock.now()
        for item in items:
            # A person gets an answer now; what comes by MQTT is kept and stays unacknowledged at the broker.
            if item.answer is not None:
                if not item.answer.done():
                    item.answer.set_exception(StoreError("the store fails; try again"))
                continue
            outage.take(item)
            vehicle = outage.vehicles.get(item.subject)
            if vehicle is not None:
                self.on_wake(item.subject, vehicle.wake_at)
        for message, key in outage.rows.unrecorded(lambda key: key in self._unrecorded):
            if not self.on_unrecorded(message):
                break  # no room now: told with the next items
            self._unrecorded[key] = None
            self._meters.count("gateway_unrecorded_total")
            self._log.error("alarm.unrecorded", alarm_id=message.alarm_id)
        while len(self._unrecorded) > MAX_KEPT_UNRECORDED:
            self._unrecorded.popitem(last=False)

    def _recovered(self) -> None:
        if self.failing_since_s is not None and not self._kept:
            self.failing_since_s = None
            self._outage = None
            self._log.info("store.recovered")
            self._meters.gauge("gateway_store_ok", 1)
            self._unrecorded.clear()


async def _as_they_are(items: list[Item]) -> list[Item]:
    return items
