"""One batch while it is decided: pure bookkeeping from items to one transaction. No I/O, no clock."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.effects import Announce, Effect, Notify, Refused, Verdict
from gateway.domain.signals import (
    AnyFact,
    Event,
    ForgedRepeat,
    Ignition,
    Located,
    Mode,
    Movement,
    Registered,
    TheftSensor,
    Unreadable,
)
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.inbox import Item
from gateway.pipeline.messages import FeedData, alarm_row, encode_data, feed_data, feed_message
from gateway.pipeline.receipts import Receipt
from gateway.ports import (
    AlarmRow,
    AuditEntry,
    Decision,
    FactRow,
    Known,
    LaterVerdict,
    Message,
    Notification,
    QuarantineRow,
    VehicleRow,
)
from gateway.wire import notification, theft_sensor
from gateway.wire.event import Unwanted

KEPT_PAYLOAD_BYTES = 4096
MAX_TOPIC = 256

_encode = msgspec.json.Encoder().encode


class Context(Struct, frozen=True):
    """What does not change while a batch is decided."""

    now: datetime
    feed_id: str
    instance: str
    canary_vin: str
    thresholds: Thresholds


class Batch:
    """Folds items into vehicles and gathers everything that the commit must hold."""

    def __init__(
        self,
        context: Context,
        known: Known,
        look_up: Callable[[str], tuple[Vehicle, bool]],
        sequences: dict[str, int],
    ) -> None:
        self.items: list[Item] = []
        self.vehicles: dict[str, Vehicle] = {}
        self.sequences = sequences
        self.messages: list[Message] = []
        self.receipts: dict[str, Receipt] = defaultdict(Receipt)
        self.answers: list[tuple[asyncio.Future[tuple[Effect, ...]], tuple[Effect, ...]]] = []
        self.canaries: list[str] = []
        self.events: Counter[str] = Counter()
        self.forged: list[tuple[str, str]] = []
        self.quarantine: list[QuarantineRow] = []
        self.repeats = 0
        self._context = context
        self._known = known
        self._look_up = look_up
        self._steps: Counter[str] = Counter()
        self._digests: dict[tuple[str, str], frozenset[bytes]] = {}
        self._quarantined: set[tuple[str, str]] = set(known.quarantined)
        self._facts: list[FactRow] = []
        self._verdicts: list[LaterVerdict] = []
        self._alarms: dict[str, AlarmRow] = {}
        self._notifications: list[Notification] = []
        self._audit: list[AuditEntry] = []
        self._announced: list[tuple[Announce, Vehicle, tuple[object, ...]]] = []

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
            effects = self._fold(item.subject, item.kind, item.fact)
            if item.answer is not None:
                self.answers.append((item.answer, effects))

    def decision(self) -> Decision:
        """Everything as one transaction."""
        return Decision(
            facts=tuple(self._facts),
            verdicts=tuple(self._verdicts),
            vehicles=tuple(
                VehicleRow(subject, vehicle.version, self._steps[subject], _encode(vehicle), vehicle.wake_at)
                for subject, vehicle in self.vehicles.items()
                if self._steps[subject]
            ),
            alarms=tuple(self._alarms.values()),
            messages=tuple(self.messages),
            notifications=tuple(self._notifications),
            quarantine=tuple(self.quarantine),
            audit=tuple(self._audit),
        )

    def unrecorded(self) -> Iterator[tuple[Message, tuple[object, ...]]]:
        """New triggers as messages without a sequence, each with a key that a second attempt gives again."""
        for announce, vehicle, key in self._announced:
            if announce.type in ("alarm.raised", "alarm.updated"):
                data = feed_data(vehicle, announce.alarm, announce.event_ids, None)
                yield self._message("alarm.unrecorded", data, encode_data(data), vehicle.vin), key

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
            self._journal(item.subject, item.kind, event, item, verdict="canary")
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
        reason = f"can't be decided: {type(error).__name__}: {error}"
        item.unwanted = Unwanted(reason[:500], sha256(payload).hexdigest())
        item.topic = item.topic or f"{item.subject}/{item.kind}"
        item.payload = payload
        if item.answer is not None:
            self.answers.append((item.answer, (Refused("illegal_transition", reason),)))
        try:
            self._unwanted(item)
        except Exception:  # noqa: BLE001  # the state itself is the poison: go on without it, never without an alarm
            known = self.vehicles[item.subject]
            fresh = Vehicle(vin=known.vin, version=known.version, registration=known.registration)
            self.vehicles[item.subject] = fresh
            self.quarantine.pop()
            self._quarantined.discard((item.topic[:MAX_TOPIC], item.unwanted.sha256))
            self._unwanted(item)

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
                item.payload[:KEPT_PAYLOAD_BYTES],
                item.received_at,
                vin,
            )
        )
        if vin is None:
            return
        if unwanted.event_id is not None and item.kind != "telemetry":
            self.receipts[vin].rejected.append((unwanted.event_id, unwanted.reason))
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
        vehicle = self._vehicle(subject)
        private = _is_private(vehicle)
        if private and isinstance(fact, Movement):
            fact = replace(fact, position=None, speed_km_h=None)
        vehicle, effects = self._step(vehicle, fact)
        verdict = self._carry_out(vehicle, effects, fact, item)
        if not (private and isinstance(fact, Movement | Ignition | Located)):
            self._journal(subject, kind, fact, item, verdict)
        return effects

    def _vehicle(self, subject: str) -> Vehicle:
        vehicle = self.vehicles.get(subject)
        if vehicle is not None:
            return vehicle
        vehicle, fresh = self._look_up(subject)
        self.vehicles[subject] = vehicle
        registration = self._known.registrations.get(subject)
        if fresh and registration != vehicle.registration:
            fact = Registered(received_at=self._context.now, registration=registration)
            vehicle, effects = self._step(vehicle, fact)
            self._carry_out(vehicle, effects, fact, None)
            self._journal(subject, "registered", fact, None, None)
        return vehicle

    def _step(self, vehicle: Vehicle, fact: AnyFact) -> tuple[Vehicle, tuple[Effect, ...]]:
        now = max(self._context.now, fact.received_at)
        vehicle, effects = step(vehicle, fact, now, self._context.thresholds)
        self.vehicles[vehicle.vin] = vehicle
        self._steps[vehicle.vin] += 1
        return vehicle, effects

    def _carry_out(
        self, vehicle: Vehicle, effects: tuple[Effect, ...], fact: AnyFact, item: Item | None
    ) -> Verdict | None:
        """Turn effects into rows; returns the verdict on the fact itself."""
        own: Verdict | None = None
        for effect in effects:
            match effect:
                case Announce():
                    self._announce(vehicle, effect, fact)
                case Verdict() if item is not None and effect.event_id == item.event_id:
                    own = effect
                case Verdict():
                    row = LaterVerdict(vehicle.vin, effect.event_id, effect.verdict, effect.alarm_id)
                    self._verdicts.append(row)
                case Notify():
                    self._notify(vehicle, effect, len(self._notifications))
                case _:
                    pass
        return own

    def _announce(self, vehicle: Vehicle, announce: Announce, fact: AnyFact) -> None:
        soc = vehicle.soc
        sequence = self.sequences.get(soc, 0) + 1
        self.sequences[soc] = sequence
        data = feed_data(vehicle, announce.alarm, announce.event_ids, sequence)
        encoded = encode_data(data)
        self.messages.append(self._message(announce.type, data, encoded, vehicle.vin))
        self._alarms[data.alarm_id] = alarm_row(data, encoded, vehicle.vin)
        actor = getattr(fact, "by", "gateway")
        details = {"cause": data.cause, "sequence": sequence, "soc": soc, "count": data.count}
        self._audit.append(AuditEntry(self._context.now, actor, announce.type, data.alarm_id, details))
        key = (vehicle.vin, data.cause, *announce.event_ids, fact.received_at)
        self._announced.append((announce, vehicle, key))

    def _message(self, kind: str, data: FeedData, encoded: bytes, subject: str) -> Message:
        context = self._context
        return feed_message(
            kind,
            data,
            encoded,
            feed_id=context.feed_id,
            subject=subject,
            instance=context.instance,
            created_at=context.now,
        )

    def _notify(self, vehicle: Vehicle, notify: Notify, number: int) -> None:
        now = self._context.now
        identity = f"{vehicle.vin}-{vehicle.version}-{number}"
        body = notification.Payload(
            identity, now, vehicle.vin, notify.kind, notify.code, notify.text, notify.data
        )
        self._notifications.append(Notification(identity, notify.user, vehicle.vin, _encode(body), now))

    def _journal(
        self, subject: str, kind: str, fact: AnyFact | Event, item: Item | None, verdict: Verdict | str | None
    ) -> None:
        trigger = (isinstance(fact, TheftSensor) and fact.state == "triggered") or (
            isinstance(fact, ForgedRepeat) and fact.sensor is not None and fact.sensor.state == "triggered"
        )
        word = verdict.verdict if isinstance(verdict, Verdict) else verdict
        self._facts.append(
            FactRow(
                vin=subject,
                kind=kind,
                event_id=None if item is None else item.event_id,
                digest=None if item is None else item.digest,
                received_at=fact.received_at,
                decided_at=self._context.now,
                body=_encode(fact),
                trigger=trigger,
                verdict=word,
                alarm_id=verdict.alarm_id if isinstance(verdict, Verdict) else None,
            )
        )


def _is_private(vehicle: Vehicle) -> bool:
    mode = vehicle.stated.get("mode")
    return isinstance(mode, Mode) and bool(mode.private_mode)
