"""A site's own map, as the console reads it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class MapPart(Struct, frozen=True):
    """Some bytes of the file. ``etag`` changes with the file; ``first`` counts from 0."""

    body: bytes
    first: int
    size: int
    etag: str


class SiteMap(Protocol):
    """A ``.pmtiles`` file. Reading never blocks the event loop."""

    async def read(self, first: int, length: int) -> MapPart:
        """
        Read at most so many bytes; none if ``first`` lies behind the end.

        Errors: MapUnreadable with one sentence.
        """
        ...
