"""What follows from folding one batch: effects as rows of one transaction. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.effects import Announce, Audited, Effect, Notify, Register, Revoke, Silent, Verdict
from gateway.domain.facts import AnyFact
from gateway.domain.remote_access.effects import CommandChanged
from gateway.domain.remote_access.facts import Stated
from gateway.domain.signals import Event, ForgedRepeat, Located, Movement, Registration, TheftSensor
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle
from gateway.pipeline.case_rows import CaseRows, tell_all
from gateway.pipeline.commanding import LEAVES, Leaving, command_row
from gateway.pipeline.inbox import Item
from gateway.pipeline.messages import FeedData, alarm_row, encode_data, feed_data, feed_message
from gateway.ports import (
    AlarmRow,
    AuditEntry,
    CommandRow,
    Decision,
    FactRow,
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
from gateway.wire import notification

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


class Rows:
    """What effects ask for, as the commit must hold it and as it leaves afterwards."""

    def __init__(self, context: Context, sequences: dict[str, int]) -> None:
        self.sequences = sequences
        self.messages: list[Message] = []
        self.cases = CaseRows()
        self.leaving: list[Leaving] = []
        self.silent: list[str] = []
        self.suppressed = 0
        self.entries: dict[str, Registration | None] = {}  # as the registry holds them before the commit
        self._context = context
        self._now = context.now
        self._facts: list[FactRow] = []
        self._verdicts: list[LaterVerdict] = []
        self._alarms: dict[str, AlarmRow] = {}
        self._notifications: list[Notification] = []
        self._audit: list[AuditEntry] = []
        self._track: list[TrackRow] = []
        self._left_cases: list[LeftCase] = []
        self._registrations: dict[str, RegistryRow] = {}
        self._commands: dict[str, CommandRow] = {}
        self._revocations: list[Revocation] = []
        self._notified = 0
        self._announced: list[tuple[Announce, Vehicle, Key]] = []

    def decision(
        self,
        *,
        vehicles: tuple[VehicleRow, ...],
        quarantine: tuple[QuarantineRow, ...],
        unprotected: tuple[UnprotectedRow, ...],
    ) -> Decision:
        """Everything as one transaction, with what the fold itself leaves."""
        return Decision(
            facts=tuple(self._facts),
            verdicts=tuple(self._verdicts),
            vehicles=vehicles,
            alarms=tuple(self._alarms.values()),
            messages=tuple(self.messages),
            notifications=tuple(self._notifications),
            quarantine=quarantine,
            audit=tuple(self._audit),
            track=tuple(self._track),
            left_cases=tuple(self._left_cases),
            cases=self.cases.cases,
            case_entries=tuple(self.cases.entries),
            waiting=self.cases.waiting,
            escalations=tuple(self.cases.escalations),
            registrations=tuple(self._registrations.values()),
            commands=tuple(self._commands.values()),
            unprotected=unprotected,
            revocations=tuple(self._revocations),
        )

    def carry_out(  # noqa: C901  # one branch an effect
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
                    entry = AuditEntry(self._now, effect.actor, effect.action, vehicle.vin, effect.details)
                    self._audit.append(entry)
                    self.cases.audited(vehicle, effect, self._now)
                case CaseChanged() | CaseNoted() | Escalated():
                    self._case(vehicle, effect, fact)
                case Notify():
                    self._notify(vehicle, effect)
                case Register():
                    replaces = self.entries.get(vehicle.vin)
                    self._registrations[vehicle.vin] = RegistryRow(effect.registration, replaces)
                case Revoke():
                    self._revoke(vehicle.vin, effect)
                case Silent():
                    self.silent.append(vehicle.vin)
                case _:
                    self._leave(vehicle.vin, effect, fact)
        return own

    def follow_case(self, before: Vehicle, vehicle: Vehicle, fact: AnyFact) -> None:
        """Keep the track under an open theft alarm, when its case ends, and what waits for approval."""
        if before.case_id is not None and vehicle.case_id != before.case_id:
            self._left_cases.append(LeftCase(before.case_id, self._now))
        if vehicle.approvals.waiting is not before.approvals.waiting:
            self.cases.wait(vehicle, self._soc_of(vehicle))
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

    def journal(
        self, subject: str, kind: str, fact: AnyFact | Event, item: Item | None, verdict: Verdict | str | None
    ) -> None:
        """Keep a fact as it was decided."""
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
                decided_at=self._now,
                body=_encode(fact),
                trigger=trigger,
                verdict=word,
                alarm_id=verdict.alarm_id if isinstance(verdict, Verdict) else None,
            )
        )

    def unrecorded(self, is_told: Callable[[Key], bool]) -> Iterator[tuple[Message, Key]]:
        """New triggers as messages without a sequence, each with a key that a second attempt gives again."""
        self._announced = [one for one in self._announced if not is_told(one[2])]
        for announce, vehicle, key in self._announced:
            if announce.type in ("alarm.raised", "alarm.updated") and announce.alarm.state != "suppressed":
                soc = self._soc_of(vehicle)
                data = feed_data(vehicle, announce.alarm, announce.event_ids, soc=soc, sequence=None)
                yield self._message("alarm.unrecorded", data, encode_data(data), vehicle.vin), key

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
        self._audit.append(AuditEntry(self._now, actor, announce.type, data.alarm_id, details))
        self.cases.announce(announce, actor, message)
        key = (vehicle.vin, data.cause, *announce.event_ids, fact.received_at)
        self._announced.append((announce, vehicle, key))

    def _case(self, vehicle: Vehicle, effect: CaseChanged | CaseNoted | Escalated, fact: AnyFact) -> None:
        soc = self._soc_of(vehicle)
        match effect:
            case CaseChanged():
                self.cases.change(vehicle, soc, effect)
            case CaseNoted():
                self._audit.append(self.cases.note(vehicle, effect, self._now))
            case Escalated():
                self._audit.append(self.cases.escalate(soc, effect, self._now))
                if effect.tell and self._context.may_tell(soc, self._now):
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
            created_at=self._now,
        )

    def _revoke(self, vin: str, revoke: Revoke) -> None:
        """Who is no user any more gets nothing that was decided before either."""
        self._revocations.append(Revocation(vin, revoke.users, revoke.unnamed, self._now))
        kept = [one for one in self._notifications if one.vin != vin or one.user not in revoke.users]
        self._notifications = kept

    def _notify(self, vehicle: Vehicle, notify: Notify) -> None:
        now, number = self._now, self._notified
        self._notified += 1
        identity = f"{vehicle.vin}-{vehicle.version}-{number}"
        entry = vehicle.registration
        language = language_of(entry.language, entry.country) if entry else DEFAULT
        text = render(notify.kind, notify.code, language, notify.data)
        body = notification.Payload(identity, now, vehicle.vin, notify.kind, notify.code, text, notify.data)
        self._notifications.append(Notification(identity, notify.user, vehicle.vin, _encode(body), now))
