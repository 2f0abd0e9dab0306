"""Reading ``fleet.jsonl``: one vehicle a line, each mistake with its line number."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.domain.people.shapes import Equipment, wrong_terms
from gateway.domain.security_code import KEY_BYTES, key_of
from gateway.domain.signals import Registration
from gateway.errors import StartError
from gateway.wire.topics import VIN_PATTERN, is_vin

MAX_CARDS = 7
MAX_SECONDARY_USERS = 5
CODE_ROUNDS = 100_000

User = Annotated[str, Meta(pattern=r"^(?!gateway)[A-Za-z0-9_.@-]{1,64}\Z")]


class Contact(Struct, frozen=True):
    """Whom the SOC calls."""

    name: Annotated[str, Meta(max_length=200)]
    phone: Annotated[str, Meta(max_length=40)]


class Line(Struct, frozen=True, kw_only=True):
    """One line of the file; unknown fields are ignored."""

    vin: Annotated[str, Meta(pattern=rf"^{VIN_PATTERN}\Z")]
    country: Annotated[str, Meta(max_length=64)] | None = None
    model: Annotated[str, Meta(max_length=64)] | None = None
    main_user: User | None = None
    secondary_users: Annotated[tuple[User, ...], Meta(max_length=MAX_SECONDARY_USERS)] = ()
    security_code: Annotated[str, Meta(min_length=4, max_length=64)] | None = None
    security_code_key: dict[str, Any] | None = None
    driver_cards: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=MAX_CARDS)
    ] = ()
    services: dict[str, dict[str, Any]] = {}
    contacts: Annotated[tuple[Contact, ...], Meta(max_length=20)] = ()
    consents: dict[str, bool] = {}
    soc: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")] = "default"
    equipment: Equipment | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None


_decoder = msgspec.json.Decoder(Line)


def read_registrations(path: Path) -> Iterator[Registration]:
    """
    Read a registry file.

    Errors:  StartError with file, line and reason.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _registration(line, f"{path}, line {number}")
    except OSError as error:
        raise StartError(f"{path}: can't be read: {error.strerror}") from error


def _registration(line: bytes, where: str) -> Registration:
    try:
        stated = _decoder.decode(line)
    except Exception as error:
        raise StartError(f"{where}: {error}") from error
    for user in (stated.main_user, *stated.secondary_users):
        if user is not None and is_vin(user):
            raise StartError(f"{where}: a user must not look like a VIN: {user}")
    wrong = wrong_terms(stated.services)
    if wrong is not None:
        raise StartError(f"{where}: {wrong}")
    if stated.security_code_key is not None:
        _check_key(stated.security_code_key, f"{where}: security_code_key")
    return Registration(
        vin=stated.vin,
        country=stated.country,
        model=stated.model,
        main_user=stated.main_user,
        secondary_users=stated.secondary_users,
        driver_cards=stated.driver_cards,
        services=stated.services,
        contacts=tuple({"name": one.name, "phone": one.phone} for one in stated.contacts),
        consents=stated.consents,
        security_code_key=stated.security_code_key or _derived(stated.security_code),
        soc=stated.soc,
        equipment=stated.equipment,
        language=stated.language,
    )


def _check_key(key: dict[str, Any], where: str) -> None:
    try:
        good = len(bytes.fromhex(key["key"])) == KEY_BYTES and int(key["rounds"]) > 0 and bool(key["salt"])
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise StartError(f"{where}: expected salt, rounds and a key of {KEY_BYTES} bytes in hex")


def _derived(code: str | None) -> dict[str, Any] | None:
    """The code itself is never kept: salt, rounds and the derived key are."""
    if code is None:
        return None
    salt = secrets.token_hex(16)
    return {"salt": salt, "rounds": CODE_ROUNDS, "key": key_of(code, salt, CODE_ROUNDS).hex()}
