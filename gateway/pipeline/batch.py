"""One batch while it is decided: pure bookkeeping from items to one transaction. No I/O, no clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.effects import (
    Announce,
    Audited,
    Effect,
    Notify,
    Refused,
    Register,
    Revoke,
    Silent,
    Verdict,
)
from gateway.domain.facts import AnyFact
from gateway.domain.parts import ACTS
from gateway.domain.protection import ingredients, reasons
from gateway.domain.remote_access.effects import CommandChanged
from gateway.domain.remote_access.facts import Request, Stated
from gateway.domain.remote_access.interlocks import restated
from gateway.domain.signals import (
    Connection,
    Event,
    ForgedRepeat,
    Ignition,
    Located,
    Movement,
    Registered,
    Registration,
    Surveyed,
    TheftSensor,
    Unreadable,
)
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.errors import place_of
from gateway.pipeline.case_rows import CaseRows, tell_all
from gateway.pipeline.commanding import LEAVES, Leaving, command_row
from gateway.pipeline.inbox import KEPT_BYTES, Item
from gateway.pipeline.messages import FeedData, alarm_row, encode_data, feed_data, feed_message
from gateway.pipeline.receipts import Receipt
from gateway.pipeline.states import changed_parts, encode_body
from gateway.pipeline.telemetry import PLACE
from gateway.ports import (
    AlarmRow,
    AuditEntry,
    CommandRow,
    Decision,
    FactRow,
    Known,
    LaterVerdict,
    LeftCase,
    Message,
    Notification,
    QuarantineRow,
    RegistryRow,
    Revocation,
    TrackRow,
    UnprotectedRow,
    VehicleRow,
)
from gateway.texts import DEFAULT, language_of, render
from gateway.wire import notification, theft_sensor
from gateway.wire.event import Unwanted

MAX_TOPIC = 256
DEFAULT_SOC = "default"

Key = tuple[object, ...]
"""What tells one trigger from the next while there is no sequence."""

_encode = msgspec.json.Encoder().encode


class Context(Struct, frozen=True):
    """What does not change while a batch is decided."""

    now: datetime
    feed_id: str
    instance: str
    canary_vin: str
    thresholds: Thresholds
    socs: frozenset[str]
    """SOCs with a way to reach them; a vehicle of any other falls back to ``default``."""
    stated: Callable[[Vehicle], Stated] | None = None
    """What telemetry says of a vehicle this moment."""
    may_tell: Callable[[str, datetime], bool] = tell_all
    """Whether a SOC's feed takes one more message that only says that an alarm waits."""


class Looked(Struct, frozen=True):
    """A vehicle as it was committed."""

    vehicle: Vehicle
    fresh: bool = False
    """It was read just now: the registry may know more of it."""
    whole: bool = False
    """The store does not have it in parts: it is new, of an older version, or could not be read."""


class Batch:
    """Folds items into vehicles and gathers everything that the commit must hold."""

    def __init__(
        self,
        context: Context,
        known: Known,
        look_up: Callable[[str], Looked],
        sequences: dict[str, int],
    ) -> None:
        self.items: list[Item] = []
        self.vehicles: dict[str, Vehicle] = {}
        self.sequences = sequences
        self.messages: list[Message] = []
        self.receipts: dict[str, Receipt] = defaultdict(Receipt)
        self.answers: list[tuple[asyncio.Future[tuple[Effect, ...]], tuple[Effect, ...]]] = []
        self.canaries: list[str] = []
        self.silent: list[str] = []
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
        self._facts: list[FactRow] = []
        self._verdicts: list[LaterVerdict] = []
        self._alarms: dict[str, AlarmRow] = {}
        self._notifications: list[Notification] = []
        self._audit: list[AuditEntry] = []
        self._track: list[TrackRow] = []
        self._left_cases: list[LeftCase] = []
        self.cases = CaseRows()
        self._before: dict[str, Vehicle] = {}
        self._whole: set[str] = set()
        self._surveyed: set[str] = set()
        self._entries: dict[str, Registration | None] = {}
        self._registrations: dict[str, RegistryRow] = {}
        self._commands: dict[str, CommandRow] = {}
        self.leaving: list[Leaving] = []
        self._revocations: list[Revocation] = []
        self._notified = 0
        self.suppressed = 0
        self._announced: list[tuple[Announce, Vehicle, Key]] = []

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
        return Decision(
            facts=tuple(self._facts),
            verdicts=tuple(self._verdicts),
            vehicles=tuple(
                self._row(subject, vehicle)
                for subject, vehicle in self.vehicles.items()
                if self._steps[subject]
            ),
            alarms=tuple(self._alarms.values()),
            messages=tuple(self.messages),
            notifications=tuple(self._notifications),
            quarantine=tuple(self.quarantine),
            audit=tuple(self._audit),
            track=tuple(self._track),
            left_cases=tuple(self._left_cases),
            cases=self.cases.cases,
            case_entries=tuple(self.cases.entries),
            escalations=tuple(self.cases.escalations),
            registrations=tuple(self._registrations.values()),
            commands=tuple(self._commands.values()),
            unprotected=tuple(self._unprotected()),
            revocations=tuple(self._revocations),
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

    def unrecorded(self, is_told: Callable[[Key], bool]) -> Iterator[tuple[Message, Key]]:
        """New triggers as messages without a sequence, each with a key that a second attempt gives again."""
        self._announced = [one for one in self._announced if not is_told(one[2])]
        for announce, vehicle, key in self._announced:
            if announce.type in ("alarm.raised", "alarm.updated") and announce.alarm.state != "suppressed":
                soc = self._soc_of(vehicle)
                data = feed_data(vehicle, announce.alarm, announce.event_ids, soc=soc, sequence=None)
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
        verdict = self._carry_out(vehicle, effects, fact, item)
        self._follow_case(before, vehicle, fact)
        if isinstance(fact, Movement):
            fact = replace(fact, position=None, odometer_m=None)
        derived = isinstance(fact, Movement | Ignition)
        # Where a car was stands in no journal: a track is kept for an open case only, and erased after it.
        if not isinstance(fact, Located) and not (derived and before.is_private):
            self._journal(subject, kind, fact, item, verdict)
        return effects

    def _unchanged(self, before: Vehicle, fact: Request) -> tuple[Effect, ...] | None:
        """The answer to what changes nothing: a stranger leaves no trace but in the audit trail."""
        outcome = ACTS[type(fact)](before, fact, max(self.now, fact.received_at))
        if outcome.vehicle is not before:
            return None
        self._carry_out(before, outcome.effects, fact, None)
        return outcome.effects

    def _follow_case(self, before: Vehicle, vehicle: Vehicle, fact: AnyFact) -> None:
        """Keep the track of a vehicle under an open theft alarm, and note when its case ends."""
        if before.case_id is not None and vehicle.case_id != before.case_id:
            self._left_cases.append(LeftCase(before.case_id, self._context.now))
        position = fact.position if isinstance(fact, Movement | Located) else None
        if position is None or vehicle.case_id is None or vehicle.is_private:
            return
        self._track.append(
            TrackRow(
                vehicle.vin,
                vehicle.case_id,
                fact.at,
                position.latitude,
                position.longitude,
                position.accuracy_m,
            )
        )

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
        self._entries[subject] = registration if read else vehicle.registration
        if read and registration != vehicle.registration:
            fact = Registered(received_at=self.now, registration=registration)
            vehicle, effects = self._step(vehicle, fact)
            self._carry_out(vehicle, effects, fact, None)
            self._journal(subject, "registered", fact, None, None)
        return vehicle

    def _step(self, vehicle: Vehicle, fact: AnyFact) -> tuple[Vehicle, tuple[Effect, ...]]:
        now = max(self.now, fact.received_at)
        vehicle, effects = step(vehicle, fact, now, self._context.thresholds)
        self.vehicles[vehicle.vin] = vehicle
        self._steps[vehicle.vin] += 1
        return vehicle, effects

    def _carry_out(  # noqa: C901  # one branch an effect
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
                case Audited():
                    entry = AuditEntry(
                        self._context.now, effect.actor, effect.action, vehicle.vin, effect.details
                    )
                    self._audit.append(entry)
                    self.cases.audited(vehicle, effect, self.now)
                case CaseChanged() | CaseNoted() | Escalated():
                    self._case(vehicle, effect, fact)
                case Notify():
                    self._notify(vehicle, effect)
                case Register():
                    replaces = self._entries.get(vehicle.vin)
                    self._registrations[vehicle.vin] = RegistryRow(effect.registration, replaces)
                case Revoke():
                    self._revoke(vehicle.vin, effect)
                case Silent():
                    self.silent.append(vehicle.vin)
                case _:
                    self._leave(vehicle.vin, effect, fact)
        return own

    def _leave(self, vin: str, effect: Effect, fact: AnyFact) -> None:
        """Take what is published to vehicles and people."""
        if isinstance(effect, CommandChanged):
            self._commands[effect.command.command_id] = command_row(vin, effect.command)
        if isinstance(effect, LEAVES):
            self.leaving.append(Leaving(vin, effect, fact.received_at))

    def _announce(self, vehicle: Vehicle, announce: Announce, fact: AnyFact) -> None:
        if announce.type == "alarm.suppressed":
            self.suppressed += max(1, len(announce.event_ids))
        soc = self._soc_of(vehicle)
        sequence = self.sequences.get(soc, 0) + 1
        data = feed_data(vehicle, announce.alarm, announce.event_ids, soc=soc, sequence=sequence)
        encoded = encode_data(data)
        message = self._message(announce.type, data, encoded, vehicle.vin)
        self._alarms[data.alarm_id] = alarm_row(data, encoded, vehicle.vin)
        self.messages.append(message)
        self.sequences[soc] = sequence  # last: what can't be told must leave no gap
        actor = getattr(fact, "by", "gateway")
        digest = sha256(message.body).hexdigest()
        details = {"cause": data.cause, "sequence": sequence, "soc": soc, "sha256": digest}
        if data.case_id is not None:
            details["case_id"] = data.case_id
        self._audit.append(AuditEntry(self.now, actor, announce.type, data.alarm_id, details))
        self.cases.announce(announce, actor, message)
        key = (vehicle.vin, data.cause, *announce.event_ids, fact.received_at)
        self._announced.append((announce, vehicle, key))

    def _case(self, vehicle: Vehicle, effect: CaseChanged | CaseNoted | Escalated, fact: AnyFact) -> None:
        soc = self._soc_of(vehicle)
        match effect:
            case CaseChanged():
                self.cases.change(vehicle, soc, effect)
            case CaseNoted():
                self._audit.append(self.cases.note(vehicle, effect, self.now))
            case Escalated():
                self._audit.append(self.cases.escalate(soc, effect, self.now))
                if effect.tell and self._context.may_tell(soc, self.now):
                    self._tell_escalated(vehicle, effect, fact)

    def _tell_escalated(self, vehicle: Vehicle, escalated: Escalated, fact: AnyFact) -> None:
        """Say in the feed that an alarm waits. Its own note stays where alarms are listed."""
        alarm = escalated.alarm
        said = replace(alarm, note=f"escalated:{escalated.level}")
        self._announce(vehicle, Announce("alarm.updated", said), fact)
        soc, row = self._soc_of(vehicle), self._alarms[alarm.alarm_id]
        data = feed_data(vehicle, alarm, (), soc=soc, sequence=row.sequence)
        self._alarms[alarm.alarm_id] = alarm_row(data, encode_data(data), vehicle.vin)
        self._announced.pop()  # while the store fails it is no news

    def _soc_of(self, vehicle: Vehicle) -> str:
        return vehicle.soc if vehicle.soc in self._context.socs else DEFAULT_SOC

    def _message(self, kind: str, data: FeedData, encoded: bytes, subject: str) -> Message:
        context = self._context
        return feed_message(
            kind,
            data,
            encoded,
            feed_id=context.feed_id,
            subject=subject,
            instance=context.instance,
            created_at=self.now,
        )

    def _revoke(self, vin: str, revoke: Revoke) -> None:
        """Who is no user any more gets nothing that was decided before either."""
        self._revocations.append(Revocation(vin, revoke.users, revoke.unnamed, self.now))
        kept = [one for one in self._notifications if one.vin != vin or one.user not in revoke.users]
        self._notifications = kept

    def _notify(self, vehicle: Vehicle, notify: Notify) -> None:
        now, number = self.now, self._notified
        self._notified += 1
        identity = f"{vehicle.vin}-{vehicle.version}-{number}"
        entry = vehicle.registration
        language = language_of(entry.language, entry.country) if entry else DEFAULT
        text = render(notify.kind, notify.code, language, notify.data)
        body = notification.Payload(identity, now, vehicle.vin, notify.kind, notify.code, text, notify.data)
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
                decided_at=self.now,
                body=_encode(fact),
                trigger=trigger,
                verdict=word,
                alarm_id=verdict.alarm_id if isinstance(verdict, Verdict) else None,
            )
        )


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
