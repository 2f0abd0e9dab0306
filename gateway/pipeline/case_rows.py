"""What one batch changes in cases: rows, timelines, and what the audit trail says of them. No I/O."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.approvals import APPROVAL_LIVES
from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.effects import Announce, Audited
from gateway.domain.vehicle import Vehicle
from gateway.ports import (
    AuditEntry,
    CaseEntryRow,
    CaseRow,
    EscalationRow,
    Message,
    Waiting,
    WaitingRow,
)

TOLD_AT_MOST = 60
PER = timedelta(minutes=1)
BESIDE = ("mode.", "command.", "remote.", "theft.")
"""Acts on a vehicle that its open case shows as well, by the beginning of their name in the audit trail."""


class EscalationLimit:
    """
    At most 60 messages a minute and SOC that say nothing but that an alarm waits.

    When nobody acts on thousands of alarms, their escalations must not double the feed that nobody reads.
    """

    def __init__(self) -> None:
        self._begun: dict[str, datetime] = {}
        self._told: dict[str, int] = {}

    def may_tell(self, soc: str, now: datetime) -> bool:
        """Whether one more may be told; if so it is counted."""
        begun = self._begun.get(soc)
        if begun is None or not begun <= now < begun + PER:
            self._begun[soc], self._told[soc] = now, 0
        if self._told[soc] >= TOLD_AT_MOST:
            return False
        self._told[soc] += 1
        return True


def tell_all(_soc: str, _now: datetime) -> bool:
    """Tell each of them, as a replay does."""
    return True


class CaseRows:
    """Gathers rows; of a case only what it is in the end."""

    def __init__(self) -> None:
        self.entries: list[CaseEntryRow] = []
        self.escalations: list[EscalationRow] = []
        self._cases: dict[str, CaseRow] = {}
        self._waiting: dict[str, WaitingRow] = {}

    @property
    def cases(self) -> tuple[CaseRow, ...]:
        """Each case once."""
        return tuple(self._cases.values())

    @property
    def waiting(self) -> tuple[WaitingRow, ...]:
        """What waits for a second person, of each vehicle where that has changed."""
        return tuple(self._waiting.values())

    @property
    def escalated(self) -> frozenset[str]:
        """SOCs whose standby sinks have something new."""
        return frozenset(row.soc for row in self.escalations)

    def change(self, vehicle: Vehicle, soc: str, changed: CaseChanged) -> None:
        """Keep a case as it is now."""
        self._cases[changed.case.case_id] = CaseRow(vehicle.vin, soc, changed.case)

    def wait(self, vehicle: Vehicle, soc: str) -> None:
        """Keep what waits for a second person as it is now."""
        self._waiting[vehicle.vin] = WaitingRow(
            vehicle.vin,
            soc,
            tuple(
                Waiting(
                    *(one.approval_id, vehicle.vin, vehicle.case_id, one.what, one.asked_by, one.asked_at),
                    one.asked_at + APPROVAL_LIVES,
                )
                for one in vehicle.approvals.waiting
            ),
        )

    def note(self, vehicle: Vehicle, noted: CaseNoted, now: datetime) -> AuditEntry:
        """Write into the timeline; returns what the audit trail says of it."""
        what = f"case.{noted.what}"
        if noted.in_timeline:
            details = {**noted.details, **noted.private}
            self.entries.append(CaseEntryRow(noted.case_id, now, noted.actor, what, details))
        return AuditEntry(now, noted.actor, what, noted.case_id, {"vin": vehicle.vin, **noted.details})

    def announce(self, announce: Announce, actor: str, message: Message) -> None:
        """Show a message about an alarm of a case; further triggers are counted in the alarm itself."""
        alarm = announce.alarm
        if alarm.case_id is None or (announce.type == "alarm.updated" and announce.event_ids):
            return
        details = {"cause": alarm.cause, "state": alarm.state, "sequence": message.sequence}
        at = message.created_at
        self.entries.append(CaseEntryRow(alarm.case_id, at, actor, announce.type, details, alarm.alarm_id))

    def audited(self, vehicle: Vehicle, audited: Audited, now: datetime) -> None:
        """Show what else people and modes do to a vehicle while its case is open."""
        if vehicle.case_id is not None and audited.action.startswith(BESIDE):
            details = dict(audited.details)
            self.entries.append(CaseEntryRow(vehicle.case_id, now, audited.actor, audited.action, details))

    def escalate(self, soc: str, escalated: Escalated, now: datetime) -> AuditEntry:
        """Give an alarm to the standby sinks; returns what the audit trail says of it."""
        alarm = escalated.alarm
        self.escalations.append(EscalationRow(soc, alarm.alarm_id))
        details = {"level": escalated.level, "cause": alarm.cause, "why": escalated.why}
        return AuditEntry(now, "gateway", "alarm.escalated", alarm.alarm_id, details)
