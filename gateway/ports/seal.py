"""Keys that people's codes give, closed to whoever reads the store."""

from __future__ import annotations

from typing import Any, Protocol


class Seal(Protocol):
    """
    What closes and opens the key of a vehicle's security code.

    A stored key is ``{"salt", "rounds", "key"}``, its key in hex or sealed.
    """

    def close(self, vin: str, stored: dict[str, Any]) -> dict[str, Any]:
        """The same with its key sealed for this vehicle; a sealed one is left as it is."""
        ...

    def open(self, vin: str, stored: dict[str, Any]) -> bytes | None:
        """The key itself; None if it was sealed by another seal, or for another vehicle."""
        ...
