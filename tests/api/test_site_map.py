"""A site's own map: pieces of one file, bounded; whatever is wrong with it costs the map and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters import site_map
from gateway.adapters.site_map import HEADER_BYTES, PmtilesFile, wrong_with, wrong_with_header
from gateway.api import site_map as route
from gateway.api.app import build_app
from gateway.pipeline.meters import Tally
from tests.api.doubles import Gateway
from tests.support.pmtiles import archive

URL = "/api/v1/site-map"
GOOD = archive()


class Site:
    """A gateway whose site has this file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meters = Tally()
        self.gateway = Gateway()
        deps = self.gateway.deps(site_map=PmtilesFile(path, self.meters, structlog.get_logger()))
        self._app = build_app(deps)

    async def get(self, wanted: str | None, **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)  # type: ignore[arg-type]  # two spellings of ASGI
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            stated = self.gateway.bearer("operator") | headers
            return await client.get(URL, headers=stated | ({} if wanted is None else {"Range": wanted}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "own.pmtiles").write_bytes(GOOD)
    return Site(tmp_path / "own.pmtiles")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-126", 0, 126), ("bytes=7-7", 7, 7), ("bytes=100-", 100, None), ("bytes=0-99999999", 0, None)],
)
async def test_a_piece_is_what_stands_there(site: Site, wanted: str, first: int, last: int | None) -> None:
    answer = await site.get(wanted)
    assert answer.status_code == 206
    assert answer.content == GOOD[first : None if last is None else last + 1]
    end = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{end}/{len(GOOD)}"
    assert answer.headers["etag"].startswith('"')
    assert site.meters.gauges == {"gateway_site_map_ok": 1}


@pytest.mark.parametrize(
    "wanted", [None, "bytes=-5", "bytes=5-4", "bytes=0-1,3-4", "pages=0-1", "bytes=99999-", "bytes=9" * 20]
)
async def test_a_whole_file_and_odd_ranges_are_refused(site: Site, wanted: str | None) -> None:
    answer = await site.get(wanted)
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")


async def test_a_piece_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "MAX_PIECE_BYTES", 10)
    assert len((await site.get("bytes=0-")).content) == 10
    assert len((await site.get("bytes=0-500")).content) == 10


async def test_a_replaced_file_has_another_etag_and_is_judged_anew(site: Site) -> None:
    before = await site.get("bytes=0-9")
    site.path.unlink()
    assert (await site.get("bytes=0-9")).status_code == 503
    assert site.meters.gauges == {"gateway_site_map_ok": 0}
    site.path.write_bytes(archive() + b" ")
    after = await site.get("bytes=0-9")
    assert after.status_code == 206
    assert after.headers["etag"] != before.headers["etag"]
    assert site.meters.gauges == {"gateway_site_map_ok": 1}


async def test_without_a_map_of_its_own(gateway: Gateway, site: Site) -> None:
    site._app = build_app(gateway.deps())
    site.gateway = gateway
    answer = await site.get("bytes=0-9")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_site_map")


BROKEN: dict[str, Callable[[], bytes]] = {
    "is no PMTiles file": lambda: b"",
    "is no PMTiles file ": lambda: b"PK" + GOOD[2:],
    "PMTiles version 2": lambda: archive(version=2),
    "no vector tiles": lambda: archive(tile_type=2),
    "than gzip": lambda: archive(compression=4),
    "cut off: its tile data": lambda: GOOD[:-1],
}


@pytest.mark.parametrize("why", BROKEN)
async def test_what_is_wrong_is_one_sentence(tmp_path: Path, why: str) -> None:
    path = tmp_path / "own.pmtiles"
    path.write_bytes(BROKEN[why]())
    assert why.strip() in (wrong_with(path) or "")
    site = Site(path)
    for _ in range(2):
        answer = await site.get("bytes=0-126")
        assert (answer.status_code, answer.json()["code"]) == (503, "site_map_unreadable")
        assert why.strip() in answer.json()["detail"]
    assert site.meters.gauges == {"gateway_site_map_ok": 0}


def test_neither_a_folder_nor_a_missing_file_is_a_map(tmp_path: Path) -> None:
    assert "no such file" in (wrong_with(tmp_path) or "")
    assert "no such file" in (wrong_with(tmp_path / "ghost") or "")
    assert wrong_with(_written(tmp_path, GOOD)) is None


@given(st.binary(max_size=200), st.integers(0, 2**63))
def test_whatever_a_header_says_it_is_judged(body: bytes, size: int) -> None:
    for header in (body, site_map.MAGIC + b"\x03" + body):
        wrong = wrong_with_header(header, size)
        assert wrong or len(header) >= HEADER_BYTES


def _written(folder: Path, body: bytes) -> Path:
    path = folder / "own.pmtiles"
    path.write_bytes(body)
    return path
