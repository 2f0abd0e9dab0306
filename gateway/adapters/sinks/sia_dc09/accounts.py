"""
Which account and area a vehicle has at the receiver: always the same, and known without asking the gateway.

A line of the accounts file says it (``VIN,account`` or ``VIN,account,area``). A vehicle without a line has,
by ``vehicle_accounts``, the fleet's account (``fleet``; the text names the VIN) or one of its own (``vin``):
the first 16 hex digits of the VIN's SHA-256, which ``printf VIN | sha256sum | cut -c1-16`` prints as well.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

ACCOUNT: Final = r"^[0-9A-Fa-f]{3,16}\Z"
MAX_FILE: Final = 64 * 1024 * 1024
MAX_AREA: Final = 9999
VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")

Rule = Literal["fleet", "vin"]


class Place(Struct, frozen=True):
    """Where a receiver finds the vehicle. Area 0: none is sent."""

    account: str
    area: int = 0


class Accounts:
    """The mapping of one sink."""

    def __init__(self, own: str, rule: Rule, listed: dict[str, Place]) -> None:
        self.own = Place(own.upper())
        """The gateway's own, for supervision and for what concerns no vehicle."""
        self._rule = rule
        self._listed = listed

    def of(self, vin: str | None) -> Place:
        """The vehicle's place; the gateway's own for none."""
        if vin is None:
            return self.own
        listed = self._listed.get(vin)
        if listed is not None:
            return listed
        return self.own if self._rule == "fleet" else Place(account_of(vin))


def account_of(vin: str) -> str:
    """The account that follows from a VIN: 64 bits, so that a million vehicles do not share one."""
    return hashlib.sha256(vin.encode()).hexdigest()[:16].upper()


def read_accounts(path: Path, *, max_area: int = MAX_AREA) -> dict[str, Place]:
    """
    Read an accounts file: comma-separated lines, ``#`` begins a comment.

    Errors: OSError; ValueError with the line's number.
    """
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path} is larger than 64 MiB")
    listed: dict[str, Place] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            cells = [cell.strip() for cell in line.split(",")]
            if cells == [""] or cells[0].startswith("#"):
                continue
            try:
                vin, place = _place(cells, max_area)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            if vin in listed:
                raise ValueError(f"{path}, line {number}: {vin} is there twice")
            listed[vin] = place
    return listed


def _place(cells: list[str], max_area: int) -> tuple[str, Place]:
    """Errors: ValueError."""
    if len(cells) not in {2, 3}:
        raise ValueError("write VIN,account or VIN,account,area")
    if VIN.fullmatch(cells[0]) is None:
        raise ValueError("the first cell is no VIN")
    if re.fullmatch(ACCOUNT, cells[1]) is None:
        raise ValueError("an account is 3 to 16 hex digits")
    area = cells[2] if len(cells) == 3 else "0"  # noqa: PLR2004  # the optional third cell
    if re.fullmatch(r"[0-9]{1,4}", area) is None or int(area) > max_area:
        raise ValueError(f"an area is a number up to {max_area}")
    return cells[0], Place(cells[1].upper(), int(area))
