"""A case inside a turn, as alarms and time move it: opened, joined, left, its lease over."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.case_effects import CaseChanged, CaseNoted
from gateway.domain.cases import LEASE, LIFE, SINGLY, Case, let_go
from gateway.domain.causes import BY_NAME
from gateway.domain.outcome import Outcome, Part
from gateway.domain.turn import Turn
from gateway.domain.vehicle import Vehicle

GATEWAY = "gateway"


def join(turn: Turn, cause: str, number: int) -> None:
    """A theft alarm is about to be raised: it belongs to the open case, or to a new one."""
    case = turn.vehicle.case
    if case is None:
        case = Case(case_id=turn.vehicle.case_id or turn.identity("case", number), opened_at=turn.now)
    elif (state := LIFE[case.state, "alarm"]) != case.state:
        # Whoever works on it must look again: what they knew was not all.
        note(turn, case, GATEWAY, "set_back", was=case.state, claimed_by=case.claimed_by, cause=cause)
        case = let_go(case, state)
    causes = case.causes if cause in case.causes else (*case.causes, cause)
    put(turn, replace(case, causes=causes))


def decides(vehicle: Vehicle, case_id: str | None) -> bool:
    """Whether an alarm of this case closes only with it."""
    case = vehicle.case
    return case is not None and case.case_id == case_id and case.state not in SINGLY


def left(turn: Turn, by: str, disposition: str) -> None:
    """An alarm was closed; a case all of whose alarms were closed one by one is over."""
    case = turn.vehicle.case
    if case is None or case.state not in SINGLY:
        return
    if not any(BY_NAME[cause].cause_class == "theft" for cause in turn.vehicle.alarms):
        note(turn, case, by, "closed", disposition=disposition, why="its alarms were closed one by one")
        end(turn, case, disposition)


def end(turn: Turn, case: Case, disposition: str) -> None:
    """The case is over; its vehicle forgets it, the store does not."""
    over = let_go(case, "closed")
    over = replace(over, disposition=disposition, closed_at=turn.now)
    turn.set(case=None, case_id=None)
    turn.effects.append(CaseChanged(over))


def put(turn: Turn, case: Case) -> None:
    """Remember the case as it is now."""
    turn.set(case=case, case_id=case.case_id)
    turn.effects.append(CaseChanged(case))


def note(turn: Turn, case: Case, actor: str, what: str, **details: object) -> None:
    """Write into its timeline."""
    turn.effects.append(CaseNoted(case.case_id, actor, what, details))


# -- time ---------------------------------------------------------------------------------------------------


def expire(vehicle: Vehicle, now: datetime) -> Outcome | None:
    """A lease that nobody has renewed is over; a case of an older store is filed."""
    case = vehicle.case
    if case is None:
        return None if vehicle.case_id is None else _filed(vehicle, vehicle.case_id, now)
    if case.lease_until is None or now < case.lease_until:
        return None
    over = let_go(case, LIFE[case.state, "lease_over"])
    details = {"claimed_by": case.claimed_by, "lease_s": LEASE.total_seconds()}
    said = CaseNoted(case.case_id, GATEWAY, "lease_over", details)
    return Outcome(replace(vehicle, case=over), (said, CaseChanged(over)))


def _filed(vehicle: Vehicle, case_id: str, now: datetime) -> Outcome:
    alarms = [one for one in vehicle.alarms.values() if one.case_id == case_id]
    opened_at = min((one.raised_at for one in alarms), default=now)
    case = Case(case_id=case_id, opened_at=opened_at, causes=tuple(one.cause for one in alarms))
    return Outcome(replace(vehicle, case=case), (CaseChanged(case),))


def wakes(vehicle: Vehicle) -> list[datetime]:
    """When the lease is over."""
    case = vehicle.case
    return [] if case is None or case.lease_until is None else [case.lease_until]


PART = Part(expire=expire, wakes=wakes)
