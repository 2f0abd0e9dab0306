"""
The case: theft alarms of one vehicle that people handle together, and its life (contract 5.2).

Rules of this file:

1. ``LIFE`` and ``ENTRIES`` are the whole life; a pair that is in neither is an illegal transition.
2. A claim is a lock with a lease that every act of its holder renews; it ends by itself, a case never.
3. Only ``confirm`` makes the vehicle stolen, and only ``recover`` and ``lost`` end that.
4. Everything that grows is bounded here; the entries themselves are rows of the store, not of this state.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.causes import BY_NAME

CaseState = Literal["new", "claimed", "confirmed", "dismissed", "recovered", "lost", "closed"]
CaseAct = Literal[
    "claim", "release", "contact", "confirm", "dismiss", "police", "recover", "lost", "close", "note"
]
What = CaseAct | Literal["alarm", "lease_over", "alarms_closed"]
CallOutcome = Literal["reached", "no_answer", "voicemail", "busy", "wrong_number", "refused"]
Handling = Literal["theft", "hold_up"]

LIFE: dict[tuple[CaseState, What], CaseState] = {
    ("new", "alarm"): "new",
    ("new", "claim"): "claimed",
    ("new", "alarms_closed"): "closed",
    ("claimed", "claim"): "claimed",
    ("claimed", "alarm"): "new",
    ("claimed", "release"): "new",
    ("claimed", "lease_over"): "new",
    ("claimed", "confirm"): "confirmed",
    ("claimed", "dismiss"): "dismissed",
    ("claimed", "alarms_closed"): "closed",
    ("dismissed", "alarm"): "new",
    ("dismissed", "claim"): "dismissed",
    ("dismissed", "release"): "dismissed",
    ("dismissed", "lease_over"): "dismissed",
    ("dismissed", "close"): "closed",
    ("confirmed", "alarm"): "confirmed",
    ("confirmed", "claim"): "confirmed",
    ("confirmed", "release"): "confirmed",
    ("confirmed", "lease_over"): "confirmed",
    ("confirmed", "recover"): "recovered",
    ("confirmed", "lost"): "lost",
    ("recovered", "alarm"): "recovered",
    ("recovered", "claim"): "recovered",
    ("recovered", "release"): "recovered",
    ("recovered", "lease_over"): "recovered",
    ("recovered", "close"): "closed",
    ("lost", "alarm"): "lost",
    ("lost", "claim"): "lost",
    ("lost", "release"): "lost",
    ("lost", "lease_over"): "lost",
    ("lost", "close"): "closed",
}
"""The whole life; ``alarm`` is a theft alarm that is raised anew in the case."""

_WORKED_ON: frozenset[CaseState] = frozenset({"claimed", "dismissed", "confirmed", "recovered", "lost"})
ENTRIES: dict[CaseAct, frozenset[CaseState]] = {
    "contact": _WORKED_ON,
    "police": _WORKED_ON,
    "note": _WORKED_ON | {"new"},
}
"""Acts that are only written down, and where."""

SINGLY: frozenset[CaseState] = frozenset({"new", "claimed"})
"""States in which an alarm can be closed without its case."""

TWO_PERSONS: frozenset[CaseAct] = frozenset({"recover", "lost"})
"""They end *stolen*."""

LEASE = timedelta(minutes=15)
MAX_NOTE = 2000
MAX_CONTACTS = 200
MAX_ENTRIES = 1000
MAX_TRIED = 20
TRIES_EACH = 2

INSTRUCTIONS: dict[Handling, tuple[str, ...]] = {
    "theft": (
        "Call the contacts in their order, twice each, and prove by the security questions who answers.",
        "Confirm only what the owner has confirmed; then note the police reference.",
    ),
    "hold_up": (
        "Police first. Do not call the car, nor a phone that may be in it: a call can endanger who is there.",
        "Call only a contact who is known to be elsewhere, after the police have been told.",
    ),
}
"""What an operator is told to do, by handling."""


class Case(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One open case, as its vehicle remembers it."""

    case_id: str
    opened_at: datetime
    state: CaseState = "new"
    causes: tuple[str, ...] = ()
    """Every cause that was ever alarmed in it, in the order in which they came."""
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    lease_until: datetime | None = None
    contacts: int = 0
    """Contact attempts."""
    tried: dict[str, int] = {}
    """Attempts by the contact's name."""
    reached: bool = False
    police_reference: str | None = None
    entries: int = 0
    """What people have written down."""
    escalated: int = 0
    """The highest level that any of its alarms has reached."""
    disposition: str | None = None
    closed_at: datetime | None = None

    @property
    def is_critical(self) -> bool:
        """Whether any of its causes is."""
        return any(BY_NAME[cause].severity == "critical" for cause in self.causes if cause in BY_NAME)

    @property
    def handling(self) -> Handling:
        """How it is handled: someone in the car may be in danger, or the car itself."""
        return "hold_up" if "hold_up" in self.causes else "theft"

    @property
    def is_acted_on(self) -> bool:
        """Whether anyone outside was called: a contact, or in a hold-up the police."""
        return self.contacts > 0 or (self.handling == "hold_up" and self.police_reference is not None)

    def holder(self, now: datetime) -> str | None:
        """Whoever holds the lock now."""
        live = self.lease_until is not None and now < self.lease_until
        return self.claimed_by if live else None


def is_possible(state: CaseState, act: CaseAct) -> bool:
    """Whether a case in this state knows this act."""
    return (state, act) in LIFE or state in ENTRIES.get(act, ())


def claimed(case: Case, by: str, now: datetime) -> Case:
    """The same case in somebody's hands, from now or still."""
    same = case.claimed_by == by and case.holder(now) is not None
    return replace(
        case,
        state=LIFE[case.state, "claim"],
        claimed_by=by,
        claimed_at=case.claimed_at if same else now,
        lease_until=now + LEASE,
    )


def let_go(case: Case, state: CaseState) -> Case:
    """The same case in nobody's hands."""
    return replace(case, state=state, claimed_by=None, claimed_at=None, lease_until=None)


def attempted(case: Case, name: str, outcome: CallOutcome) -> Case:
    """One contact attempt more."""
    tried = case.tried
    if name in tried or len(tried) < MAX_TRIED:
        tried = {**tried, name: tried.get(name, 0) + 1}
    reached = case.reached or outcome == "reached"
    return replace(case, contacts=case.contacts + 1, tried=tried, reached=reached)


def next_contact(case: Case, names: tuple[str, ...]) -> int | None:
    """
    Place (from 1) of the contact to call next: in their order, twice each; then none.

    In a hold-up nobody is called before the police know of it.
    """
    if case.handling == "hold_up" and case.police_reference is None:
        return None
    for round_ in range(TRIES_EACH):
        for place, name in enumerate(names, 1):
            if case.tried.get(name, 0) <= round_:
                return place
    return None
