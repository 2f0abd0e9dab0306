"""Consents of the main user, each with its time. Taken back, they end at once: nothing is kept for later."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain.effects import Audited, Refused, Register
from gateway.domain.outcome import Outcome
from gateway.domain.people.common import refuse
from gateway.domain.people.facts import Consent
from gateway.domain.vehicle import Vehicle

CONSENTS = ("position", "dealer_data")


def set_consent(vehicle: Vehicle, fact: Consent, now: datetime) -> Outcome:
    """Give or take back; the same again changes nothing but stands in the audit trail."""
    entry = vehicle.registration
    if entry is None or entry.main_user is None or entry.main_user != fact.user:
        return refuse(vehicle, fact, Refused("not_main_user", "Only the vehicle's main user may do this."))
    details = {"consent": fact.consent, "given": fact.given, "role": fact.role}
    audited = Audited(fact.by, "consent.given" if fact.given else "consent.taken_back", details)
    if entry.consents.get(fact.consent, False) == fact.given and fact.consent in entry.consented_at:
        return Outcome(vehicle, (audited,))
    entry = replace(
        entry,
        consents={**entry.consents, fact.consent: fact.given},
        consented_at={**entry.consented_at, fact.consent: now},
    )
    return Outcome(replace(vehicle, registration=entry), (Register(entry), audited))
