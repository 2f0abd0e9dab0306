"""One batch while it is decided: items folded into vehicles, once each. No I/O, no clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.effects import Effect, Refused
from gateway.domain.facts import AnyFact
from gateway.domain.parts import ACTS
from gateway.domain.protection import ingredients, reasons
from gateway.domain.remote_access.facts import Request
from gateway.domain.remote_access.interlocks import restated
from gateway.domain.signals import (
    Connection,
    Event,
    ForgedRepeat,
    Ignition,
    Located,
    Movement,
    Registered,
    Surveyed,
    TheftSensor,
    Unreadable,
)
from gateway.domain.step import step
from gateway.domain.vehicle import Vehicle
from gateway.errors import place_of
from gateway.pipeline.inbox import KEPT_BYTES, Item
from gateway.pipeline.receipts import Receipt
from gateway.pipeline.rows import Context, Rows
from gateway.pipeline.states import changed_parts, encode_body
from gateway.pipeline.telemetry import PLACE
from gateway.ports import Decision, Known, QuarantineRow, UnprotectedRow, VehicleRow
from gateway.wire import theft_sensor
from gateway.wire.event import Unwanted

MAX_TOPIC = 256

_encode = msgspec.json.Encoder().encode


class Looked(Struct, frozen=True):
    """A vehicle as it was committed."""

    vehicle: Vehicle
    fresh: bool = False
    """It was read just now: the registry may know more of it."""
    whole: bool = False
    """The store does not have it in parts: it is new, of an older version, or could not be read."""


class Batch:
    """Folds items into vehicles; what follows from them gathers in ``rows``."""

    def __init__(
        self,
        context: Context,
        known: Known,
        look_up: Callable[[str], Looked],
        sequences: dict[str, int],
    ) -> None:
        self.rows = Rows(context, sequences)
        self.items: list[Item] = []
        self.vehicles: dict[str, Vehicle] = {}
        self.receipts: dict[str, Receipt] = defaultdict(Receipt)
        self.answers: list[tuple[asyncio.Future[tuple[Effect, ...]], tuple[Effect, ...]]] = []
        self.canaries: list[str] = []
        self.events: Counter[str] = Counter()
        self.forged: list[tuple[str, str]] = []
        self.quarantine: list[QuarantineRow] = []
        self.repeats = 0
        self.now = context.now
        self._context = context
        self._known = known
        self._look_up = look_up
        self._steps: Counter[str] = Counter()
        self._digests: dict[tuple[str, str], frozenset[bytes]] = {}
        self._quarantined: set[tuple[str, str]] = set(known.quarantined)
        self._before: dict[str, Vehicle] = {}
        self._whole: set[str] = set()
        self._surveyed: set[str] = set()

    def take(self, item: Item) -> None:
        """Decide one item. What can't be decided costs only itself: it is quarantined, and alarmed."""
        self.items.append(item)
        try:
            self._take(item)
        except Exception as error:  # noqa: BLE001  # a poison event must not come back for ever
            self._poison(item, error)

    def _take(self, item: Item) -> None:
        if item.unwanted is not None:
            self._unwanted(item)
        elif isinstance(item.fact, Event):
            self._event(item, item.fact)
        elif item.fact is not None:
            fact: AnyFact = item.fact
            if isinstance(fact, Connection) and _is_known(self._vehicle(item.subject), fact, item):
                return  # a retained statement that the broker replays at each start
            if item.complete is not None:
                fact = item.complete(fact, self._vehicle(item.subject))
            effects = self._fold(item.subject, item.kind, fact)
            if item.answer is not None:
                self.answers.append((item.answer, effects))

    def decision(self) -> Decision:
        """Everything as one transaction."""
        return self.rows.decision(
            vehicles=tuple(
                self._row(subject, vehicle)
                for subject, vehicle in self.vehicles.items()
                if self._steps[subject]
            ),
            quarantine=tuple(self.quarantine),
            unprotected=tuple(self._unprotected()),
        )

    def _row(self, subject: str, vehicle: Vehicle) -> VehicleRow:
        whole = subject in self._whole
        return VehicleRow(
            subject,
            vehicle.version,
            self._steps[subject],
            encode_body(vehicle),
            vehicle.wake_at,
            changed_parts(None if whole else self._before.get(subject), vehicle),
            whole,
        )

    def _unprotected(self) -> Iterator[UnprotectedRow]:
        """Why cars are not protected, where that may have changed; a mistake in it must not cost an alarm."""
        for subject, vehicle in self.vehicles.items():
            before = self._before.get(subject, vehicle)
            if before is vehicle and subject not in self._surveyed:
                continue
            with contextlib.suppress(Exception):
                if subject in self._surveyed or ingredients(before) != ingredients(vehicle):
                    yield UnprotectedRow(subject, vehicle.soc, reasons(vehicle))

    # -- items ------------------------------------------------------------------------------------------

    def _event(self, item: Item, event: Event) -> None:
        key = (item.subject, event.event_id)
        seen = self._digests.get(key) or self._known.digests.get(key, frozenset())
        digest = item.digest or b""
        self._event_once(item, event, key, seen, digest)
        self.receipts[item.subject].event_ids.append(event.event_id)

    def _event_once(
        self, item: Item, event: Event, key: tuple[str, str], seen: frozenset[bytes], digest: bytes
    ) -> None:
        """One effect for one content; a repeat has none, other content under the same key is forged."""
        if digest in seen:
            self.repeats += 1
            if item.subject == self._context.canary_vin:
                self.canaries.append(event.event_id)
            return
        self.events[item.kind] += 1
        if item.subject == self._context.canary_vin:
            self.canaries.append(event.event_id)
            self.rows.journal(item.subject, item.kind, event, item, verdict="canary")
        elif seen:
            self.forged.append(key)
            sensor = event if isinstance(event, TheftSensor) else None
            forged = ForgedRepeat(
                received_at=event.received_at,
                occurred_at=event.occurred_at,
                event_id=event.event_id,
                kind=item.kind,
                sensor=sensor,
            )
            self._fold(item.subject, item.kind, forged, item)
        else:
            self._fold(item.subject, item.kind, event, item)  # type: ignore[arg-type]  # a registered event
        self._digests[key] = seen | {digest}

    def _poison(self, item: Item, error: Exception) -> None:
        payload = item.payload or (b"" if item.fact is None else _encode(item.fact))
        reason = f"can't be decided: {place_of(error)}"
        item.unwanted = Unwanted(reason[:500], sha256(payload).hexdigest())
        item.topic = item.topic or f"{item.subject}/{item.kind}"
        item.payload = payload
        if item.answer is not None:
            self.answers.append((item.answer, (Refused("illegal_transition", reason),)))
        try:
            self._unwanted(item)
        except Exception:  # noqa: BLE001  # the state itself is the poison: go on without it, never without an alarm
            known = self.vehicles.get(item.subject)
            version = 0 if known is None else known.version
            self.vehicles[item.subject] = Vehicle(vin=item.subject, version=version)
            self._whole.add(item.subject)
            self._quarantined.discard((item.topic[:MAX_TOPIC], item.unwanted.sha256))
            with contextlib.suppress(Exception):  # the row in quarantine stays, whatever else fails
                self._alarm_unreadable(item, item.unwanted, item.subject)

    def _unwanted(self, item: Item) -> None:
        unwanted = item.unwanted
        if unwanted is None:
            return
        vin = item.subject or None
        topic = item.topic[:MAX_TOPIC]
        self.quarantine.append(
            QuarantineRow(
                topic,
                unwanted.sha256,
                unwanted.reason,
                item.payload[:KEPT_BYTES],
                item.received_at,
                vin,
            )
        )
        if vin is None:
            return
        if unwanted.event_id is not None and item.kind != "telemetry":
            self.receipts[vin].rejected.append((unwanted.event_id, unwanted.reason))
        self._alarm_unreadable(item, unwanted, vin)

    def _alarm_unreadable(self, item: Item, unwanted: Unwanted, vin: str) -> None:
        topic = item.topic[:MAX_TOPIC]
        first = (topic, unwanted.sha256) not in self._quarantined
        self._quarantined.add((topic, unwanted.sha256))
        if first and item.kind == theft_sensor.KIND and vin != self._context.canary_vin:
            fact = Unreadable(
                received_at=item.received_at,
                sha256=unwanted.sha256,
                reason=unwanted.reason,
                event_id=unwanted.event_id,
            )
            self._fold(vin, "unreadable", fact)

    # -- folding ----------------------------------------------------------------------------------------

    def _fold(self, subject: str, kind: str, fact: AnyFact, item: Item | None = None) -> tuple[Effect, ...]:
        before = self._vehicle(subject)
        if before.remote.waiting and self._context.stated is not None:
            before = restated(before, self._context.stated(before))
        if isinstance(fact, Located) and _is_left_out(before, kind, fact):
            return ()
        if isinstance(fact, Request) and (answer := self._unchanged(before, fact)) is not None:
            return answer
        if isinstance(fact, Surveyed):
            self._surveyed.add(subject)
        vehicle, effects = self._step(before, fact)
        verdict = self.rows.carry_out(vehicle, effects, fact, item)
        self.rows.follow_case(before, vehicle, fact)
        if isinstance(fact, Movement):
            fact = replace(fact, position=None, odometer_m=None)
        derived = isinstance(fact, Movement | Ignition)
        # Where a car was stands in no journal: a track is kept for an open case only, and erased after it.
        if not isinstance(fact, Located) and not (derived and before.is_private):
            self.rows.journal(subject, kind, fact, item, verdict)
        return effects

    def _unchanged(self, before: Vehicle, fact: Request) -> tuple[Effect, ...] | None:
        """The answer to what changes nothing: a stranger leaves no trace but in the audit trail."""
        outcome = ACTS[type(fact)](before, fact, max(self.now, fact.received_at))
        if outcome.vehicle is not before:
            return None
        self.rows.carry_out(before, outcome.effects, fact, None)
        return outcome.effects

    def _vehicle(self, subject: str) -> Vehicle:
        vehicle = self.vehicles.get(subject)
        if vehicle is not None:
            return vehicle
        looked = self._look_up(subject)
        vehicle = self.vehicles[subject] = self._before[subject] = looked.vehicle
        if looked.whole:
            self._whole.add(subject)
        registration = self._known.registrations.get(subject)
        read = looked.fresh or registration is not None
        self.rows.entries[subject] = registration if read else vehicle.registration
        if read and registration != vehicle.registration:
            fact = Registered(received_at=self.now, registration=registration)
            vehicle, effects = self._step(vehicle, fact)
            self.rows.carry_out(vehicle, effects, fact, None)
            self.rows.journal(subject, "registered", fact, None, None)
        return vehicle

    def _step(self, vehicle: Vehicle, fact: AnyFact) -> tuple[Vehicle, tuple[Effect, ...]]:
        now = max(self.now, fact.received_at)
        vehicle, effects = step(vehicle, fact, now, self._context.thresholds)
        self.vehicles[vehicle.vin] = vehicle
        self._steps[vehicle.vin] += 1
        return vehicle, effects


def _is_known(vehicle: Vehicle, fact: Connection, item: Item) -> bool:
    """Whether it was said before. A will has no time: one that the broker does not replay is a new one."""
    if fact.occurred_at is None and not item.replayed:
        return False
    known = vehicle.stated.get("connection")
    return known is not None and replace(known, received_at=fact.received_at) == fact


def _is_left_out(vehicle: Vehicle, kind: str, fact: Located) -> bool:
    """In private mode a position is for an alarm, for the place of a mode, or for where the car is parked."""
    if not vehicle.is_private or fact.for_alarm or vehicle.is_watched:
        return False
    return not (kind == PLACE and vehicle.past.now.ignition_on is False)
