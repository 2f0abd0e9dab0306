"""Secrets of a test run, and the search for them in whatever was said or kept."""

from __future__ import annotations

import re
import secrets


class Marks:
    """Every secret of the run, by what it is."""

    def __init__(self) -> None:
        self.hard: dict[str, str] = {}
        self.soft: dict[str, str] = {}
        self.private: dict[str, str] = {}

    def keep(self, kind: dict[str, str], name: str, value: str) -> str:
        """Remember a secret; returns it."""
        kind[f"{name} {len(kind)}"] = value
        return value

    def word(self, kind: dict[str, str], name: str) -> str:
        """Make a secret word."""
        return self.keep(kind, name, f"mark-{secrets.token_hex(8)}")

    def code(self) -> str:
        """Make a security code that was not there before."""
        code = f"{secrets.randbelow(9000) + 1000}"
        return self.code() if code in self.hard.values() else self.keep(self.hard, "security code", code)

    def phone(self) -> str:
        """Make a telephone number that nobody has."""
        return self.keep(self.soft, "phone", f"+31000{secrets.randbelow(10**9):09}")

    def place(self, kind: dict[str, str]) -> dict[str, float]:
        """Make a position whose digits are found however it is rounded to six of them."""
        found = {}
        for name, degrees in (("latitude", 52), ("longitude", 5)):
            digits = f"{degrees}.{secrets.randbelow(900_000) + 100_000}"
            self.keep(kind, name, digits)
            found[name] = float(f"{digits}5")
        return found

    def found_in(self, text: str | bytes, *kinds: dict[str, str]) -> list[str]:
        """
        Which of them the text holds.

        Numbers count only where nothing stands beside them; four digits, which are anywhere, in quotes only.
        """
        if isinstance(text, str):
            text = text.encode()
        return [name for kind in kinds for name, value in kind.items() if _holds(text, value)]


def _holds(text: bytes, value: str) -> bool:
    plain = re.escape(value.encode())
    if re.fullmatch(r"[0-9]{4}", value):
        return re.search(rb"[\"']" + plain + rb"\\?[\"']", text) is not None
    beside = rb"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])" if re.fullmatch(r"[0-9]{1,12}", value) else rb"{}"
    return re.search(beside.replace(b"{}", plain), text) is not None
