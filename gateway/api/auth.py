"""
Who is calling: bearer tokens and how they are made, or a console session.

A secret is 32 random bytes, so its SHA-256 is enough: a slow hash protects only what can be guessed.
Looking it up by hash leaks no part of it through time.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.api.passwords import secret_hash
from gateway.api.policy import OWNERS, POLICY, PUBLIC
from gateway.api.problems import Problem
from gateway.api.sessions import SAFE_METHODS, Sessions, is_session
from gateway.ports import Clock, Role, Store, Token
from gateway.wire.topics import is_user, is_vin

REMEMBER_S = 1.0
"""A revoked token works at most this much longer."""
MAX_REMEMBERED = 4096
MAX_HEADER = 512
MAX_DAYS = 3650
BINDABLE = OWNERS | {"workshop"}
"""Roles whose token can be bound to a vehicle."""

log = structlog.get_logger()


def make_token(
    role: Role,
    person: str,
    *,
    user: str | None,
    vin: str | None,
    days: int | None,
    now: datetime,
    rng: Callable[[int], bytes],
) -> tuple[str, Token]:
    """
    Make a secret and the record that is kept of it. ``rng`` gives random bytes, as ``secrets.token_bytes``.

    Errors: ValueError with a full sentence.
    """
    if not person.strip():
        raise ValueError("A token needs a person: it is who the audit trail names.")
    if role in OWNERS and user is None and vin is None:
        raise ValueError(f"A token for a {role} needs the user or the VIN that it is bound to.")
    if vin is not None and role not in BINDABLE:
        raise ValueError(f"A token of the role {role} can't be bound to a VIN: it would see every vehicle.")
    if user is not None and not is_user(user):
        raise ValueError("A user is 1 to 64 of A-Za-z0-9_.@-, no VIN, and begins with no 'gateway'.")
    if vin is not None and not is_vin(vin):
        raise ValueError("A VIN is 17 of A-HJ-NPR-Z0-9.")
    if days is not None and not 0 < days <= MAX_DAYS:
        raise ValueError(f"A token is valid for 1 to {MAX_DAYS} days, not {days}.")
    secret = urlsafe_b64encode(rng(32)).rstrip(b"=").decode()
    kept = secret_hash(secret)
    expires_at = None if days is None else now + timedelta(days=days)
    return secret, Token(kept[:12], kept, role, person, now, expires_at, user, vin)


class Authenticator:
    """Knows who is calling; asks the store at most once a second per token."""

    def __init__(self, store: Store, clock: Clock, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._known: dict[str, tuple[float, Token | None]] = {}

    async def caller(self, authorization: str | None) -> Token:
        """The token of an ``Authorization`` header, or a 401."""
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret or len(secret) > MAX_HEADER:
            raise _unauthorised("This needs a token: send the header Authorization: Bearer <token>.")
        token = await self.token(secret_hash(secret))
        if token is None or not self._valid(token):
            raise _unauthorised("The token is not known, has expired or was revoked.")
        return token

    async def still_valid(self, token: Token) -> bool:
        """Whether a token that was valid still is: for answers that take hours."""
        if is_session(token):
            return await self._sessions.still_valid(token)
        found = await self.token(token.secret_hash)
        return found is not None and self._valid(found)

    async def token(self, kept: str) -> Token | None:
        """The record with this hash, at most a second old."""
        now = self._clock.mono_s()
        asked_at, token = self._known.get(kept, (-REMEMBER_S, None))
        if now - asked_at < REMEMBER_S and kept in self._known:
            return token
        token = await self._store.token(kept)
        if len(self._known) >= MAX_REMEMBERED:
            # Guessed tokens must not fill the memory.
            self._known.clear()
        self._known[kept] = (now, token)
        return token

    def _valid(self, token: Token) -> bool:
        expired = token.expires_at is not None and token.expires_at <= self._clock.now()
        return token.revoked_at is None and not expired

    async def _who(self, connection: ASGIConnection[Any, Any, Any, Any], method: str) -> Token:
        """A header counts before a cookie: a token in it was sent on purpose."""
        authorization = connection.headers.get("authorization")
        token = await self._sessions.caller(connection) if authorization is None else None
        if token is None:
            return await self.caller(authorization)
        if method not in SAFE_METHODS:
            self._sessions.check_origin(connection)
        return token

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """Let a request through only if the policy names its route and its caller's role."""
        method = str(connection.scope.get("method", ""))
        route = f"{method} {connection.scope['path_template']}"
        if route in PUBLIC or method == "OPTIONS":
            return
        token = await self._who(connection, method)
        if token.role not in POLICY.get(route, frozenset()):
            log.warning("api.denied", route=route, role=token.role, person=token.person)
            raise Problem(403, "forbidden", f"The role {token.role} may not do this.")
        connection.scope["user"] = token


def _unauthorised(detail: str) -> Problem:
    return Problem(
        401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="vehicle-gateway"'}
    )
