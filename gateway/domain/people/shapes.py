"""Shapes and limits of what a registry entry may hold, wherever it comes from: a file or a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.domain.people.state import MAX_CARDS, MAX_SECONDARY_USERS
from gateway.domain.security_code import KEY_BYTES
from gateway.domain.services.entitlements import SERVICES, time_of

CODE_ROUNDS = 100_000
MAX_ROUNDS = 10_000_000
"""More would keep the phone that answers a challenge busy for minutes."""
MAX_SALT = 128

USER_PATTERN = r"^(?!gateway)[A-Za-z0-9_.@-]{1,64}\Z"
UserId = Annotated[str, Meta(pattern=USER_PATTERN)]
SocName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Word = Annotated[str, Meta(max_length=64)]
CardId = Annotated[str, Meta(min_length=1, max_length=64)]
Cards = Annotated[tuple[CardId, ...], Meta(max_length=MAX_CARDS)]
SecondaryUsers = Annotated[tuple[UserId, ...], Meta(max_length=MAX_SECONDARY_USERS)]
SecurityCode = Annotated[str, Meta(pattern=r"^[0-9]{4}\Z")]
Equipment = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=64)]


class Contact(Struct, frozen=True):
    """Whom the SOC calls."""

    name: Annotated[str, Meta(max_length=200)]
    phone: Annotated[str, Meta(max_length=40)]


Contacts = Annotated[tuple[Contact, ...], Meta(max_length=20)]


def wrong_terms(services: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with service terms, as ``field: reason``; None: nothing."""
    for service, term in services.items():
        if service not in SERVICES:
            return f"services: there is no service {service[:64]!r}"
        try:
            until = datetime.fromisoformat(str(term["until"]))
        except (KeyError, ValueError):
            return f"services.{service}.until: expected an RFC 3339 time"
        if until.tzinfo is None:
            return f"services.{service}.until: the time needs an offset"
        for name in ("from", "certified_at"):
            if term.get(name) is not None and time_of(term[name]) is None:
                return f"services.{service}.{name}: expected an RFC 3339 time with an offset"
    return None


def wrong_key(key: Mapping[str, Any]) -> str | None:
    """What is wrong with a derived key, as ``field: reason``; None: nothing."""
    try:
        good = (
            len(bytes.fromhex(key["key"])) == KEY_BYTES
            and 0 < int(key["rounds"]) <= MAX_ROUNDS
            and 0 < len(key["salt"]) <= MAX_SALT
        )
    except (KeyError, TypeError, ValueError):
        good = False
    if good:
        return None
    return f"security_code_key: expected salt, rounds and a key of {KEY_BYTES} bytes in hex"
