"""
A site's own map: a PMTiles file (version 3, https://github.com/protomaps/PMTiles), read a piece at a time.

Whatever is wrong with it costs the map and nothing else: the console then shows its map of the world.
"""

from __future__ import annotations

import asyncio
import os
import struct
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any

from gateway.errors import MapUnreadable
from gateway.pipeline.meters import Meters
from gateway.ports import MapPart

MAGIC = b"PMTiles"
VERSION = 3
HEADER_BYTES = 127
ROOT_WITHIN_BYTES = 16_384
"""The root directory must lie in so much of the beginning; browsers read it at once with the header."""
VECTOR_TILES = 1
COMPRESSIONS = frozenset({1, 2})
"""None and gzip: what every browser can open."""
SECTIONS = ("root directory", "metadata", "leaf directories", "tile data")
MAX_READS = 4
"""Reads at once; a slow disk holds up a map and no more."""


def wrong_with(path: Path) -> str | None:
    """What is wrong with a map file, as one sentence; None: it can be shown."""
    try:
        with _open(path) as file:
            return wrong_with_header(file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size)
    except OSError as error:
        return f"it can't be read: {error.strerror or error}"


def wrong_with_header(header: bytes, size: int) -> str | None:
    """What is wrong with the beginning of a file of so many bytes."""
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return "it is no PMTiles file"
    if header[7] != VERSION:
        return f"it is of PMTiles version {header[7]}; version {VERSION} can be shown"
    parts = struct.unpack_from("<8Q", header, 8)
    for name, first, length in zip(SECTIONS, parts[::2], parts[1::2], strict=True):
        if first + length > size:
            return f"it is cut off: its {name} would end at byte {first + length} of {size}"
    if parts[0] + parts[1] > ROOT_WITHIN_BYTES or not parts[1]:
        return "its root directory is not at its beginning"
    if header[99] != VECTOR_TILES:
        return "it holds no vector tiles (MVT)"
    if not {header[97], header[98]} <= COMPRESSIONS:
        return "it is compressed in another way than gzip"
    return None


class PmtilesFile:
    """See ``gateway.ports.SiteMap``. The file may be replaced while the gateway runs."""

    def __init__(self, path: Path, meters: Meters, log: Any) -> None:
        self._path = path
        self._meters = meters
        self._log = log
        self._reads = asyncio.Semaphore(MAX_READS)
        self._judged: tuple[str, str | None] | None = None
        """The file's last etag and what was wrong with it: a look at every byte read would be too much."""

    async def read(self, first: int, length: int) -> MapPart:
        async with self._reads:
            try:
                part, wrong = await asyncio.to_thread(self._read, first, length)
            except OSError as error:
                part, wrong = None, f"it can't be read: {error.strerror or error}"
        self._tell("" if part is None else part.etag, wrong)
        if part is None or wrong is not None:
            raise MapUnreadable(f"The site's own map can't be shown: {wrong}.")
        return part

    def _read(self, first: int, length: int) -> tuple[MapPart, str | None]:
        with _open(self._path) as file:
            stated = os.fstat(file.fileno())
            etag = sha256(f"{stated.st_ino}.{stated.st_size}.{stated.st_mtime_ns}".encode()).hexdigest()[:32]
            wrong = self._judged[1] if self._judged and self._judged[0] == etag else None
            if self._judged is None or self._judged[0] != etag:
                wrong = wrong_with_header(file.read(HEADER_BYTES), stated.st_size)
            file.seek(min(first, stated.st_size))
            return MapPart(file.read(length), first, stated.st_size, f'"{etag}"'), wrong

    def _tell(self, etag: str, wrong: str | None) -> None:
        """Once for each file and each mistake, not for each of a thousand tiles."""
        known = (etag.strip('"'), wrong)
        if known == self._judged:
            return
        self._judged = known
        self._meters.gauge("gateway_site_map_ok", float(wrong is None))
        if wrong is None:
            self._log.info("console.map_opened", path=str(self._path))
        else:
            self._log.warning("console.map_refused", path=str(self._path), reason=wrong)


def _open(path: Path) -> FileIO:
    if not path.is_file():  # a pipe would never end to open
        raise FileNotFoundError(2, "there is no such file")
    return path.open("rb", buffering=0)
