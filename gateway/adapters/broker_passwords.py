"""Password files that Mosquitto reads: one line changes, everything else stays as it is."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from base64 import b64encode
from hashlib import pbkdf2_hmac
from pathlib import Path

from gateway.errors import StartError

ROUNDS = 101
"""Mosquitto's own number: the passwords made here are random, so more rounds would protect nothing."""
SALT_BYTES = 12
KEY_BYTES = 64


def hashed(password: str) -> str:
    """Mosquitto's ``$7$`` form: PBKDF2-HMAC-SHA-512, rounds, salt and key in base64."""
    salt = secrets.token_bytes(SALT_BYTES)
    key = pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, KEY_BYTES)
    return f"$7${ROUNDS}${b64encode(salt).decode()}${b64encode(key).decode()}"


def set_password(path: Path, user: str, password: str) -> None:
    """
    Add a user, or give a known one another password; the file changes in one step, mode and owner stay.

    Errors:  StartError if the file can't be read or written.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        known = path.read_text() if path.exists() else ""
        kept = [line for line in known.splitlines() if line.partition(":")[0] != user]
        unfinished.touch(mode=0o600)
        unfinished.write_text("".join(f"{line}\n" for line in (*kept, f"{user}:{hashed(password)}")))
        if path.exists():
            # A file that the broker can't read ends the broker at its next look.
            shutil.copymode(path, unfinished)
            owner = path.stat()
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(unfinished, owner.st_uid, owner.st_gid)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StartError(f"{path}: the broker's password file can't be changed: {error.strerror}") from error


def reload(pid_file: Path) -> bool:
    """Tell the broker to read its files again; False if it does not run there."""
    try:
        pid = int(pid_file.read_text())
        name = Path(f"/proc/{pid}/comm")
        if name.exists() and "mosquitto" not in name.read_text():
            return False  # the number is another process's by now
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True
