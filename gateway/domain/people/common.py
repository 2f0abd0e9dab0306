"""What all acts of people share: refusing, proving the security code, telling, and counting guesses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.domain import proof, security_code
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Audited, Effect, Notify, Refused
from gateway.domain.outcome import Outcome
from gateway.domain.people.facts import PersonAct, ProvenAct
from gateway.domain.proof import Answer
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle

PURPOSE = "transfer"
"""What the security code is proven for where ownership, contacts or the code itself change."""
KIND = "ownership"
CALL_SOC = Refused("call_soc", "Please call the SOC.")
UNREGISTERED = Refused("not_authorised", "The registry does not know this vehicle.")


def theft_of(vehicle: Vehicle) -> str | None:
    """The true cause why nobody may take a vehicle over now; None: nothing speaks against it."""
    if vehicle.stolen:
        return "stolen"
    causes = sorted(cause for cause in vehicle.alarms if BY_NAME[cause].cause_class == "theft")
    if causes:
        return f"open theft alarm: {', '.join(causes)}"
    return "open case" if vehicle.case_id is not None else None


def refuse(
    vehicle: Vehicle, fact: PersonAct, refused: Refused, cause: str | None = None, **details: Any
) -> Outcome:
    """The person hears the code; the audit trail the true cause."""
    more = {"role": fact.role, "code": refused.code, "cause": cause or refused.detail, **details}
    return Outcome(vehicle, (refused, Audited(fact.by, f"{_name(fact)}.refused", more)))


def done(
    vehicle: Vehicle, fact: PersonAct, *effects: Effect, action: str | None = None, **details: Any
) -> Outcome:
    """The act has happened, and who did it stands in the audit trail."""
    audited = Audited(fact.by, action or f"{_name(fact)}.done", {"role": fact.role, **details})
    return Outcome(vehicle, (*effects, audited))


def _name(fact: PersonAct) -> str:
    return _NAMES.get(type(fact).__name__, "registry.change")


_NAMES = {
    "Certify": "car_security.certify",
    "ChangeCode": "security_code.change",
    "Consent": "consent.change",
    "MakePairingCode": "pairing_code.make",
    "Pair": "pairing",
    "Invite": "invitation",
    "Join": "joining",
    "RemoveUser": "user.removal",
    "StartTransfer": "transfer.start",
    "AcceptTransfer": "transfer.acceptance",
    "CancelTransfer": "transfer.cancel",
    "EraseUser": "user.erasure",
}


def tell(users: tuple[str | None, ...], code: str, **data: Any) -> tuple[Notify, ...]:
    """Tell each of them once."""
    named = dict.fromkeys(user for user in users if user is not None)
    return tuple(Notify(user, KIND, code, data) for user in named)


def users_of(entry: Registration) -> tuple[str, ...]:
    """Everyone whom the registry lets use the vehicle."""
    main = () if entry.main_user is None else (entry.main_user,)
    return (*main, *entry.secondary_users)


def is_main_user(vehicle: Vehicle, fact: PersonAct) -> bool:
    """Whether the act is the vehicle's own main user's, as the registry says it this moment."""
    entry = vehicle.registration
    return fact.user is not None and entry is not None and entry.main_user == fact.user


def prove(vehicle: Vehicle, fact: ProvenAct, now: datetime) -> Outcome:
    """The vehicle with the challenge used up; with effects if the answer is no. Needs a code to exist."""
    entry, missing = vehicle.registration, None
    if entry is None or entry.security_code_key is None:
        missing = "This needs the security code, and the vehicle has none: set one first."
    elif not fact.answered:
        missing = "Ask for a challenge (purpose transfer) and answer it with the security code."
    answer = Answer(fact.user or fact.by, PURPOSE, fact.challenge, missing)
    return proof.prove(vehicle, answer, now, lambda left, refused, cause: refuse(left, fact, refused, cause))


def locked(vehicle: Vehicle, fact: PersonAct, now: datetime) -> Outcome | None:
    """The refusal while too many codes were wrong on this vehicle, by whomever; None: try."""
    until = vehicle.people.tries.locked_until
    if until is None or until <= now:
        return None
    return refuse(vehicle, fact, Refused("code_locked", "Too many wrong codes: try again later."))


def wrong_code(vehicle: Vehicle, fact: PersonAct, now: datetime, cause: str) -> Outcome:
    """A wrong code counts against the vehicle; that of the person is counted before it is judged."""
    tries = security_code.counted(vehicle.people.tries, now)
    vehicle = replace(vehicle, people=replace(vehicle.people, tries=tries))
    return refuse(vehicle, fact, Refused("code_wrong", "The code is wrong, used up or too old."), cause)
