"""Password files that Mosquitto reads, made without its tools."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

# Mosquitto's own number. The passwords made here are random, not chosen by people, so more rounds would only
# make a fleet's reconnect storm slower.
ROUNDS = 101


def hash_password(password: str) -> str:
    """Return Mosquitto's ``$7$`` form of a password: PBKDF2-HMAC-SHA512, rounds, salt and key in base64."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, dklen=64)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def write_password_file(
    path: Path, passwords: Mapping[str, str], *, replacing: Collection[str] | None = None
) -> None:
    """
    Write (name → password) in hashed form, readable by the owner only; the file changes in one step.

    Lines of other names than those ``replacing`` stay; without it, none does.
    """
    lines = [f"{name}:{hash_password(password)}" for name, password in passwords.items()]
    if replacing is not None and path.exists():
        known = path.read_text().splitlines()
        lines += [line for line in known if line.partition(":")[0] not in {*replacing, *passwords}]
    unfinished = path.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_text("".join(f"{line}\n" for line in lines))
    unfinished.replace(path)
