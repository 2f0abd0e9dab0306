"""
What silence means. Only the gateway's own clock tells it, and only while the gateway itself could hear.

Rules of this file:

1. Silence alone is a technical note (``supervision_lost``) and never causes an intervention.
2. Silence after jamming while armed, or after a tamper that a special mode held back, is a theft alarm.
3. Silence runs from the last thing heard, or from when the gateway began to hear again, whichever is later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import said
from gateway.domain.alarms import with_newest
from gateway.domain.arming import armed_at
from gateway.domain.dead_zones import SILENT_FOR, came_back
from gateway.domain.finding import Finding
from gateway.domain.moment import Moment, on_gateway_clock
from gateway.domain.said import Evidence, Said
from gateway.domain.signals import Charging, Connection, Mode, TheftSensor
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Sensed, Vehicle

SUPERVISION = "supervision_lost"
AFTER_JAMMING = "comm_loss_after_jamming"
AFTER_TAMPER = "comm_loss_after_tamper"
CAUSES = (SUPERVISION, AFTER_JAMMING, AFTER_TAMPER)
COUNTED_BEFORE = timedelta(seconds=15)
"""A silent vehicle is counted this long before its note is told: many at once are told as one."""
JAMMING = ("jamming_gsm", "jamming_gnss")
REMEMBERED = (
    *JAMMING,
    "battery_disconnect",
    "tamper",
    "battery_low",
    "backup_battery_low",
    "health_check_failed",
)
"""Last words: sensors that say why a car may fall silent."""
JAMMING_FLAPS = timedelta(seconds=60)
"""Jamming comes and goes each second: triggers this close together are one, restored or not."""
JAMMING_IS_OVER = timedelta(seconds=15)
"""A car that speaks so long after jamming went back to rest, and states no other, is not jammed any more."""
JAMMING_HOLDS = timedelta(hours=1)
"""Older jamming that was never restored does not explain a silence."""
HELD_BACK = ("tamper", "battery_disconnect")
HEARD_AGAIN = "heard_again"

EDGE = "E"

State = Literal["driving", "edge", "charging", "parked", "asleep", "private"]


class Expected(Struct, frozen=True):
    """How often a vehicle in a state is heard at least, and why."""

    every: timedelta
    reason: str


EXPECTED: dict[State, Expected] = {
    "driving": Expected(timedelta(seconds=30), "With the ignition on, signals are repeated every 30 s."),
    "edge": Expected(timedelta(minutes=15), "On EDGE data drops for as long as somebody is on the phone."),
    "charging": Expected(timedelta(minutes=30), "The state of charge changes and is stated."),
    "parked": Expected(timedelta(hours=24), "Nothing changes in a parked car; its unit tests itself daily."),
    "asleep": Expected(timedelta(days=7), "It signed off in order and wakes for its weekly sign of life."),
    "private": Expected(timedelta(hours=24), "In private mode a car may state nothing while it is driven."),
}


LONGEST: dict[State, timedelta] = {state: 2 * expected.every for state, expected in EXPECTED.items()}
"""Twice the expected interval: longer is silence (contract 5.1)."""
NOTED_AFTER: dict[State, timedelta] = {state: longest - COUNTED_BEFORE for state, longest in LONGEST.items()}
"""Its silence is noted so long after it was last heard."""


def state_of(vehicle: Vehicle) -> State:
    """What the vehicle was doing when it was last heard."""
    stated, situation = vehicle.stated, vehicle.past.now
    mode = stated.get("mode")
    if isinstance(mode, Mode) and mode.private_mode:
        return "private"
    if situation.ignition_on:
        online = stated.get("connection.online")  # a last will does not say by what it was
        on_edge = isinstance(online, Connection) and online.bearer == EDGE
        return "edge" if on_edge and _may_be_calling(vehicle) else "driving"
    charging, connection = stated.get("charging"), stated.get("connection")
    if isinstance(charging, Charging) and charging.charging:
        return "charging"
    if isinstance(connection, Connection) and not connection.online and connection.occurred_at is not None:
        return "asleep"
    return "parked"


def _may_be_calling(vehicle: Vehicle) -> bool:
    """A gap on EDGE is expected; never under jamming, under a theft alarm, or in a car that may be armed."""
    return vehicle.case_id is None and vehicle.past.now.off_spell is None and jammed(vehicle) is None


def hear(vehicle: Vehicle, at: datetime) -> Vehicle:
    """
    Take note that the vehicle speaks. A note about its silence says so, once, and stays open.

    ``at`` is the arrival by the gateway's clock.
    """
    before = vehicle.heard_at
    if before is not None and before >= at:
        return vehicle
    spots = vehicle.quiet_spots
    if (
        before is not None
        and at - before >= SILENT_FOR
        and jammed(vehicle) is None
        and not vehicle.is_private
    ):
        spots = came_back(spots, vehicle.vin, vehicle.position, (before, at))
    vehicle = replace(vehicle, heard_at=at, quiet_spots=spots)
    alarm = vehicle.alarms.get(SUPERVISION)
    if before is None or alarm is None or f"{SUPERVISION}/{before.isoformat()}" not in vehicle.settled:
        return vehicle
    count, unit = _span(at - before)
    heard = said.evidence(at, said.say("heard_again", count=count, unit=unit))
    evidence = with_newest(alarm.evidence, (heard,))
    told = replace(alarm, note=HEARD_AGAIN, evidence=evidence, gathering=True)
    return replace(vehicle, alarms={**vehicle.alarms, SUPERVISION: told})


def remember(sensed: dict[str, Sensed], fact: TheftSensor, moment: Moment) -> dict[str, Sensed]:
    """Keep the newest word of a sensor that may explain a silence."""
    if fact.cause not in REMEMBERED:
        return sensed
    known = sensed.get(fact.cause, Sensed())
    before = known.triggered if fact.state == "triggered" else known.restored
    if before is not None and before.at > moment.at:
        return sensed
    triggered = moment if fact.state == "triggered" else known.triggered
    restored = moment if fact.state == "restored" else known.restored
    return {**sensed, fact.cause: Sensed(triggered, restored)}


def flaps(sensed: dict[str, Sensed], fact: TheftSensor) -> bool:
    """Whether a trigger is only the next flip of jamming that is known already."""
    known = sensed.get(fact.cause)
    if fact.cause not in JAMMING or known is None or known.triggered is None:
        return False
    return abs(fact.at - known.triggered.at) <= JAMMING_FLAPS


def jammed(vehicle: Vehicle) -> tuple[str, Moment] | None:
    """The jamming under which the vehicle was last heard."""
    heard_at = vehicle.heard_at
    for cause in JAMMING:
        known = vehicle.sensed.get(cause)
        if known is None or known.triggered is None or heard_at is None:
            continue
        age = heard_at - known.triggered.received_at
        if known.is_on:
            holds = age <= JAMMING_HOLDS
        else:
            restored = known.restored or known.triggered
            # Whichever of the two arrived last: the order of arrival must cost no alarm.
            told_at = max(restored.received_at, known.triggered.received_at)
            holds = age <= JAMMING_FLAPS and heard_at - told_at <= JAMMING_IS_OVER
        if holds:
            return cause, known.triggered
    return None


class Silence(Struct, frozen=True):
    """How long a vehicle has been silent, as far as that counts."""

    silent_from: datetime
    hold_until: datetime | None = None
    """While we are deaf or many vehicles are silent at once, single notes wait; a theft does not."""
    broken: bool = False
    """The vehicle speaks just now: nothing of this silence was noted yet."""


def wake_at(vehicle: Vehicle, silence: Silence, thresholds: Thresholds) -> datetime | None:
    """When the next finding of ``due`` comes that has not been settled; cheap, for every step asks for it."""
    heard_at = vehicle.heard_at
    if heard_at is None or vehicle.is_gateway:
        return None
    next_at: datetime | None = noted_at(vehicle, silence.silent_from)
    if vehicle.settled and not silence.broken:
        at = silence.silent_from + LONGEST[state_of(vehicle)]
        since = heard_at.isoformat()
        if f"{SUPERVISION}/noted/{since}" in vehicle.settled:
            next_at = None if f"{SUPERVISION}/{since}" in vehicle.settled else at
    if next_at is not None and silence.hold_until is not None:
        next_at = max(next_at, silence.hold_until)
    if not vehicle.sensed and not vehicle.held_back:
        return next_at
    thefts = (
        finding.at
        for finding in _thefts(vehicle, Moment(heard_at, heard_at), silence, thresholds)
        if f"{finding.cause}/{finding.key}" not in vehicle.settled
    )
    return min((at for at in (next_at, *thefts) if at is not None), default=None)


def noted_at(vehicle: Vehicle, silent_from: datetime) -> datetime:
    """When silence from a time on is noted."""
    return silent_from + NOTED_AFTER[state_of(vehicle)]


def due(vehicle: Vehicle, silence: Silence, thresholds: Thresholds) -> Iterator[Finding]:
    """When silence that lasts becomes a finding."""
    heard_at = vehicle.heard_at
    if heard_at is None or vehicle.is_gateway:
        return
    since = Moment(heard_at, heard_at)
    yield from _supervision(vehicle, since, silence)
    yield from _thefts(vehicle, since, silence, thresholds)


def overdue(vehicle: Vehicle, silent_from: datetime, now: datetime) -> bool:
    """Whether the note about silence would be told if nothing held it."""
    return vehicle.heard_at is not None and silent_from + LONGEST[state_of(vehicle)] <= now


def _supervision(vehicle: Vehicle, since: Moment, silence: Silence) -> Iterator[Finding]:
    state = state_of(vehicle)
    at = silence.silent_from + LONGEST[state]
    noted_at = at - COUNTED_BEFORE
    if silence.hold_until is not None:
        at, noted_at = max(at, silence.hold_until), max(noted_at, silence.hold_until)
    yield Finding(SUPERVISION, f"noted/{_key(since)}", noted_at, since, verdict="noted")
    yield Finding(SUPERVISION, _key(since), at, since, evidence=partial(_silent, since, state))


def _silent(since: Moment, state: State) -> tuple[Evidence, ...]:
    expected = EXPECTED[state]
    count, unit = _span(2 * expected.every)
    text = said.say("silent", count=count, unit=unit, state=state, expected=expected.reason)
    return (said.evidence(since.at, text),)


def _thefts(vehicle: Vehicle, since: Moment, silence: Silence, thresholds: Thresholds) -> Iterator[Finding]:
    yield from _after_jamming(vehicle, since, silence.silent_from, thresholds)
    yield from _after_tamper(vehicle, since, silence.silent_from, thresholds)


def _after_jamming(
    vehicle: Vehicle, since: Moment, silent_from: datetime, thresholds: Thresholds
) -> Iterator[Finding]:
    jamming = jammed(vehicle)
    if jamming is None:
        return
    armed = armed_at(vehicle.past.now, vehicle.counting_cards, thresholds, on_gateway_clock)
    if armed is None:
        return
    cause, moment = jamming
    silence_s = thresholds.comm_loss_after_jamming_s
    at = max(silent_from + timedelta(seconds=silence_s), armed)
    evidence = partial(_jammed_for, silence_s, since, cause, moment)
    yield Finding(AFTER_JAMMING, _key(moment), at, since, evidence=evidence)


def _jammed_for(silence_s: float, since: Moment, cause: str, moment: Moment) -> tuple[Evidence, ...]:
    text = said.say("silent_jammed", cause=cause, seconds=f"{silence_s:g}")
    return _because(text, since, cause, moment)


def _after_tamper(
    vehicle: Vehicle, since: Moment, silent_from: datetime, thresholds: Thresholds
) -> Iterator[Finding]:
    for cause in HELD_BACK:
        moment = vehicle.held_back.get(cause)
        if moment is None:
            continue
        silence_s = thresholds.comm_loss_after_tamper_s
        at = max(silent_from, moment.received_at) + timedelta(seconds=silence_s)
        key = f"{cause}/{_key(moment)}"
        evidence = partial(_held_back_for, silence_s, since, cause, moment)
        yield Finding(AFTER_TAMPER, key, at, since, evidence=evidence)


def _held_back_for(silence_s: float, since: Moment, cause: str, moment: Moment) -> tuple[Evidence, ...]:
    text = said.say("silent_held", cause=cause, seconds=f"{silence_s:g}")
    return _because(text, since, cause, moment)


def _because(text: Said, since: Moment, cause: str, moment: Moment) -> tuple[Evidence, ...]:
    return (
        said.evidence(since.at, text),
        said.evidence(moment.at, said.say("stated_then", cause=cause)),
    )


def _key(moment: Moment) -> str:
    return moment.at.isoformat()


def _span(span: timedelta) -> tuple[str, str]:
    seconds = span.total_seconds()
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g}", unit
    return f"{round(seconds):g}", "seconds"
