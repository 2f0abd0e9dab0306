"""
The whole brain: one pure fold.

    step(vehicle, fact, now, thresholds) -> (vehicle, effects)

Rules of this file:

1. It reads no clock and does nothing; the same facts at the same times give the same state and effects.
2. If in doubt, raise the alarm. No path swallows a theft-sensor trigger: each gets a message or a verdict.
3. At most one alarm per cause is not closed; a further trigger adds to it.
4. A fact from the vehicle looks at the gateway's timers too, as of its arrival: a late Tick loses none, and a
   fact to the contrary that arrived in time is heard first, however late it is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import mode_acts, silence, suppression
from gateway.domain.alarms import (
    GATHER_AT_MOST,
    GATHER_FOR,
    LIFE,
    MAX_EVIDENCE,
    MAX_EVIDENCE_TEXT,
    REOPEN_AT_MOST_EVERY,
    Act,
    Alarm,
    Evidence,
    position_fix,
)
from gateway.domain.causes import BY_NAME, STATED_BY_VEHICLE
from gateway.domain.effects import Announce, Effect, MessageType, Notify, Refused, Silent, Verdict
from gateway.domain.facts import AnyFact
from gateway.domain.finding import Finding, on_gateway_clock, on_vehicle_clock
from gateway.domain.identity import identity
from gateway.domain.outcome import Outcome
from gateway.domain.parts import ACTS, EXPIRES, WAKES, WATCHES
from gateway.domain.rules import RULES, car_alarm, nothing_due
from gateway.domain.services.data_bundle import state_bundle, used_share
from gateway.domain.signals import (
    LATE,
    Acknowledge,
    Blind,
    Charging,
    Close,
    Connection,
    DataBundle,
    DriverCard,
    Event,
    Fact,
    ForgedRepeat,
    Healthy,
    Ignition,
    Located,
    Mode,
    Movement,
    Position,
    Registered,
    Software,
    TheftSensor,
    Tick,
    Unreadable,
)
from gateway.domain.situation import Situation, SituationFact, apply, moment_of
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import MAX_SETTLED, StatedFact, Vehicle, compact, insert

SIREN = car_alarm.CAUSE
CARD_RETURNED = "card_returned"
MASS_LOSS_LOOK_AGAIN = timedelta(seconds=60)
DEAF_LOOK_AGAIN = timedelta(minutes=15)
"""A note about silence that has to wait for our own ears: no reason to wake a whole fleet each minute."""
SOON = timedelta(microseconds=1)
"""A timer that is overdue asks to be woken at once, behind the facts that wait already."""


def step(
    vehicle: Vehicle, fact: AnyFact, now: datetime, thresholds: Thresholds
) -> tuple[Vehicle, tuple[Effect, ...]]:
    """
    Fold one fact into a vehicle's state.

    Units:   ``now`` is the gateway's UTC time of deciding, never before ``fact.received_at``.
    Errors:  none; a person's act that is not possible comes back as ``Refused``.
    Source:  contract 2.1, 3.2-3.5, 5.
    """
    turn = _Turn(vehicle, now, thresholds)
    turn.hear(fact)
    turn.expire()
    turn.take(fact)
    turn.look_at_timers(fact)
    turn.tell_gathered()
    return turn.finish(), tuple(turn.effects)


class _Origin(Struct, frozen=True):
    """What an alarm says of its first trigger's times."""

    occurred_at: datetime
    received_at: datetime
    late: bool
    clock_suspect: bool


class _Turn:
    """One step while it happens: the state so far and the effects so far."""

    def __init__(self, vehicle: Vehicle, now: datetime, thresholds: Thresholds) -> None:
        self.vehicle = vehicle
        self.now = now
        self.thresholds = thresholds
        self.effects: list[Effect] = []
        self.silent_from: datetime | None = None
        self.hold_until: datetime | None = None
        self.flapping = False
        self._asked: tuple[object, ...] | None = None
        self._due: list[Finding] = []

    def hear(self, fact: AnyFact) -> None:
        """Note that the vehicle speaks, first of all: a mode that ends must leave no silence that is over."""
        if isinstance(fact, (Event, Movement, Ignition)):
            self._heard(fact.received_at)
        elif isinstance(fact, Connection) and fact.online and fact.occurred_at is not None:
            self._heard(fact.at)
        elif isinstance(fact, Tick) and fact.heard_at is not None:
            self._heard(fact.heard_at)

    def take(self, fact: AnyFact) -> None:  # noqa: C901, PLR0912  # a line a fact: a table hides the types
        """Give the fact to the part that it concerns."""
        match fact:
            case TheftSensor():
                self._theft_sensor(fact)
            case DriverCard():
                self._set(card_ever_stated=True)
                self._state("driver-card", fact)
                self._situation(fact)
                self._card_returned(fact)
            case Movement() | Ignition():
                if isinstance(fact, Movement) and fact.position is not None:
                    self._locate_unless_private(fact.position, fact.at)
                self._situation(fact)
            case Located():
                self._locate_unless_private(fact.position, fact.at, for_alarm=fact.for_alarm)
                if not (fact.driven or self._driven_privately()):
                    self._situation(fact)
            case DataBundle():
                self._bundle(fact)
            case Mode():
                self._mode(fact)
            case Software():
                self._software(fact)
            case Charging():
                self._state("charging", fact)
            case Connection():
                self._state("connection", fact)
            case Unreadable():
                self._unreadable(fact)
            case ForgedRepeat():
                self._forged(fact)
            case Registered():
                self._set(registration=fact.registration)
            case Acknowledge():
                self._acknowledge(fact)
            case Close():
                self._close(fact.alarm_id, fact.by, fact.disposition, fact.note)
            case Blind():
                self._blind(fact)
            case Healthy():
                self._healthy()
            case Tick():
                self._tick(fact)
            case _ if type(fact) in ACTS:
                self._follow(ACTS[type(fact)](self.vehicle, fact, self.now))
        for watch in WATCHES.get(type(fact), ()):
            self._follow(watch(self.vehicle, fact, self.now))

    def expire(self) -> None:
        """Whatever has a time and is over ends before anything else is decided."""
        for expire in EXPIRES:
            self._follow(expire(self.vehicle, self.now))

    def look_at_timers(self, fact: AnyFact) -> None:
        """Findings whose time has come by the gateway's own clock."""
        if not isinstance(fact, (Tick, Event, Movement, Ignition)):
            return
        reached = self.now if isinstance(fact, Tick) else fact.received_at
        for finding in self._due_by_gateway():
            if finding.at <= reached:
                self._settle(finding)
        silent = self._silence() if isinstance(fact, Tick) else None
        if silent is not None:
            for finding in silence.due(self.vehicle, silent, self.thresholds):
                if finding.at <= reached:
                    self._settle(finding)

    def tell_gathered(self) -> None:
        """Send what was gathered for one alarm once its second is over or it is many."""
        for alarm in self.vehicle.alarms.values():
            young = self._within(alarm.told_at, GATHER_FOR) and len(alarm.gathered) < GATHER_AT_MOST
            if alarm.gathering and not young:
                self._tell("alarm.updated", alarm, alarm.gathered)
        if self.vehicle.suppressed:
            self._follow(Outcome(*suppression.tell_gathered(self.vehicle, self.now)))

    def finish(self) -> Vehicle:
        """The new state, with the time at which it wants to be woken."""
        times = [finding.at for finding in self._due_by_gateway()]
        silent = self._silence()
        silent_at = None if silent is None else silence.wake_at(self.vehicle, silent, self.thresholds)
        if silent_at is not None:
            times.append(silent_at)
        if self.vehicle.alarms:
            told = [alarm.told_at for alarm in self.vehicle.alarms.values() if alarm.gathering]
            times += [at + GATHER_FOR for at in told]
        for wakes in WAKES:
            times += wakes(self.vehicle)
        wake_at = max(min(times), self.now + SOON) if times else None
        self._set(wake_at=wake_at, version=self.vehicle.version + 1)
        return self.vehicle

    # -- statements -------------------------------------------------------------------------------------

    def _theft_sensor(self, fact: TheftSensor) -> None:
        if fact.position is not None:
            self._locate(fact.position, fact.at)
        self.flapping = silence.flaps(self.vehicle.sensed, fact)
        if fact.cause == SIREN:
            self._siren(fact)
        elif fact.state == "restored":
            self._restored(fact)
        else:
            self._trigger(_cause_of(fact), _origin(fact), (fact.event_id,), (_stated(fact),), at=fact.at)
        self._set(sensed=silence.remember(self.vehicle.sensed, fact, moment_of(fact)))

    def _siren(self, fact: TheftSensor) -> None:
        known = self.vehicle.past.base.siren
        if known is not None and known.stated_at > fact.at:
            # Too old to be followed: in doubt it counts by itself.
            if fact.state == "triggered" or self._states_enough(fact):
                self._trigger(SIREN, _origin(fact), _trigger_ids(fact), (_stated(fact),), at=fact.at)
            return
        self._set(pending=(*self.vehicle.pending, *_trigger_ids(fact)))
        self._situation(fact)
        if fact.state == "restored":
            self._restored(fact)
        elif fact.event_id in self.vehicle.pending:
            self.effects.append(Verdict(fact.event_id, "pending"))

    def _states_enough(self, fact: TheftSensor) -> bool:
        return fact.cause == SIREN and (fact.active_for_s or 0) >= self.thresholds.car_alarm_min_s

    def _leave_none_waiting(self, fact: SituationFact) -> None:
        """Raise the siren triggers that no timer watches over: what can't be followed counts by itself."""
        siren = self.vehicle.past.now.siren
        watched: tuple[str, ...] = ()
        if (
            siren is not None
            and siren.active
            and f"{SIREN}/{car_alarm.key(siren)}" not in self.vehicle.settled
        ):
            watched = siren.event_ids
        left = tuple(event_id for event_id in self.vehicle.pending if event_id not in watched)
        if not left:
            return
        self._set(pending=tuple(event_id for event_id in self.vehicle.pending if event_id in watched))
        if isinstance(fact, TheftSensor) and fact.event_id in left:
            evidence = _stated(fact)
        else:
            evidence = Evidence("When this siren ended can't be told: in doubt it counts.", left[0], fact.at)
        self._trigger(SIREN, _origin(fact), left, (evidence,), at=fact.at)

    def _restored(self, fact: TheftSensor) -> None:
        cause = _cause_of(fact)
        evidence = Evidence("The sensor went back to rest. This closes nothing.", fact.event_id, fact.at)
        if self.vehicle.modes.running:
            self.vehicle = suppression.restore(self.vehicle, cause, evidence)
        alarm = self.vehicle.alarms.get(cause)
        if alarm is None:
            return
        self._keep(replace(alarm, evidence=_with(alarm.evidence, (evidence,))))

    def _card_returned(self, fact: DriverCard) -> None:
        """Mark the open alarm; a person decides whether it was one."""
        alarm, counting = self.vehicle.alarms.get("driver_card_missing"), self.vehicle.counting_cards
        if alarm is None or not fact.present or (counting and fact.card_id not in counting):
            return
        if alarm.note != CARD_RETURNED:
            evidence = Evidence(f"Driver Card {fact.card_id} is back. This closes nothing.", None, fact.at)
            evidence_now = _with(alarm.evidence, (evidence,))
            self._keep(replace(alarm, note=CARD_RETURNED, evidence=evidence_now, gathering=True))

    def _bundle(self, fact: DataBundle) -> None:
        bundles, fresh = state_bundle(self.vehicle.bundles, fact, self.now)
        self._set(bundles=bundles)
        user = self.vehicle.registration.main_user if self.vehicle.registration else None
        if user is None:
            return
        percent = round(used_share(fact) * 100)
        for code in fresh:
            data = {"bundle_id": fact.bundle_id, "used_percent": percent}
            self.effects.append(Notify(user, "data_bundle", code, data))

    def _software(self, fact: Software) -> None:
        known = self.vehicle.stated.get("software")
        self._state("software", fact)
        if known is None or known.at <= fact.at:
            self._follow(mode_acts.installing(self.vehicle, fact, self.now))

    def _state(self, topic_kind: str, fact: StatedFact) -> None:
        known = self.vehicle.stated.get(topic_kind)
        if known is None or (known.at, repr(known)) <= (fact.at, repr(fact)):
            self._set(stated={**self.vehicle.stated, topic_kind: fact})

    def _mode(self, fact: Mode) -> None:
        """Either field may be missing, so each keeps its own newest statement; ``mode`` is both together."""
        self._state("mode", fact)
        for field in ("private_mode", "remote_access_enabled"):
            if getattr(fact, field) is not None:
                self._state(f"mode.{field}", fact)
        newest = {field: self._mode_field(field) for field in ("private_mode", "remote_access_enabled")}
        mode = replace(self.vehicle.stated["mode"], **newest)
        self._set(stated={**self.vehicle.stated, "mode": mode})

    def _mode_field(self, field: str) -> bool | None:
        stated = self.vehicle.stated.get(f"mode.{field}")
        return None if stated is None else getattr(stated, field)

    def _forged(self, fact: ForgedRepeat) -> None:
        """Tamper; and a trigger counts by itself too: a counter that restarts must not swallow a theft."""
        text = f"The event {fact.event_id} ({fact.kind}) came again with other content."
        evidence = (Evidence(text, fact.event_id, fact.at),)
        self._trigger("tamper", _origin(fact), (), evidence, forged=True)
        sensor = fact.sensor
        if sensor is not None and (sensor.state == "triggered" or self._states_enough(sensor)):
            triggers = _trigger_ids(sensor)
            self._trigger(_cause_of(sensor), _origin(sensor), triggers, (_stated(sensor),), at=sensor.at)

    def _unreadable(self, fact: Unreadable) -> None:
        text = f"A theft-sensor message can't be read: {fact.reason} (SHA-256 {fact.sha256[:16]}…)."
        self._trigger("unreadable_event", _origin(fact), (), (Evidence(text, fact.event_id, fact.at),))

    def _locate_unless_private(self, position: Position, at: datetime, *, for_alarm: bool = False) -> None:
        """In private mode a position is used at once and not kept; what goes with an alarm stays its own."""
        if for_alarm or not self.vehicle.is_private:
            self._locate(position, at)

    def _locate(self, position: Position, at: datetime) -> None:
        known = self.vehicle.position
        if known is None or known.at <= at:
            self._set(position=position_fix(position, at))

    def _driven_privately(self) -> bool:
        """Where a car is driven in private mode leaves no trail; where it is parked is remembered."""
        return bool(self._mode_field("private_mode")) and self.vehicle.past.now.ignition_on is not False

    def _heard(self, at: datetime) -> None:
        self.vehicle = silence.hear(self.vehicle, at)

    def _tick(self, tick: Tick) -> None:
        """Silence counts from when both were so: the vehicle silent, and the gateway able to hear."""
        heard_at = self.vehicle.heard_at
        if heard_at is None:
            return
        self.silent_from = max(heard_at, tick.hearing_since or self.now)
        if tick.hearing_since is None:
            self.hold_until = self.now + DEAF_LOOK_AGAIN
        elif tick.mass_loss:
            self.hold_until = self.now + MASS_LOSS_LOOK_AGAIN
            if silence.overdue(self.vehicle, self.silent_from, self.now):
                self.effects.append(Silent(held=True))

    # -- durations --------------------------------------------------------------------------------------

    def _situation(self, fact: SituationFact) -> None:
        thresholds, counting = self.thresholds, self.vehicle.counting_cards
        past, place = insert(self.vehicle.past, fact)
        situation = past.now
        if place < len(past.window) - 1:
            situation = past.base
            for one in past.window[:place]:
                situation = apply(situation, one, thresholds, counting)
        for one in past.window[place:]:
            before, situation = situation, apply(situation, one, thresholds, counting)
            for finding in self._proven_by(one, before, situation):
                self._settle(finding)
        self._set(past=compact(replace(past, now=situation), thresholds, counting))
        if self.vehicle.pending:
            self._leave_none_waiting(fact)

    def _proven_by(self, fact: SituationFact, before: Situation, after: Situation) -> Iterator[Finding]:
        """What a fact proves: what held until it came, and what holds with it."""
        counting, at = self.vehicle.counting_cards, fact.at
        loud = [one for one in (before, after) if not nothing_due(one, counting)]
        for rule in RULES if loud else ():
            for situation in loud:
                finding, reached = None, at
                if not fact.clock_suspect:
                    finding = rule.due(situation, counting, self.thresholds, on_vehicle_clock)
                if finding is None:
                    # Where the vehicle's clock can't be believed, the arrivals of both facts prove it.
                    finding = rule.due(situation, counting, self.thresholds, on_gateway_clock)
                    reached = fact.received_at
                if finding is not None and finding.at <= reached:
                    yield finding
        dismissed = car_alarm.below_minimum(before, after)
        if dismissed is not None:
            yield dismissed

    def _due_by_gateway(self) -> list[Finding]:
        """Computed once for a situation: a step asks twice, and seldom is anything between."""
        vehicle = self.vehicle
        asked = (vehicle.past.now, vehicle.settled, vehicle.registration)
        if self._asked is None or any(
            one is not other for one, other in zip(self._asked, asked, strict=True)
        ):
            situation, counting = vehicle.past.now, vehicle.counting_cards
            rules = () if nothing_due(situation, counting) else RULES
            found = (rule.due(situation, counting, self.thresholds, on_gateway_clock) for rule in rules)
            self._asked = asked
            self._due = [finding for finding in found if finding and _key(finding) not in vehicle.settled]
        return self._due

    def _silence(self) -> silence.Silence | None:
        since = self.silent_from or self.vehicle.heard_at
        return None if since is None else silence.Silence(since, self.hold_until)

    def _settle(self, finding: Finding) -> None:
        """Let an episode count once."""
        key = _key(finding)
        if key in self.vehicle.settled:
            return
        self._set(settled=(*self.vehicle.settled, key)[-MAX_SETTLED:])
        if finding.cause == silence.SUPERVISION:
            self.effects.append(Silent(held=finding.verdict == "noted"))
        if finding.verdict == "noted":
            return
        pending = self.vehicle.pending
        event_ids = tuple(event_id for event_id in finding.event_ids if event_id in pending)
        if event_ids:
            self._set(pending=tuple(event_id for event_id in pending if event_id not in event_ids))
        if finding.verdict == "alarm":
            since = finding.since
            late = since.received_at - since.at > LATE
            origin = _Origin(since.at, since.received_at, late, since.suspect)
            self._trigger(finding.cause, origin, event_ids, finding.evidence, at=finding.at)
        else:
            self.effects.extend(Verdict(event_id, finding.verdict) for event_id in event_ids)

    # -- alarms -----------------------------------------------------------------------------------------

    def _trigger(
        self,
        cause: str,
        origin: _Origin,
        event_ids: tuple[str, ...],
        evidence: tuple[Evidence, ...],
        *,
        at: datetime | None = None,
        forged: bool = False,
        note: str | None = None,
    ) -> None:
        """Alarm, or record as held back by a special mode. ``at``: when it happened, unless on arrival."""
        if at is None:
            at = origin.occurred_at if origin.late else origin.received_at
        verdict = suppression.decide(cause, self.vehicle, at, self.now, forged=forged)
        if isinstance(verdict, suppression.Suppressed):
            self._hold_back(verdict, cause, origin, event_ids, evidence)
            return
        alarm = self.vehicle.alarms.get(cause)
        if alarm is None:
            alarm = self._raise(cause, origin, event_ids, evidence, note)
        else:
            self._add(alarm, event_ids, evidence, note)
        self.effects.extend(Verdict(event_id, "alarm", alarm.alarm_id) for event_id in event_ids)

    def _hold_back(
        self,
        verdict: suppression.Suppressed,
        cause: str,
        origin: _Origin,
        event_ids: tuple[str, ...],
        evidence: tuple[Evidence, ...],
    ) -> None:
        held = suppression.Held(
            cause=cause,
            event_ids=event_ids,
            evidence=evidence,
            occurred_at=origin.occurred_at,
            received_at=origin.received_at,
            late=origin.late,
            clock_suspect=origin.clock_suspect,
        )
        self.vehicle, effects, alarm_id = suppression.hold_back(self.vehicle, held, verdict, self.now)
        self.effects.extend(effects)
        self.effects.extend(Verdict(event_id, "suppressed", alarm_id) for event_id in event_ids)

    def _follow(self, outcome: Outcome | None) -> None:
        """Take what a part has changed, asked for and found."""
        if outcome is None:
            return
        self.vehicle = outcome.vehicle
        self.effects.extend(outcome.effects)
        for found in outcome.found:
            origin = _Origin(found.at, found.at, late=False, clock_suspect=False)
            self._trigger(found.cause, origin, (), found.evidence, at=self.now, note=found.note)

    def _raise(
        self,
        cause: str,
        origin: _Origin,
        event_ids: tuple[str, ...],
        evidence: tuple[Evidence, ...],
        note: str | None = None,
    ) -> Alarm:
        vehicle, number = self.vehicle, self.vehicle.alarms_made + 1
        if BY_NAME[cause].cause_class == "theft" and vehicle.case_id is None:
            self._set(case_id=self._identity("case", number))
        alarm = Alarm(
            alarm_id=self._identity("alarm", number),
            vin=None if vehicle.is_gateway else vehicle.vin,
            cause=cause,
            state="open",
            case_id=self.vehicle.case_id if BY_NAME[cause].cause_class == "theft" else None,
            occurred_at=origin.occurred_at,
            received_at=origin.received_at,
            raised_at=self.now,
            late=origin.late,
            clock_suspect=origin.clock_suspect,
            position=vehicle.position,
            note=note,
            count=max(1, len(event_ids)),
            evidence=evidence[-MAX_EVIDENCE:],
            told_at=self.now,
        )
        self._set(alarms_made=number)
        self._tell("alarm.raised", alarm, event_ids)
        return alarm

    def _add(
        self,
        alarm: Alarm,
        event_ids: tuple[str, ...],
        evidence: tuple[Evidence, ...],
        note: str | None = None,
    ) -> None:
        """Count a further trigger; the message follows at once, or gathered within a second."""
        if len(alarm.gathered) + len(event_ids) > GATHER_AT_MOST:
            alarm = self._flushed(alarm)
        reopen = (
            alarm.state == "acknowledged"
            and not self.flapping
            and (alarm.reopened_at is None or not self._within(alarm.reopened_at, REOPEN_AT_MOST_EVERY))
        )
        self._keep(
            replace(
                alarm,
                state=LIFE[alarm.state, "trigger"] if reopen else alarm.state,
                reopened_at=self.now if reopen else alarm.reopened_at,
                acknowledged_by=None if reopen else alarm.acknowledged_by,
                count=alarm.count + max(1, len(event_ids)),
                position=self.vehicle.position or alarm.position,
                note=note or alarm.note,
                evidence=_with(alarm.evidence, evidence),
                gathered=(*alarm.gathered, *event_ids),
                gathering=True,
            )
        )

    def _acknowledge(self, fact: Acknowledge) -> None:
        alarm = self._find(fact.alarm_id, "acknowledge")
        if alarm is None:
            return
        state = LIFE[alarm.state, "acknowledge"]
        note = alarm.note if fact.note is None else fact.note
        alarm = self._flushed(alarm)
        self._tell("alarm.acknowledged", replace(alarm, state=state, acknowledged_by=fact.by, note=note), ())

    def _close(self, alarm_id: str, by: str, disposition: str, note: str | None) -> None:
        alarm = self._find(alarm_id, "close")
        if alarm is None:
            return
        alarm = self._flushed(alarm)
        evidence = _with(alarm.evidence, (Evidence(f"Closed by {by} as {disposition}.", None, self.now),))
        closed = replace(
            alarm,
            state=LIFE[alarm.state, "close"],
            disposition=disposition,
            note=note or alarm.note,
            evidence=evidence,
        )
        alarms = {cause: other for cause, other in self.vehicle.alarms.items() if cause != alarm.cause}
        self._set(alarms=alarms)
        if not any(BY_NAME[cause].cause_class == "theft" for cause in alarms):
            self._set(case_id=None)
        self.effects.append(Announce("alarm.closed", closed))

    def _find(self, alarm_id: str, act: Act) -> Alarm | None:
        every = (*self.vehicle.alarms.values(), *self.vehicle.suppressed.values())
        alarm = next((one for one in every if one.alarm_id == alarm_id), None)
        if alarm is None:
            self.effects.append(
                Refused("illegal_transition", "The alarm is closed, or it is none of this vehicle.")
            )
            return None
        if (alarm.state, act) not in LIFE:
            self.effects.append(Refused("illegal_transition", f"An alarm that is {alarm.state} can't {act}."))
            return None
        return alarm

    def _flushed(self, alarm: Alarm) -> Alarm:
        """Tell what was gathered before a person's act is told."""
        if alarm.gathering:
            self._tell("alarm.updated", alarm, alarm.gathered)
        return self.vehicle.alarms[alarm.cause]

    def _tell(self, kind: MessageType, alarm: Alarm, event_ids: tuple[str, ...]) -> None:
        told_at = self.now if kind in ("alarm.raised", "alarm.updated") else alarm.told_at
        alarm = replace(alarm, gathered=(), gathering=False, told_at=told_at)
        self._keep(alarm)
        self.effects.append(Announce(kind, alarm, event_ids))

    # -- the gateway itself -----------------------------------------------------------------------------

    def _blind(self, fact: Blind) -> None:
        evidence = tuple(Evidence(reason, None, fact.at) for reason in fact.reasons)
        known = self.vehicle.alarms.get("gateway_blind")
        if known is None or any(one.text not in {old.text for old in known.evidence} for one in evidence):
            self._trigger("gateway_blind", _origin(fact), (), evidence)

    def _healthy(self) -> None:
        alarm = self.vehicle.alarms.get("gateway_blind")
        if alarm is not None:
            self._close(alarm.alarm_id, "gateway", "recovered", None)

    # -- small things -----------------------------------------------------------------------------------

    def _set(self, **changes: object) -> None:
        self.vehicle = replace(self.vehicle, **changes)

    def _within(self, since: datetime, span: timedelta) -> bool:
        """Whether less than ``span`` has passed; not if our clock was set back behind ``since``."""
        return since <= self.now < since + span

    def _keep(self, alarm: Alarm) -> None:
        self._set(alarms={**self.vehicle.alarms, alarm.cause: alarm})

    def _identity(self, what: str, number: int) -> str:
        """An opaque id that a replay gives again."""
        return identity(self.vehicle.vin, what, number, self.now)


def _origin(fact: Fact) -> _Origin:
    """Times of a fact; what the gateway states by itself has no clock that could be suspect."""
    suspect = fact.clock_suspect and isinstance(fact, Event)
    return _Origin(fact.occurred_at or fact.received_at, fact.received_at, fact.late, suspect)


def _key(finding: Finding) -> str:
    return f"{finding.cause}/{finding.key}"


def _cause_of(fact: TheftSensor) -> str:
    return fact.cause if fact.cause in STATED_BY_VEHICLE else "unknown"


def _stated(fact: TheftSensor) -> Evidence:
    where = f" ({fact.zone})" if fact.zone else ""
    text = f"The car states {fact.cause!r}{where}."
    if _cause_of(fact) == "unknown":
        text = f"The car states {fact.cause!r}, which this gateway does not know."
    if fact.active_for_s is not None:
        text += f" Active for {fact.active_for_s:g} s."
    if fact.detail:
        text += f" It adds: {fact.detail}"
    for note in fact.notes:
        text += f" Left out: {note}."
    return Evidence(text[:MAX_EVIDENCE_TEXT], fact.event_id, fact.at)


def _trigger_ids(fact: TheftSensor) -> tuple[str, ...]:
    """``event_ids`` of a message hold triggers only."""
    return (fact.event_id,) if fact.state == "triggered" else ()


def _with(evidence: tuple[Evidence, ...], more: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Keep the first sentence, which says why it was raised, and the newest ones."""
    every = (*evidence, *more)
    return every if len(every) <= MAX_EVIDENCE else (every[0], *every[-(MAX_EVIDENCE - 1) :])
