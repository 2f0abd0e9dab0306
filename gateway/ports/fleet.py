"""The fleet as the SOC may see it at once."""

from __future__ import annotations

from msgspec import Struct

from gateway.ports.case_files import StoredCase
from gateway.ports.decision import TrackRow


class OpenCase(Struct, frozen=True):
    """A case that is not closed, with the newest position of its track."""

    stored: StoredCase
    last: TrackRow | None


class CountryCount(Struct, frozen=True):
    """So many registered vehicles of a country; None: of those that state none."""

    country: str | None
    vehicles: int
