"""The question that a person answers with the security code, asked for by MQTT (contract 4.1)."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from gateway.domain import security_code
from gateway.domain.outcome import Outcome
from gateway.domain.remote_access.actions import CHALLENGE, OWNERS
from gateway.domain.remote_access.answers import refusal
from gateway.domain.remote_access.authorise import (
    BEFORE_A_CHALLENGE,
    Denial,
    case_of,
    first,
    role_of,
)
from gateway.domain.remote_access.effects import ChallengeGiven
from gateway.domain.remote_access.facts import ChallengeRequested, CommandRequested
from gateway.domain.remote_access.state import MAX_CHALLENGES, GivenChallenge
from gateway.domain.signals import Registration
from gateway.domain.vehicle import Vehicle

PURPOSES = ("unlock", "special_mode", "transfer")
FOR_EVERY_USER = "unlock"


def challenged(vehicle: Vehicle, fact: ChallengeRequested, now: datetime) -> Outcome:
    """Give a challenge; the same request gets the same one while it is open."""
    denial = _why_not(vehicle, fact, now)
    registration = vehicle.registration
    if denial is not None or registration is None or fact.request_id is None:
        denial = denial or Denial("malformed", "no request_id")
        return Outcome(vehicle, refusal(fact, denial, CHALLENGE))
    known = _given(vehicle, fact, now)
    if known is not None:
        return Outcome(vehicle, (_told(fact, registration, known),))
    guard = security_code.ask(vehicle.code_guard, fact.challenge, fact.user, fact.purpose, now)
    asked = next(one for one in guard.challenges if one.challenge == fact.challenge)
    given = GivenChallenge(fact.user, fact.request_id, fact.challenge)
    remote = replace(vehicle.remote, challenges=(*vehicle.remote.challenges, given)[-MAX_CHALLENGES:])
    vehicle = replace(vehicle, code_guard=guard, remote=remote)
    return Outcome(vehicle, (_told(fact, registration, asked),))


def _why_not(vehicle: Vehicle, fact: ChallengeRequested, now: datetime) -> Denial | None:
    as_command = CommandRequested(
        received_at=fact.received_at,
        by=fact.by,
        user=fact.user,
        request_id=fact.request_id,
        role=fact.role,
        vin_bound=fact.vin_bound,
        nameless=fact.nameless,
        stranger=fact.stranger,
        issued_at=fact.issued_at,
        malformed=fact.malformed,
        action=CHALLENGE,
    )
    denial = first(BEFORE_A_CHALLENGE, case_of(vehicle, as_command, now))
    if denial is not None:
        return denial
    role = role_of(fact, vehicle.registration)
    if role not in OWNERS or (role != "main_user" and fact.purpose != FOR_EVERY_USER):
        return Denial("not_authorised", f"{role} may not prove the code for {fact.purpose}")
    if security_code.locked_until(vehicle.code_guard, fact.user, now) is not None:
        return Denial("security_code_locked", "locked out")
    has_code = vehicle.registration is not None and vehicle.registration.security_code_key is not None
    return None if has_code else Denial("not_supported", "the vehicle has no security code")


def _given(vehicle: Vehicle, fact: ChallengeRequested, now: datetime) -> security_code.Challenge | None:
    """What the same request was given, if it is still open."""
    guard = vehicle.code_guard
    for given in vehicle.remote.challenges:
        if (given.user, given.request_id) != (fact.user, fact.request_id):
            continue
        for one in guard.challenges:
            same = one.challenge == given.challenge and one.purpose == fact.purpose
            if same and security_code.is_open(guard, one.challenge, now):
                return one
    return None


def _told(
    fact: ChallengeRequested, registration: Registration, asked: security_code.Challenge
) -> ChallengeGiven:
    key = registration.security_code_key or {}
    return ChallengeGiven(
        user=fact.user,
        request_id=fact.request_id or "",
        challenge=asked.challenge,
        salt=str(key.get("salt", "")),
        rounds=int(key.get("rounds", 0)),
        expires_at=asked.asked_at + security_code.CHALLENGE_LIVES,
        correlation=fact.correlation,
    )
