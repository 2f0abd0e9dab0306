"""Password files made without Mosquitto's tools."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from devtools.passwords import hash_password, write_password_file


def test_hash_is_what_mosquitto_computes() -> None:
    """The stored key is PBKDF2-HMAC-SHA512 of the password with the stored salt and rounds."""
    kind, rounds, salt, key = hash_password("geheim").split("$")[1:]
    expected = hashlib.pbkdf2_hmac("sha512", b"geheim", base64.b64decode(salt), int(rounds), dklen=64)
    assert (kind, base64.b64decode(key)) == ("7", expected)


def test_same_password_is_stored_differently_each_time() -> None:
    """Salts are random: equal passwords can't be recognised."""
    assert hash_password("same") != hash_password("same")


def test_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """One line per user, no password in clear, no right for others."""
    path = tmp_path / "vehicles.passwd"
    write_password_file(path, {"A": "geheim", "B": "secret"})
    text = path.read_text()
    assert [line.split(":")[0] for line in text.splitlines()] == ["A", "B"]
    assert "geheim" not in text
    assert path.stat().st_mode & 0o077 == 0
