"""A tiny PMTiles archive of one vector tile, by hand from the two specifications (PMTiles 3, MVT 2)."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable

EXTENT = 4096
Ring = list[tuple[int, int]]

WATER: Ring = [(0, 0), (4096, 0), (4096, 1400), (0, 1400)]
ROAD: Ring = [(0, 2000), (4096, 2000)]


def archive(*, version: int = 3, tile_type: int = 1, compression: int = 2, damaged: bool = False) -> bytes:
    """The whole world as one tile: sea in the north, a road across, a town in the middle."""
    tile = b"no gzip at all" if damaged else gzip.compress(_tile(), mtime=0)
    layers: list[dict[str, str]] = [{"id": name} for name in ("water", "roads", "places")]
    metadata = gzip.compress(
        json.dumps({"vector_layers": layers, "attribution": "<b>Test</b> data"}).encode()
    )
    # One entry: tile id 0, run length 1, its length, offset 0 (written as 1).
    root = gzip.compress(b"".join(map(_varint, (1, 0, 1, len(tile), 1))), mtime=0)
    sections, at = [], 127
    for part in (root, metadata, b"", tile):
        sections += [at, len(part)]
        at += len(part)
    degrees = [int(one * 1e7) for one in (-180, -85, 180, 85)]
    header = b"PMTiles" + bytes([version])
    header += struct.pack("<11Q", *sections, 1, 1, 1) + bytes([1, compression, 2, tile_type, 0, 0])
    header += struct.pack("<4iB2i", *degrees, 0, 0, 0)
    return header + root + metadata + tile


def _tile() -> bytes:
    layers = (("water", 3, WATER), ("roads", 2, ROAD), ("places", 1, [(2048, 2048)]))
    return b"".join(_field(3, _layer(name, kind, points)) for name, kind, points in layers)


def _layer(name: str, kind: int, points: Ring) -> bytes:
    feature = _field(2, _packed((0, 0))) + _key(3, 0) + _varint(kind)
    feature += _field(4, _packed(_geometry(kind, points)))
    value = _field(1, b"Testdorp")
    layer = _field(1, name.encode()) + _field(2, feature) + _field(3, b"name") + _field(4, value)
    return layer + _key(5, 0) + _varint(EXTENT) + _key(15, 0) + _varint(2)


def _geometry(kind: int, points: Ring) -> Iterable[int]:
    x = y = 0
    for place, (to_x, to_y) in enumerate(points):
        if place == 0:
            yield 1 | 1 << 3  # move to
        elif place == 1:
            yield 2 | (len(points) - 1) << 3  # line to
        yield from (_zigzag(to_x - x), _zigzag(to_y - y))
        x, y = to_x, to_y
    if kind == 3:
        yield 7 | 1 << 3  # close the ring


def _field(number: int, body: bytes) -> bytes:
    return _key(number, 2) + _varint(len(body)) + body


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _packed(values: Iterable[int]) -> bytes:
    return b"".join(map(_varint, values))


def _zigzag(value: int) -> int:
    return value << 1 ^ value >> 63


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
