"""Builds the HTTP application out of its routes."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.enums import OpenAPIMediaType
from litestar.exceptions import SerializationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.types import BeforeMessageSendHookHandler, Message, Scope

from gateway.api import (
    accounts,
    alarms,
    cases,
    certificate,
    commands,
    commissioning,
    console,
    control,
    feed,
    fleet,
    handovers,
    meter,
    modes,
    ownership,
    protection,
    registry,
    root,
    site_map,
    track,
    vehicles,
)
from gateway.api.auth import Authenticator
from gateway.api.deps import Deps
from gateway.api.evidence import routes as evidence
from gateway.api.feed import Streams
from gateway.api.problems import HANDLERS, Problem
from gateway.api.sessions import Sessions
from gateway.ports import Token

MAX_BODY_BYTES = 64 * 1024

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; base-uri 'none';"
        " object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
HTTPS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


def build_app(deps: Deps) -> Litestar:
    """Every route with its ports; serve it with ``server.serve``."""
    sessions = Sessions(deps.store, deps.clock, https=deps.https, origin=deps.origin)
    authenticator = Authenticator(deps.store, deps.clock, sessions)
    streams = Streams(deps.on_readers)
    files = console.load()
    headers = dict([*SECURITY_HEADERS.items(), *([HTTPS_ONLY] if deps.https else [])])
    return Litestar(
        route_handlers=[
            root.routes,
            console.routes,
            Router(
                "/api/v1",
                route_handlers=[
                    alarms.routes,
                    cases.routes,
                    evidence.routes,
                    feed.routes,
                    handovers.routes,
                    vehicles.routes,
                    modes.routes,
                    commands.routes,
                    registry.routes,
                    ownership.routes,
                    accounts.routes,
                    track.routes,
                    fleet.routes,
                    site_map.routes,
                    protection.routes,
                    certificate.routes,
                    commissioning.routes,
                    control.routes,
                    meter.routes,
                ],
                security=[{"bearer": []}],
            ),
        ],
        dependencies={
            "deps": Provide(lambda: deps, sync_to_thread=False),
            "authenticator": Provide(lambda: authenticator, sync_to_thread=False),
            "sessions": Provide(lambda: sessions, sync_to_thread=False),
            "streams": Provide(lambda: streams, sync_to_thread=False),
            "console_files": Provide(lambda: files, sync_to_thread=False),
            "who": Provide(_caller, sync_to_thread=False),
        },
        guards=[authenticator.guard],
        before_request=json_only,
        request_class=JsonRequest,
        before_send=[security_headers(headers)],
        exception_handlers=HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=_openapi(),
        state=State({"streams": streams}),
        logging_config=None,
    )


def _caller(request: Request[Token, Any, Any]) -> Token:
    return request.user


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is refused, whatever is wrong with it."""

    async def json(self) -> Any:
        """Read the body; bad UTF-8 and deep nesting raise no error of the decoder's own."""
        try:
            return await super().json()
        except (UnicodeDecodeError, RecursionError) as error:
            raise SerializationException("the body can't be read") from error


async def json_only(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that is no JSON instead of guessing what it is."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if request.method in {"POST", "PUT", "PATCH"} and media_type != "application/json":
        raise Problem(415, "unsupported_media_type", "Send the body as application/json.")


def security_headers(values: dict[str, str]) -> BeforeMessageSendHookHandler:
    """Put the headers on every answer, errors included."""

    async def add(message: Message, _scope: Scope) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            for name, value in values.items():
                headers.setdefault(name, value)

    return add


class _OnlyTheDocument(JsonRenderPlugin):
    """The document itself and nothing else: documentation pages load from elsewhere."""

    def has_path(self, path: str) -> bool:
        """Stop the framework from serving the document at a second address."""
        return path in {"/", "/openapi.json"}


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Vehicle Gateway",
        version="1",
        description="Anti-theft alarms for the SOC. Errors are RFC 9457 problem JSON with a stable `code`.",
        path="/openapi.json",
        render_plugins=[_OnlyTheDocument(path="/", media_type=OpenAPIMediaType.OPENAPI_JSON)],
        components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
        tags=[
            Tag("alarms", "Alarms and the feed."),
            Tag("cases", "Theft alarms of one vehicle that people handle together."),
            Tag("vehicles", "What is known of vehicles."),
            Tag("remote access", "Commands to vehicles, theft reports, and the second person."),
            Tag("special modes", "Workshop, transport, deactivation, and the security code."),
            Tag("registry", "Vehicles, consents, security code."),
            Tag("ownership", "Pairing, users, hand-over, a person's own data."),
            Tag("control", "Audit, quarantine, deliveries."),
            Tag("console", "What only the console needs."),
            Tag("health", "For monitoring; no token."),
        ],
        use_handler_docstrings=True,
    )
