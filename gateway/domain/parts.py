"""Every part of a vehicle's life beside its alarms. A new one is a module and one line here."""

from __future__ import annotations

from datetime import datetime

from gateway.domain import (
    approval_part,
    bundle_acts,
    card_acts,
    case_life,
    certification,
    mode_acts,
    term_acts,
    theft_report,
)
from gateway.domain.outcome import Act, Part, Watch
from gateway.domain.people.part import PART as PEOPLE
from gateway.domain.remote_access.acts import PART as REMOTE_ACCESS
from gateway.domain.signals import Fact
from gateway.domain.vehicle import Vehicle

PARTS: tuple[Part, ...] = (
    mode_acts.PART,
    mode_acts.INSTALLATIONS,
    bundle_acts.PART,
    card_acts.PART,
    term_acts.PART,
    certification.PART,
    PEOPLE,
    approval_part.PART,
    REMOTE_ACCESS,
    theft_report.PART,
    case_life.PART,
)

ACTS: dict[type[Fact], Act] = {fact: act for part in PARTS for fact, act in part.acts.items()}
EXPIRES = tuple(part.expire for part in PARTS if part.expire is not None)
WAKES = tuple(part.wakes for part in PARTS if part.wakes is not None)


def _watchers() -> dict[type[Fact], tuple[Watch, ...]]:
    found: dict[type[Fact], tuple[Watch, ...]] = {}
    for part in PARTS:
        for fact in part.watches if part.watch is not None else ():
            found[fact] = (*found.get(fact, ()), part.watch)  # type: ignore[arg-type]  # not None, see above
    return found


WATCHES = _watchers()


def soonest(vehicle: Vehicle) -> datetime | None:
    """When the first part wants to be woken; None: no part does."""
    if is_idle(vehicle):
        return soonest_notice(vehicle)
    return min((at for wakes in WAKES for at in wakes(vehicle)), default=None)


def is_idle(vehicle: Vehicle) -> bool:
    """
    Whether no part looks at a movement, or wants to be woken but for what ``soonest_notice`` tells.

    It asks at once what each of them would ask first: it is asked at every fact, and nearly all are idle.
    """
    people = vehicle.people
    return not (
        vehicle.modes.running
        or vehicle.suppressed
        or vehicle.remote.open
        or vehicle.approvals.waiting
        or people.transfer
        or people.pairing
        or people.invitations
        or people.past_contacts
    )


def soonest_notice(vehicle: Vehicle) -> datetime | None:
    """When the first part of an idle vehicle wants to be woken: a bundle, a term, the lease of a case."""
    bundle_at, term_at, case = vehicle.bundles.next_at, vehicle.terms.next_at, vehicle.case
    if bundle_at is None and case is None:
        return term_at
    times = (bundle_at, term_at, None if case is None else case.lease_until)
    return min((at for at in times if at is not None), default=None)
