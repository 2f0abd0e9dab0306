"""
Reading ``fleet.jsonl``: one vehicle a line, each mistake with its line number.

Rules of this file:

1. Everything is checked before anything is changed; a file with a mistake changes nothing.
2. No more than a few thousand lines are in memory at once, beside eight bytes for each VIN.
3. A plain security code costs about a tenth of a second, on purpose: such lines are shared out to processes.
   Lines with ``security_code_key`` cost microseconds.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.domain.people.shapes import (
    CODE_ROUNDS,
    Cards,
    Contacts,
    Equipment,
    SecondaryUsers,
    SecurityCode,
    SocName,
    UserId,
    Word,
    wrong_key,
    wrong_terms,
)
from gateway.domain.security_code import key_of
from gateway.domain.signals import Registration
from gateway.errors import StartError, without_values
from gateway.wire.topics import VIN_PATTERN, is_vin

AT_ONCE = 1000
MAX_LINE_BYTES = 64 * 1024
MAX_MISTAKES = 100

Numbered = tuple[int, bytes]


class Line(Struct, frozen=True, kw_only=True):
    """One line of the file; unknown fields are ignored."""

    vin: Annotated[str, Meta(pattern=rf"^{VIN_PATTERN}\Z")]
    country: Word | None = None
    model: Word | None = None
    equipment: Equipment | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None
    main_user: UserId | None = None
    secondary_users: SecondaryUsers = ()
    security_code: SecurityCode | None = None
    security_code_key: dict[str, Any] | None = None
    driver_cards: Cards = ()
    services: dict[str, dict[str, Any]] = {}
    contacts: Contacts = ()
    consents: dict[str, bool] = {}
    soc: SocName = "default"

    @property
    def is_slow(self) -> bool:
        """Whether a key has to be derived from its plain code."""
        return self.security_code is not None and self.security_code_key is None


class Checked(Struct, frozen=True):
    """What a file holds, before anything is changed."""

    vehicles: int
    plain_codes: int
    size_bytes: int
    mistakes: tuple[str, ...] = ()
    """The first hundred, each with its line."""
    mistaken: int = 0


class Imported(Struct, frozen=True):
    """Some lines as registry entries, and where in the file they end."""

    registrations: list[Registration]
    last_line: int
    bytes_read: int


_decoder = msgspec.json.Decoder(Line)


def check(path: Path, canary_vin: str | None = None) -> Checked:
    """
    Read a whole file and say what is wrong with it; the gateway's own vehicle is no vehicle to register.

    Errors:  StartError if it can't be read.
    """
    vehicles = plain = mistaken = size = 0
    mistakes: list[str] = []
    seen: set[bytes] = set()
    for number, line in _lines(path):
        size += len(line)
        if not line.strip():
            continue
        vehicles += 1
        try:
            stated = _decode(line)
            if stated.vin == canary_vin:
                raise StartError(f"vin: {stated.vin} is the gateway's own canary")  # noqa: TRY301  # one way out
            key = blake2b(stated.vin.encode(), digest_size=8).digest()
            if key in seen:
                raise StartError(f"vin: {stated.vin} stands in an earlier line as well")  # noqa: TRY301  # one way out
            seen.add(key)
            plain += stated.is_slow
        except StartError as error:
            mistaken += 1
            if len(mistakes) < MAX_MISTAKES:
                mistakes.append(f"{path}, line {number}: {error}")
    return Checked(vehicles, plain, size, tuple(mistakes), mistaken)


def entries(path: Path, *, plain_codes: bool = False, processes: int | None = None) -> Iterator[Imported]:
    """
    Registry entries in the order of the file, a thousand at once; ``plain_codes`` shares the work out.

    Errors:  StartError with file, line and reason, if the file is not what was checked.
    """
    batches = _batches(path)
    if not plain_codes:
        for batch in batches:
            yield _imported(path, batch, _registrations([line for _, line in batch]))
        return
    count = processes or os.cpu_count() or 1
    # Spawned, not forked: the store's threads must not be copied in the middle of something.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[list[Numbered], Future[list[Registration | str]]]] = deque()
        for batch in _split(batches):
            waiting.append((batch, pool.submit(_registrations, [line for _, line in batch])))
            if len(waiting) > 2 * count:
                done, future = waiting.popleft()
                yield _imported(path, done, future.result())
        for done, future in waiting:
            yield _imported(path, done, future.result())


def read_registrations(path: Path) -> Iterator[Registration]:
    """
    Read a registry file one by one, without checking it first.

    Errors:  StartError with file, line and reason.
    """
    for part in entries(path):
        yield from part.registrations


def _split(batches: Iterator[list[Numbered]]) -> Iterator[list[Numbered]]:
    """Smaller parts: a second of deriving each, so that the progress is one."""
    for batch in batches:
        for start in range(0, len(batch), 20):
            yield batch[start : start + 20]


def _imported(path: Path, batch: list[Numbered], found: list[Registration | str]) -> Imported:
    registrations: list[Registration] = []
    for (number, _), one in zip(batch, found, strict=True):
        if isinstance(one, str):
            raise StartError(f"{path}, line {number}: {one}")
        registrations.append(one)
    return Imported(registrations, batch[-1][0], sum(len(line) for _, line in batch))


def _registrations(lines: list[bytes]) -> list[Registration | str]:
    """Each line as an entry, or what is wrong with it; may run in a process of its own."""
    found: list[Registration | str] = []
    for line in lines:
        try:
            found.append(_registration(_decode(line)))
        except StartError as error:
            found.append(str(error))
    return found


def _batches(path: Path) -> Iterator[list[Numbered]]:
    lines = ((number, line) for number, line in _lines(path) if line.strip())
    while batch := list(islice(lines, AT_ONCE)):
        yield batch


def _lines(path: Path) -> Iterator[Numbered]:
    """Lines by number, none of them longer than the limit in memory."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise StartError(f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes")
                yield number, line
    except OSError as error:
        raise StartError(f"{path}: can't be read: {error.strerror}") from error


def _decode(line: bytes) -> Line:
    """One line, checked; StartError says what is wrong with it."""
    try:
        stated = _decoder.decode(line)
    except Exception as error:  # bad UTF-8 and deep nesting raise no DecodeError
        raise StartError(without_values(str(error))) from error
    users = [user for user in (stated.main_user, *stated.secondary_users) if user is not None]
    for user in users:
        if is_vin(user):
            raise StartError(f"a user must not look like a VIN: {user}")
    if len(set(users)) < len(users):
        raise StartError("main_user, secondary_users: nobody stands there twice")
    wrong = wrong_terms(stated.services)
    if wrong is None and stated.security_code_key is not None:
        wrong = wrong_key(stated.security_code_key)
    if wrong is not None:
        raise StartError(wrong)
    return stated


def _registration(stated: Line) -> Registration:
    return Registration(
        vin=stated.vin,
        country=stated.country,
        model=stated.model,
        equipment=stated.equipment,
        language=stated.language,
        main_user=stated.main_user,
        secondary_users=stated.secondary_users,
        driver_cards=stated.driver_cards,
        services=stated.services,
        contacts=tuple({"name": one.name, "phone": one.phone} for one in stated.contacts),
        consents=stated.consents,
        security_code_key=stated.security_code_key or _derived(stated.security_code),
        soc=stated.soc,
    )


def _derived(code: str | None) -> dict[str, Any] | None:
    """The code itself is never kept: salt, rounds and the derived key are."""
    if code is None:
        return None
    salt = secrets.token_hex(16)
    return {"salt": salt, "rounds": CODE_ROUNDS, "key": key_of(code, salt, CODE_ROUNDS).hex()}
