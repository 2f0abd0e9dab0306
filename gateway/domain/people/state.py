"""What a vehicle remembers of codes, invitations and a hand-over under way. Codes are kept hashed only."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import scrypt
from hmac import compare_digest
from typing import Any

from msgspec import Struct

from gateway.domain.people.facts import Hashed
from gateway.domain.security_code import Tries

CODE_DIGITS = 8
PAIRING_LIVES = timedelta(hours=24)
INVITATION_LIVES = timedelta(hours=12)
TRANSFER_LIVES = timedelta(days=7)
CONTACTS_KEPT = timedelta(days=7)
MAX_SECONDARY_USERS = 5
MAX_CARDS = 7

_COST = 2**14
"""16 MiB and some tens of milliseconds a guess: a hundred million guesses take longer than any code lives."""


class Code(Struct, frozen=True, array_like=True):
    """One code that waits to be stated; it serves once."""

    kept: Hashed
    by: str
    made_at: datetime
    expires_at: datetime
    user: str | None = None
    """The only person whom it serves; None: whoever states it."""


class Transfer(Struct, frozen=True, omit_defaults=True):
    """A hand-over under way."""

    from_user: str
    code: Code
    accepted_at: datetime | None = None
    confirmed_at: datetime | None = None
    """When the car itself has stated what only somebody sitting in it can set."""
    waits: bool = False
    """An open theft alarm holds it up; said once."""

    @property
    def to_user(self) -> str:
        """The next main user."""
        return self.code.user or ""


class PastContacts(Struct, frozen=True):
    """Whom the SOC called before the main user changed that: who took the phone may have taken the list."""

    contacts: tuple[dict[str, Any], ...]
    until: datetime


class People(Struct, frozen=True, omit_defaults=True):
    """Codes, invitations and hand-over of one vehicle."""

    pairing: Code | None = None
    invitations: tuple[Code, ...] = ()
    transfer: Transfer | None = None
    tries: Tries = Tries("")
    """Wrong codes of whoever on this vehicle."""
    past_contacts: tuple[PastContacts, ...] = ()
    owner: str | None = None
    """The main user whom the registry named last: an import may name another one."""
    code_changed_at: datetime | None = None
    """When the security code was last changed or taken away."""


def hashed(code: str, salt: str) -> str:
    """What is kept of a code; slow on purpose, so never on an event loop."""
    return scrypt(code.encode(), salt=salt.encode(), n=_COST, r=8, p=1, dklen=32).hex()


def fits(code: Code | None, stated: str) -> str | None:
    """The identity of the kept code if the stated one is it; slow, in constant time."""
    salt = "none" if code is None else code.kept.salt
    made = hashed(stated, salt)  # also where there is none, so that time does not tell
    if code is None or not compare_digest(made, code.kept.hashed):
        return None
    return salt


def is_open(code: Code | None, fitting: str | None, user: str | None, now: datetime) -> bool:
    """Whether a stated code is this one and still serves this person."""
    if code is None or fitting is None or fitting != code.kept.salt:
        return False
    return code.made_at <= now < code.expires_at and code.user in {None, user}
