"""
The audit trail as a chain of hashes.

Rules of this file:

1. digest = SHA-256(salt ‖ canonical JSON of the row), hash = SHA-256(hash of the row before ‖ digest). So a
   row can be shown to be in the chain without showing the others: their digests do, and the salt keeps them
   from being guessed.
2. Rows of before there were salts have no digest: their canonical JSON stands in its place.
3. Whoever can write the file can write all of it anew. So a head that was kept elsewhere is the last word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

GENESIS = bytes(32)
SALT_BYTES = 16

_encoder = msgspec.json.Encoder(order="deterministic")


class Head(Struct, frozen=True):
    """The last row of a chain; ``n`` is None in a store of before it was kept."""

    n: int | None
    hash: bytes

    def __str__(self) -> str:
        """As it is written down: ``SEQ:HASH``."""
        return f"{self.n}:{self.hash.hex()}"


class Row(Struct, frozen=True):
    """One row as it is stored: ``content`` is at, actor, action, subject and details."""

    n: int
    content: tuple[Any, ...]
    salt: Any
    digest: Any
    hash: Any

    @property
    def basis(self) -> bytes:
        """What the hash covers beside the row before."""
        if self.salt is None and self.digest is None:
            return canonical(self.content)
        return self.digest if isinstance(self.digest, bytes) else b""

    @property
    def computed(self) -> bytes:
        """What ``basis`` ought to be."""
        if self.salt is None and self.digest is None:
            return canonical(self.content)
        return digest(self.salt if isinstance(self.salt, bytes) else b"", self.content)

    @property
    def name(self) -> str:
        """The row for people. Its content may be forged: only what can be printed, and short."""
        at, action = (_printable(self.content[place]) for place in (0, 2))
        return f"Audit row {self.n} ({at}, {action})"


def canonical(content: Sequence[Any]) -> bytes:
    """A row as JSON without spaces, in UTF-8."""
    return _encoder.encode(list(content))


def digest(salt: bytes, content: Sequence[Any]) -> bytes:
    """What stands for a row in the chain."""
    return sha256(salt + canonical(content)).digest()


def link(previous: Any, basis: bytes) -> bytes:
    """Hash of a row behind a row with the hash ``previous``."""
    return sha256((previous if isinstance(previous, bytes) else b"") + basis).digest()


def parse_head(text: str) -> Head:
    """
    A head as it is written down.

    Errors:  ValueError.
    """
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", text.strip())
    if found is None:
        raise ValueError("a head is SEQ:HASH, with 64 hexadecimal digits")
    return Head(int(found[1]), bytes.fromhex(found[2]))


def _printable(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return "".join(one if one.isprintable() else "?" for one in text[:40])
