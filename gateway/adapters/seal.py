"""
Sealing the keys of security codes: a four-digit code is found in minutes by whoever has its derived key.

The sealing key lies in a file of its own, so that a copy of the store alone opens nothing. AES-SIV: the same
key closes to the same text, so that an import that changes nothing changes nothing; the VIN is bound in, so
that a sealed key serves no other vehicle.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import structlog
from Crypto.Cipher import AES

from gateway.errors import StartError

SEALED = "sealed:1:"
KEY_BYTES = 64
TAG_BYTES = 16

log = structlog.get_logger()


class FileSeal:
    """Implements ``gateway.ports.Seal`` with a key from a file."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, vin: str, stored: dict[str, Any]) -> dict[str, Any]:
        """See ``gateway.ports.Seal``."""
        if str(stored["key"]).startswith(SEALED):
            return stored
        cipher = AES.new(self._key, AES.MODE_SIV)
        cipher.update(vin.encode())
        text, tag = cipher.encrypt_and_digest(bytes.fromhex(stored["key"]))
        return {**stored, "key": SEALED + base64.b64encode(tag + text).decode()}

    def open(self, vin: str, stored: dict[str, Any]) -> bytes | None:
        """See ``gateway.ports.Seal``. Keys that an earlier version left unsealed are read as they are."""
        key = str(stored["key"])
        if not key.startswith(SEALED):
            return bytes.fromhex(key)
        cipher = AES.new(self._key, AES.MODE_SIV)
        cipher.update(vin.encode())
        with contextlib.suppress(ValueError):
            sealed = base64.b64decode(key.removeprefix(SEALED), validate=True)
            return cipher.decrypt_and_verify(sealed[TAG_BYTES:], sealed[:TAG_BYTES])
        log.error("seal.broken", vin=vin)
        return None


def open_seal(path: Path) -> FileSeal:
    """
    The seal of this installation; its key file is made on the first start, readable by its owner only.

    Errors:  StartError with file and reason.
    """
    try:
        if not path.exists():
            _make(path)
        key = bytes.fromhex(path.read_text().strip())
    except OSError as error:
        raise StartError(f"{path}: can't be used as the seal's key: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{path}: expected {KEY_BYTES} bytes in hex") from error
    if len(key) != KEY_BYTES:
        raise StartError(f"{path}: expected {KEY_BYTES} bytes in hex")
    return FileSeal(key)


def _make(path: Path) -> None:
    """Write it whole before it has its name: a command and a gateway may start at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
