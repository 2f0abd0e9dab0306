"""Every part of a vehicle's life beside its alarms. A new one is a module and one line here."""

from __future__ import annotations

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
