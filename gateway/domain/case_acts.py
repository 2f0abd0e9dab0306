"""
What people do to a case. Inside a turn: closing a case closes its alarms.

Rules of this file:

1. One holder at a time: another operator's act on a live claim is refused and says who holds it. A supervisor
   may act and take over; what ends *stolen* needs two persons anyhow, and a note binds nobody.
2. A refusal changes nothing and stands in the audit trail.
3. A critical case that nobody was called about is closed by a supervisor only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from gateway.domain import alarm_life, approvals, case_life
from gateway.domain.approvals import Approval
from gateway.domain.case_effects import CaseNoted
from gateway.domain.cases import (
    ENTRIES,
    LEASE,
    LIFE,
    MAX_CONTACTS,
    MAX_ENTRIES,
    TWO_PERSONS,
    Case,
    CaseAct,
    attempted,
    claimed,
    is_possible,
    let_go,
)
from gateway.domain.effects import Refused
from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.signals import ActOnCase
from gateway.domain.turn import Turn

FREE_FOR_ALL: frozenset[CaseAct] = TWO_PERSONS | {"note"}
NOTHING: Mapping[str, object] = {}
DISPOSITION_OF = {"recovered": "recovered", "lost": "theft_confirmed"}
"""What a case was if nobody says more."""


def act(turn: Turn, fact: ActOnCase) -> None:
    """A person acts on a case (contract 5.2, 7)."""
    case = turn.vehicle.case
    if case is None or case.case_id != fact.case_id:
        _refuse(turn, fact, Refused("illegal_transition", "The case is closed."))
        return
    refused = _not_possible(case, fact) or _not_theirs(turn, case, fact)
    if refused is not None:
        _refuse(turn, fact, refused)
        return
    if case.holder(turn.now) == fact.by:
        case = replace(case, lease_until=turn.now + LEASE)
    DOES[fact.act](turn, case, fact)


def _not_possible(case: Case, fact: ActOnCase) -> Refused | None:
    if not is_possible(case.state, fact.act):
        what = f"A case that is {case.state} knows no {fact.act}."
        return Refused("illegal_transition", what)
    if fact.act == "contact" and case.contacts >= MAX_CONTACTS:
        return Refused("case_limit", f"A case holds {MAX_CONTACTS} contact attempts.")
    if fact.act in ENTRIES and case.entries >= MAX_ENTRIES:
        return Refused("case_limit", f"A case holds {MAX_ENTRIES} entries of people.")
    return None


def _not_theirs(turn: Turn, case: Case, fact: ActOnCase) -> Refused | None:
    holder = case.holder(turn.now)
    if fact.act == "release" and holder is None:
        return Refused("illegal_transition", "Nobody has claimed the case.")
    if holder in (None, fact.by) or fact.role == "supervisor" or fact.act in FREE_FOR_ALL:
        return None
    until = f"{case.lease_until:%H:%M:%S} UTC"
    return Refused("case_claimed", f"The case is claimed by {holder} until {until}.", by=holder)


def _claim(turn: Turn, case: Case, fact: ActOnCase) -> None:
    holder = case.holder(turn.now)
    details = {"took_over_from": holder} if holder not in (None, fact.by) else {}
    _said(turn, case, fact, details, in_timeline=holder != fact.by)
    case_life.put(turn, claimed(case, fact.by, turn.now))


def _release(turn: Turn, case: Case, fact: ActOnCase) -> None:
    _said(turn, case, fact, {"claimed_by": case.claimed_by})
    case_life.put(turn, let_go(case, LIFE[case.state, "release"]))


def _contact(turn: Turn, case: Case, fact: ActOnCase) -> None:
    outcome, name = fact.outcome or "no_answer", fact.contact or ""
    details = {"attempt": case.contacts + 1, "outcome": outcome, "place": fact.place}
    _said(turn, case, fact, details, {"name": name, "call_reference": fact.reference})
    case_life.put(turn, _counted(attempted(case, name, outcome)))


def _police(turn: Turn, case: Case, fact: ActOnCase) -> None:
    _said(turn, case, fact, private={"reference": fact.reference})
    case_life.put(turn, _counted(replace(case, police_reference=fact.reference)))


def _note(turn: Turn, case: Case, fact: ActOnCase) -> None:
    _said(turn, case, fact)
    case_life.put(turn, _counted(case))


def _confirm(turn: Turn, case: Case, fact: ActOnCase) -> None:
    """The owner has confirmed it to the SOC: the vehicle is stolen."""
    _said(turn, case, fact)
    turn.set(stolen=True)
    case_life.put(turn, replace(case, state=LIFE[case.state, "confirm"]))


def _dismiss(turn: Turn, case: Case, fact: ActOnCase) -> None:
    _said(turn, case, fact, {"disposition": fact.disposition})
    state = LIFE[case.state, "dismiss"]
    case_life.put(turn, replace(case, state=state, disposition=fact.disposition))


def _end_stolen(turn: Turn, case: Case, fact: ActOnCase) -> None:
    """Recovered or lost: two persons decide."""
    before = turn.vehicle.approvals
    asked, answer = approvals.ask(
        before,
        vin=turn.vehicle.vin,
        key=fact.approval_key,
        what=f"case.{fact.act}",
        by=fact.by,
        now=turn.now,
    )
    turn.set(approvals=asked)
    if isinstance(answer, approvals.Pending):
        _wait(turn, case, fact, answer.approval, first=asked.made != before.made)
        return
    _said(turn, case, fact, _asked(answer.approval))
    turn.set(stolen=False)
    case_life.put(turn, replace(case, state=LIFE[case.state, fact.act]))


def _close(turn: Turn, case: Case, fact: ActOnCase) -> None:
    """Its alarms close with it."""
    waiting = next((one for one in turn.vehicle.approvals.waiting if one.key == fact.approval_key), None)
    if case.is_critical and not case.is_acted_on and fact.role != "supervisor":
        _ask_supervisor(turn, case, fact, waiting)
        return
    asked = {} if waiting is None else _asked(waiting)
    left = tuple(one for one in turn.vehicle.approvals.waiting if one is not waiting)
    turn.set(approvals=replace(turn.vehicle.approvals, waiting=left))
    disposition = fact.disposition or case.disposition or DISPOSITION_OF.get(case.state, "unknown")
    _said(turn, case, fact, {"disposition": disposition, **asked})
    alarm_life.close_of_case(turn, case.case_id, fact.by, disposition, fact.note)
    case_life.end(turn, case, disposition)


def _ask_supervisor(turn: Turn, case: Case, fact: ActOnCase, waiting: Approval | None) -> None:
    """Whoever asks again, and be it another operator, hears the same."""
    first = waiting is None
    if waiting is None:
        asked, answer = approvals.ask(
            turn.vehicle.approvals,
            vin=turn.vehicle.vin,
            key=fact.approval_key,
            what="case.close",
            by=fact.by,
            now=turn.now,
        )
        turn.set(approvals=asked)
        waiting = answer.approval
    _wait(turn, case, fact, waiting, first=first)


def _wait(turn: Turn, case: Case, fact: ActOnCase, approval: Approval, *, first: bool) -> None:
    """Say that it waits: in the timeline the first time, in the audit trail each time."""
    details = {"approval_id": approval.approval_id}
    _said(turn, case, fact, details, what=f"{fact.act}_asked", in_timeline=first)
    case_life.put(turn, case)
    turn.effects.append(ApprovalPending(approval.approval_id))


def _asked(approval: Approval) -> dict[str, str]:
    return {"approval_id": approval.approval_id, "asked_by": approval.asked_by}


def _counted(case: Case) -> Case:
    return replace(case, entries=case.entries + 1)


def _said(
    turn: Turn,
    case: Case,
    fact: ActOnCase,
    details: Mapping[str, object] = NOTHING,
    private: Mapping[str, object] = NOTHING,
    *,
    what: str | None = None,
    in_timeline: bool = True,
) -> None:
    stated = {"role": fact.role, **{name: value for name, value in details.items() if value is not None}}
    kept = {"note": fact.note, **private}
    kept = {name: value for name, value in kept.items() if value is not None}
    noted = CaseNoted(case.case_id, fact.by, what or fact.act, stated, kept, in_timeline)
    turn.effects.append(noted)


def _refuse(turn: Turn, fact: ActOnCase, refused: Refused) -> None:
    details = {"role": fact.role, "act": fact.act, "code": refused.code}
    if refused.by is not None:
        details["claimed_by"] = refused.by
    noted = CaseNoted(fact.case_id, fact.by, "refused", details, in_timeline=False)
    turn.effects += [noted, refused]


DOES: dict[CaseAct, Callable[[Turn, Case, ActOnCase], None]] = {
    "claim": _claim,
    "release": _release,
    "contact": _contact,
    "police": _police,
    "note": _note,
    "confirm": _confirm,
    "dismiss": _dismiss,
    "recover": _end_stolen,
    "lost": _end_stolen,
    "close": _close,
}
