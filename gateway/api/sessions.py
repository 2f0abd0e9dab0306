"""
Console sessions: logging in, going on, logging out.

Rules of this file:

1. The cookie holds 32 random bytes; the store holds their hash. A session outlives a restart of the gateway.
2. A session ends 15 minutes after its person last did something, and 12 hours after it began. The page's own
   asking (the stream, refreshes) says so in a header and does not count as doing something.
3. What changes something needs the page's own origin and a header that no foreign page can send.
4. A password counts as tried before it is judged, so lock-outs hold under a flood and across restarts.
5. A one-time password opens no session: it is good once, within its time, to set one's own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from litestar.connection import ASGIConnection
from msgspec.structs import replace

from gateway.api.passwords import MAX_LENGTH, fits, hash_password, secret_hash
from gateway.api.problems import Problem
from gateway.ports import AuditEntry, Clock, Person, Session, Store, Token

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
REMEMBER_S = 1.0
"""A removed person's session works at most this much longer."""
WRITE_SEEN_AFTER = timedelta(seconds=20)
MAX_REMEMBERED = 1024
MAX_COOKIE = 128
PER_ADDRESS, PER_ADDRESS_S, MAX_ADDRESSES = 30, 60.0, 4096
MAX_WAITING = 8
"""Logins that may wait for their turn: a password takes 50 ms of a core, and alarms need that core."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_HEADER = "x-gateway-console"
BACKGROUND = "background"

Connection = ASGIConnection[Any, Any, Any, Any]
T = TypeVar("T")

log = structlog.get_logger()


class Sessions:
    """Who is logged in. ``origin`` is the address that browsers see, where a proxy stands in front."""

    def __init__(self, store: Store, clock: Clock, *, https: bool, origin: str | None) -> None:
        self._store = store
        self._clock = clock
        self._https = https
        self._origin = origin
        self._known: dict[str, tuple[float, Session | None]] = {}
        self._addresses: dict[str, tuple[float, int]] = {}
        # One at a time: logins must not take both cores from the alarm path.
        self._judging = asyncio.Semaphore(1)
        self._waiting = 0

    @property
    def cookie(self) -> str:
        """Name of the cookie; the prefix makes browsers refuse it from anywhere else than this host."""
        return "__Host-gateway-session" if self._https else "gateway-session"

    def set_cookie(self, value: str, *, gone: bool = False) -> str:
        """A Set-Cookie header."""
        parts = [f"{self.cookie}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
        parts += ["Secure"] if self._https else []
        parts += ["Max-Age=0"] if gone else []
        return "; ".join(parts)

    async def caller(self, connection: Connection) -> Token | None:
        """Who is logged in, as a token of that person; None without a session that holds."""
        secret = connection.cookies.get(self.cookie, "")
        if not secret or len(secret) > MAX_COOKIE:
            return None
        session = await self._session(secret_hash(secret))
        if session is None or not self._holds(session):
            return None
        if connection.headers.get(OWN_HEADER) != BACKGROUND:
            session = await self._touch(session)
        return _as_token(session)

    async def still_valid(self, token: Token) -> bool:
        """Whether a session that was valid still is: for answers that take hours."""
        session = await self._session(token.secret_hash)
        return session is not None and self._holds(session)

    def check_origin(self, connection: Connection) -> None:
        """Refuse what a foreign page makes a browser do."""
        headers = connection.headers
        origin = headers.get("origin", "")
        own = self._origin or f"{'https' if self._https else 'http'}://{headers.get('host', '')}"
        fetched = headers.get("sec-fetch-site", "same-origin")
        if origin != own or fetched != "same-origin" or OWN_HEADER not in headers:
            raise Problem(403, "cross_site", "This was not asked by the console's own page.")

    async def log_in(self, name: str, password: str, address: str) -> tuple[str, Token]:
        """
        The secret of a new session and its person.

        Errors: Problem 401 ``wrong_login``, 403 ``password_needed`` or ``login_expired``,
        429 ``login_locked`` or ``too_many_logins``.
        """
        person = await self._judged(name, password, address)
        if person.one_time_until is not None:
            raise Problem(403, "password_needed", "This password is good once: to set one of your own.")
        return await self._begin(person, address)

    async def set_password(self, name: str, password: str, new: str, address: str) -> tuple[str, Token]:
        """
        Replace a password, a one-time one or one's own, and begin a session.

        Errors: as ``log_in``; Problem 422 ``invalid_request`` for one that is not fit.
        """
        if new == password:
            raise Problem(422, "invalid_request", "new_password: it is the one that you have.")
        person = await self._judged(name, password, address)
        try:
            kept = await self._in_turn(hash_password, new)
        except ValueError as error:
            raise Problem(422, "invalid_request", f"new_password: {error}") from error
        details = {"one_time": person.one_time_until is not None, "from": address}
        entry = AuditEntry(self._clock.now(), person.name, "login.password_set", person.name, details)
        if not await self._store.set_password(person.name, person.password_hash, kept, entry):
            raise Problem(401, "wrong_login", "Somebody has just used this password.")
        self._known.clear()
        return await self._begin(person, address)

    async def log_out(self, token: Token) -> None:
        """End a session; it works nowhere any more at once."""
        self._known.pop(token.secret_hash, None)
        entry = AuditEntry(self._clock.now(), token.person, "login.ended", token.person, {"role": token.role})
        await self._store.end_session(token.secret_hash, entry)

    async def _judged(self, name: str, password: str, address: str) -> Person:
        """Who this is; counted as tried before it is judged."""
        now = self._clock.now()
        self._limit(address)
        until = await self._store.begin_login(name, now)
        if until is not None:
            await self._note(now, name, "login.locked", address)
            raise _later("login_locked", "Too many wrong passwords for this name.", until - now)
        person = await self._store.person(name)
        kept = None if person is None else person.password_hash
        if not await self._in_turn(fits, kept, password[: MAX_LENGTH + 1]) or person is None:
            await self._note(now, name if person else "", "login.failed", address)
            raise Problem(401, "wrong_login", "The name or the password is not right.")
        if person.one_time_until is not None and now >= person.one_time_until:
            await self._note(now, name, "login.expired", address)
            raise Problem(403, "login_expired", "This one-time password is no longer good: ask for another.")
        return person

    async def _begin(self, person: Person, address: str) -> tuple[str, Token]:
        now = self._clock.now()
        secret = secrets.token_urlsafe(32)
        session = Session(secret_hash(secret), person.name, person.role, now, now)
        details = {"role": person.role, "from": address}
        entry = AuditEntry(now, person.name, "login.succeeded", person.name, details)
        await self._store.open_session(session, entry)
        return secret, _as_token(session)

    async def _session(self, kept: str) -> Session | None:
        now = self._clock.mono_s()
        known = self._known.get(kept)
        if known is not None and now - known[0] < REMEMBER_S:
            return known[1]
        found = await self._store.session(kept)
        if known is not None and known[1] is not None and found is not None:
            found = replace(found, seen_at=max(found.seen_at, known[1].seen_at))
        if len(self._known) >= MAX_REMEMBERED:
            # Guessed ids must not fill the memory.
            self._known.clear()
        self._known[kept] = (now, found)
        return found

    def _holds(self, session: Session) -> bool:
        now = self._clock.now()
        return now < session.seen_at + IDLE and now < session.created_at + LONGEST

    async def _touch(self, session: Session) -> Session:
        now = self._clock.now()
        if now - session.seen_at < WRITE_SEEN_AFTER:
            return session
        await self._store.touch_session(session.id_hash, now)
        session = replace(session, seen_at=now)
        self._known[session.id_hash] = (self._clock.mono_s(), session)
        return session

    async def _in_turn(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what takes 50 ms of a core beside the loop, one at a time."""
        if self._waiting >= MAX_WAITING:
            raise _later("too_many_logins", "Too many people log in at once.", timedelta(seconds=1))
        self._waiting += 1
        try:
            async with self._judging:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _limit(self, address: str) -> None:
        now = self._clock.mono_s()
        if len(self._addresses) >= MAX_ADDRESSES:
            self._addresses.clear()
        since, count = self._addresses.get(address, (now, 0))
        if now - since >= PER_ADDRESS_S:
            since, count = now, 0
        self._addresses[address] = (since, count + 1)
        if count >= PER_ADDRESS:
            left = timedelta(seconds=PER_ADDRESS_S - (now - since))
            raise _later("too_many_logins", "Too many logins from here.", left)

    async def _note(self, now: datetime, name: str, action: str, address: str) -> None:
        # A name that nobody has is not kept: people type passwords into the wrong field.
        log.warning("console.login_refused", action=action, person=name)
        await self._store.audit([AuditEntry(now, name or "nobody", action, name, {"from": address})])


def is_session(token: Token) -> bool:
    """Whether somebody is logged in, rather than sending a token."""
    return token.id.startswith("session-")


def _as_token(session: Session) -> Token:
    ends = session.created_at + LONGEST
    name = f"session-{session.id_hash[:12]}"
    return Token(name, session.id_hash, session.role, session.name, session.created_at, ends)


def _later(code: str, detail: str, wait: timedelta) -> Problem:
    seconds = max(1, round(wait.total_seconds()))
    return Problem(429, code, f"{detail} Try again in {seconds} s.", headers={"Retry-After": str(seconds)})
