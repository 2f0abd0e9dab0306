"""
What is kept of secrets: SHA-256 of what is random, argon2id of the passwords of people.

Shape:   ``hash_password`` gives the encoded form with its own parameters; ``fits`` compares.
Units:   one hash takes about 50 ms of one core and 46 MiB.
Errors:  ValueError with a full sentence for a password that is too short or too long.
Source:  issue 5 (people); parameters as OWASP's password storage advice for argon2id.
"""

from __future__ import annotations

import secrets
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 256

_hasher = PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)


def secret_hash(secret: str) -> str:
    """What is kept of 32 random bytes: a slow hash protects only what can be guessed."""
    return sha256(secret.encode()).hexdigest()


def hash_password(password: str) -> str:
    """What is kept of a password."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    return _hasher.hash(password)


def made_up() -> str:
    """A password that can be read aloud: five groups of four, 100 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(5))


def fits(kept: str | None, password: str) -> bool:
    """Whether a password is the right one; as slow for a name that nobody has. It blocks."""
    try:
        _hasher.verify(_nobodys() if kept is None else kept, password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex())
