"""Every error answer: RFC 9457 problem JSON with a stable ``code``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import UNSET, Struct, UnsetType

from gateway.errors import StoreError, without_values

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()

CODES: dict[int, str] = {
    400: "malformed_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
"""Codes of errors that are found before a route's own code runs."""


class Wrong(Struct, frozen=True):
    """One field that can't be accepted."""

    field: str
    message: str


class ProblemBody(Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 problem details. ``code`` is stable; ``detail`` is for people."""

    status: int
    code: str
    title: str
    detail: str
    errors: list[Wrong] | UnsetType = UNSET
    oldest: int | UnsetType | None = UNSET
    """First sequence that can still be read from a feed."""
    by: str | UnsetType = UNSET
    """Who stands in the way: the holder of a claimed case."""


class Problem(Exception):
    """Ends a request with a problem answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        oldest: int | UnsetType | None = UNSET,
        by: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.oldest = oldest
        self.by: str | UnsetType = UNSET if by is None else by


AnyRequest = Request[Any, Any, Any]
Answer = Response[bytes]


def _answer(body: ProblemBody, headers: Mapping[str, str] | None = None) -> Answer:
    return Response(
        msgspec.json.encode(body), status_code=body.status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def on_problem(_request: AnyRequest, error: Problem) -> Answer:
    """Answer what our own code refused."""
    body = ProblemBody(
        error.status, error.code, _title(error.status), error.detail, oldest=error.oldest, by=error.by
    )
    return _answer(body, error.headers)


def on_validation(_request: AnyRequest, error: ValidationException) -> Answer:
    """Answer fields, parameters or a body that don't fit the schema."""
    stated = error.extra if isinstance(error.extra, list) else []
    wrong = [
        Wrong(str(one.get("key", "")), without_values(str(one.get("message", ""))))
        for one in stated
        if isinstance(one, dict)
    ]
    detail = (
        "; ".join(f"{one.field}: {one.message}" for one in wrong) or "The request does not fit the schema."
    )
    return _answer(ProblemBody(422, "invalid_request", _title(422), detail, errors=wrong))


def on_http(_request: AnyRequest, error: HTTPException) -> Answer:
    """Answer what the framework refused: no such route, wrong method, unreadable body."""
    status = error.status_code
    code = CODES.get(status, "request_failed")
    return _answer(ProblemBody(status, code, _title(status), error.detail), error.headers)


def on_store_error(request: AnyRequest, error: StoreError) -> Answer:
    """Answer while the store fails: nothing was changed, the caller may try again."""
    log.warning("api.failed", path=request.url.path, reason=str(error))
    detail = "The store can't be read or written now. Nothing was changed; try again."
    return _answer(ProblemBody(503, "store_failing", _title(503), detail), {"Retry-After": "1"})


def on_unexpected(request: AnyRequest, error: Exception) -> Answer:
    """Answer a mistake of ours without telling its inside."""
    log.error("api.failed", path=request.url.path, exc_info=error)
    detail = "The gateway made a mistake. It is in its log."
    return _answer(ProblemBody(500, "internal_error", _title(500), detail))


HANDLERS: dict[int | type[Exception], Any] = {
    Problem: on_problem,
    ValidationException: on_validation,
    HTTPException: on_http,
    StoreError: on_store_error,
    Exception: on_unexpected,
}

MEANINGS: dict[int, str] = {
    400: "The request can't be read (`malformed_request`).",
    401: "No valid token (`unauthorised`).",
    403: "The token's role may not do this (`forbidden`).",
    404: "There is no such thing, or it is another party's.",
    409: "Not possible now; the code says why.",
    410: "That part of the feed is gone (`purged`, with `oldest`) or never was (`feed_ahead`).",
    413: "The body is over 64 KiB (`body_too_large`).",
    415: "The body is no JSON (`unsupported_media_type`).",
    416: "The file has no such range (`range_not_satisfiable`).",
    422: "A parameter or field is not valid (`invalid_request`, with `errors`).",
    429: "Too often (`too_many_requests`, `login_locked`, `too_many_logins`); `Retry-After` says when again.",
    503: "Not now: `store_failing`, `too_many_readers` or `site_map_unreadable`.",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problem answers of a route, for the OpenAPI document."""
    every = (401, 403, 503, *statuses)
    return {status: _spec(status) for status in sorted(every)}


def _spec(status: int) -> ResponseSpec:
    return ResponseSpec(
        data_container=ProblemBody,
        description=MEANINGS[status],
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
