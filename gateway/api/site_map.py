"""
The site's own map for the console: pieces of one file that the configuration names (RFC 9110, section 14).

The path is fixed, a piece is bounded, and a whole file of many gigabytes is never sent.
"""

from __future__ import annotations

import re
from typing import Any

from litestar import Request, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec

from gateway.api.deps import FromApp
from gateway.api.problems import Problem, problems
from gateway.errors import MapUnreadable

MAX_PIECE_BYTES = 4 << 20
"""More than any tile or directory has."""
MAX_OFFSET = 2**53
RANGE = re.compile(r"bytes=([0-9]{1,16})-([0-9]{1,16})?\Z")
MEDIA_TYPE = "application/octet-stream"

_piece = ResponseSpec(
    bytes, description="A piece of the file.", media_type=MEDIA_TYPE, generate_examples=False
)


@get(
    "/site-map",
    operation_id="readSiteMap",
    summary="Read a piece of the site's own map",
    status_code=206,
    responses={206: _piece, **problems(404, 416)},
)
async def read_site_map(deps: FromApp, request: Request[Any, Any, Any]) -> Response[bytes]:
    """
    One range of the PMTiles file; longer ones than 4 MiB are cut.

    Without a site's own map 404 ``no_site_map``; a file that is none or can't be read: 503
    ``site_map_unreadable``.
    """
    if deps.site_map is None:
        raise Problem(404, "no_site_map", "This site has no map of its own.")
    first, last = _range(request.headers.get("range", ""))
    length = MAX_PIECE_BYTES if last is None else min(last - first + 1, MAX_PIECE_BYTES)
    try:
        part = await deps.site_map.read(first, length)
    except MapUnreadable as error:
        raise Problem(503, "site_map_unreadable", str(error)) from error
    if not part.body:
        raise _not_satisfiable(f"bytes */{part.size}")
    headers = {
        "ETag": part.etag,
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {first}-{first + len(part.body) - 1}/{part.size}",
    }
    return Response(part.body, status_code=206, headers=headers, media_type=MEDIA_TYPE)


def _range(stated: str) -> tuple[int, int | None]:
    found = RANGE.match(stated)
    first, last = (0, None) if found is None else (int(found[1]), int(found[2]) if found[2] else None)
    if found is None or first > MAX_OFFSET or (last is not None and last < first):
        raise _not_satisfiable()
    return first, last


def _not_satisfiable(content_range: str | None = None) -> Problem:
    headers = {"Accept-Ranges": "bytes"} | ({} if content_range is None else {"Content-Range": content_range})
    detail = "Ask for one range of the file, as in Range: bytes=0-16383."
    return Problem(416, "range_not_satisfiable", detail, headers=headers)


routes = Router("/", route_handlers=[read_site_map], tags=["console"])
