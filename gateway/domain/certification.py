"""
Certification of car security: a workshop has checked the installation, and an insurer may count on it.

Rules of this file:

1. Only a running term of a unit that has been heard within a day is certified.
2. The certificate counts from the check until the term ends; a renewed term goes on with it.
3. What is certified or printed is hashed, and the hash stands in the audit trail: it can be compared.
4. Alarms flow whatever is certified.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.effects import Audited, Notify, Refused, Register
from gateway.domain.outcome import Outcome, Part
from gateway.domain.people.common import CALL_SOC, refuse, theft_of
from gateway.domain.people.facts import Certify
from gateway.domain.services.entitlements import CAR_SECURITY, Cause, Term, term_of, why_not
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle

HEARD_WITHIN = timedelta(hours=24)
NUMBER_DIGITS = 12

NotCertified = Cause | Literal["not_certified"]


class Certificate(Struct, frozen=True):
    """What is printed. ``sha256`` is over the other fields, in this order, as a JSON array."""

    number: str
    vin: str
    model: str | None
    valid_from: datetime | None
    valid_until: datetime
    certified_by: str | None
    sha256: str = ""


def certificate(registration: Registration | None, now: datetime) -> Certificate | NotCertified:
    """The certificate as it counts now, or why there is none."""
    cause = why_not(registration, CAR_SECURITY, now)
    term = term_of(registration, CAR_SECURITY)
    if cause is not None or registration is None or term is None:
        return cause or "not_ordered"
    return _certificate(registration, term) if term.certified else "not_certified"


def certify(vehicle: Vehicle, fact: Certify, now: datetime) -> Outcome:
    """Certify, or say why not."""
    entry, heard_at, theft = vehicle.registration, vehicle.heard_at, theft_of(vehicle)
    cause = why_not(entry, CAR_SECURITY, now)
    if cause is not None or entry is None:
        refused = Refused("service_not_active", f"car_security: {cause}.")
        return refuse(vehicle, fact, refused, str(cause), method=fact.method)
    if theft is not None:
        return refuse(vehicle, fact, CALL_SOC, theft, method=fact.method)
    if heard_at is None or now - heard_at > HEARD_WITHIN:
        detail = "Nothing has been heard of the vehicle within a day: let it send, and try again."
        return refuse(vehicle, fact, Refused("not_heard", detail), "not_heard", method=fact.method)
    stated = {
        **entry.services[CAR_SECURITY],
        "certified": True,
        "certified_at": now.isoformat(),
        "certified_by": fact.by,
    }
    entry = replace(entry, services={**entry.services, CAR_SECURITY: stated})
    made = certificate(entry, now)
    if not isinstance(made, Certificate):
        refused = Refused("service_not_active", f"car_security: {made}.")
        return refuse(vehicle, fact, refused, made, method=fact.method)
    details = {"role": fact.role, "method": fact.method, "note": fact.note}
    audited = Audited(
        fact.by, "car_security.certified", {**details, "number": made.number, "sha256": made.sha256}
    )
    told: tuple[Notify, ...] = ()
    if entry.main_user is not None:
        data = {"service": CAR_SECURITY, "number": made.number, "until": made.valid_until}
        told = (Notify(entry.main_user, "service_term", "certified", data),)
    return Outcome(replace(vehicle, registration=entry), (Register(entry), audited, *told))


def _certificate(registration: Registration, term: Term) -> Certificate:
    begins = [at for at in (term.begins_at, term.certified_at) if at is not None]
    since = max(begins, default=None)
    made = Certificate(
        number=_number(registration.vin, since),
        vin=registration.vin,
        model=registration.model,
        valid_from=since,
        valid_until=term.until,
        certified_by=term.certified_by,
    )
    return replace(made, sha256=_hash(list(msgspec.structs.astuple(made)[:-1])))


def _number(vin: str, since: datetime | None) -> str:
    """The same for as long as the same check counts."""
    return f"CS-{_hash([vin, since])[:NUMBER_DIGITS].upper()}"


def _hash(fields: list[object]) -> str:
    return sha256(msgspec.json.encode(fields)).hexdigest()


PART = Part(acts={Certify: certify})
