"""Proving the security code: what an answer to a challenge changes, and when it is refused. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import said, security_code
from gateway.domain.effects import Refused
from gateway.domain.outcome import Found, Outcome
from gateway.domain.vehicle import Vehicle

LOCKED = Refused("security_code_locked", "Too many wrong answers: try again later, or call the SOC.")
WRONG = Refused("security_code_wrong", "The answer does not fit a challenge that is still open.")

Refuse = Callable[[Vehicle, Refused, str | None], Outcome]
"""How an act is refused: the vehicle, what the person hears, and the true cause where that is another."""


class Answer(Struct, frozen=True):
    """What a person has stated as proof."""

    user: str
    purpose: str
    challenge: str | None
    """The challenge that the answer fits; None: it fits none."""
    missing: str | None = None
    """What to say because there is no answer; None: there is one."""


def prove(vehicle: Vehicle, answer: Answer, now: datetime, refuse: Refuse) -> Outcome:
    """The vehicle with the challenge used up; with effects if the answer is no."""
    guard, challenge = vehicle.code_guard, answer.challenge
    if security_code.locked_until(guard, answer.user, now) is not None:
        return refuse(vehicle, LOCKED, None)
    if answer.missing is not None:
        return refuse(vehicle, Refused("security_code_required", answer.missing), None)
    if challenge is not None and security_code.is_open(guard, challenge, now):
        return Outcome(replace(vehicle, code_guard=security_code.right(guard, challenge, answer.user)))
    if challenge is not None:
        return refuse(vehicle, WRONG, "challenge used or too old")
    vehicle, found = wrong(vehicle, answer.user, answer.purpose, now)
    return replace(refuse(vehicle, WRONG, None), found=found)


def wrong(vehicle: Vehicle, user: str, purpose: str, now: datetime) -> tuple[Vehicle, tuple[Found, ...]]:
    """Count a wrong answer; the fifth within a day on this vehicle is an alarm."""
    guard, alarm = security_code.wrong(vehicle.code_guard, user, purpose, now)
    tries = said.say("code_wrong", count=security_code.ALARM_TRIES)
    found = (Found("wrong_security_code", now, (said.evidence(now, tries),)),) if alarm else ()
    return replace(vehicle, code_guard=guard), found
