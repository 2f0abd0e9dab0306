"""
The operators' console: its page, its files, and logging in.

The page itself tells nothing: what it shows comes from the API, with the session's rights. Its texts are
filled in here in the reader's language, so that nothing is shown in another one first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import Meta, Struct

from gateway.api.deps import Deps, FromApp
from gateway.api.policy import POLICY
from gateway.api.problems import Problem
from gateway.api.sessions import Sessions
from gateway.ports import Token

MEDIA_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "json": "application/json",
    "css": "text/css",
    "svg": "image/svg+xml",
}
LANGUAGES = ("en", "nl")
THEMES = ("auto", "light", "dark")
HOLE = re.compile(r"\{\{([a-z_.]+)\}\}")
PAGES = ("login.html", "page.html")


class ConsoleFile(Struct, frozen=True):
    """A file of the page. ``etag`` lets a browser keep it and ask whether it still holds."""

    body: bytes
    media_type: str
    etag: str


Console = dict[str, ConsoleFile]
Files = NamedDependency[SkipValidation[Console]]
FromSessions = NamedDependency[SkipValidation[Sessions]]


class LoginBody(Struct, frozen=True):
    """Who wants to log in."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class PasswordBody(Struct, frozen=True):
    """Who wants another password, proven by the one that there is: a one-time one, or one's own."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]
    new_password: Annotated[str, Meta(min_length=1, max_length=256)]


class PersonView(Struct, frozen=True):
    """Who is logged in, which calls are open to that role, and the gateway's clock."""

    person: str
    role: str
    may: list[str]
    now: datetime
    site_map: bool
    """Whether the site has a map of its own."""


def load() -> Console:
    """Every file of the page, read once: they are part of the package."""
    return {name: _file(one) for name, one in _walk(files("gateway") / "console", "")}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{prefix}{one.name}/")
        elif one.name.rpartition(".")[2] in MEDIA_TYPES:
            yield f"{prefix}{one.name}", one


def _file(one: Traversable) -> ConsoleFile:
    body = one.read_bytes()
    return ConsoleFile(body, MEDIA_TYPES[one.name.rpartition(".")[2]], f'"{sha256(body).hexdigest()[:32]}"')


@get("/", include_in_schema=False)
async def console(
    console_files: Files, sessions: FromSessions, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """The page for who is logged in, else the one to log in."""
    token = await sessions.caller(request)
    language = language_of(request)
    theme = request.cookies.get("theme", "auto")
    values = {
        "language": language,
        "theme": theme if theme in THEMES else "auto",
        "person": "" if token is None else token.person,
        "role": "" if token is None else token.role,
    }
    page = console_files["login.html" if token is None else "page.html"].body.decode()
    words = msgspec.json.decode(console_files[f"words/{language}.json"].body, type=dict[str, str])
    return Response(_filled(page, words | values).encode(), media_type=MEDIA_TYPES["html"])


@get("/console/{path:path}", include_in_schema=False)
async def console_file(
    console_files: Files, path: FromPath[str], request: Request[Any, Any, Any]
) -> Response[bytes]:
    """A file of the page."""
    found = console_files.get(path.removeprefix("/"))
    if found is None or path.removeprefix("/") in PAGES:
        raise Problem(404, "not_found", "There is no such file.")
    # No-cache means ask, not fetch: after an update no browser works with a mixture of versions.
    headers = {"Cache-Control": "no-cache", "ETag": found.etag}
    if request.headers.get("if-none-match") == found.etag:
        return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)


@get("/console/session", include_in_schema=False)
async def who_is_it(deps: FromApp, sessions: FromSessions, request: Request[Any, Any, Any]) -> PersonView:
    """Who is logged in; asking this way says that somebody is there."""
    return _view(await _logged_in(sessions, request), deps)


@post("/console/session", include_in_schema=False, status_code=200)
async def log_in(
    deps: FromApp, sessions: FromSessions, request: Request[Any, Any, Any], data: JSONBody[LoginBody]
) -> Response[PersonView]:
    """Begin a session."""
    sessions.check_origin(request)
    begun = await sessions.log_in(data.name, data.password, _address(request))
    return _begun(deps, sessions, *begun)


@post("/console/password", include_in_schema=False, status_code=200)
async def set_password(
    deps: FromApp, sessions: FromSessions, request: Request[Any, Any, Any], data: JSONBody[PasswordBody]
) -> Response[PersonView]:
    """Set a password of one's own, and begin a session."""
    sessions.check_origin(request)
    begun = await sessions.set_password(data.name, data.password, data.new_password, _address(request))
    return _begun(deps, sessions, *begun)


@delete("/console/session", include_in_schema=False, status_code=200)
async def log_out(sessions: FromSessions, request: Request[Any, Any, Any]) -> Response[None]:
    """End the session."""
    sessions.check_origin(request)
    await sessions.log_out(await _logged_in(sessions, request))
    return Response(None, headers={"Set-Cookie": sessions.set_cookie("", gone=True)})


def _address(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


def _begun(deps: Deps, sessions: Sessions, secret: str, token: Token) -> Response[PersonView]:
    return Response(_view(token, deps), headers={"Set-Cookie": sessions.set_cookie(secret)})


async def _logged_in(sessions: Sessions, request: Request[Any, Any, Any]) -> Token:
    token = await sessions.caller(request)
    if token is None:
        raise Problem(401, "unauthorised", "Nobody is logged in.")
    return token


def _view(token: Token, deps: Deps) -> PersonView:
    may = sorted(route for route, roles in POLICY.items() if token.role in roles)
    return PersonView(token.person, token.role, may, deps.clock.now(), deps.site_map is not None)


def language_of(request: Request[Any, Any, Any]) -> str:
    """As chosen on the page, else the first one that the browser asks for and that there is."""
    chosen = request.cookies.get("language", "")
    asked = [one.strip()[:2].lower() for one in request.headers.get("accept-language", "").split(",")]
    return next((one for one in [chosen, *asked] if one in LANGUAGES), LANGUAGES[0])


def _filled(page: str, values: dict[str, str]) -> str:
    return HOLE.sub(lambda hole: escape(values[hole[1]]), page)


routes = Router("/", route_handlers=[console, console_file, who_is_it, log_in, set_password, log_out])
