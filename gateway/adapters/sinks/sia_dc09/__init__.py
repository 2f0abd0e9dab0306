"""
SIA DC-09: each message one event at an alarm receiver, over TCP or UDP, plain or encrypted.

1. ``ACK`` delivers. ``DUH`` parks at once: the receiver understood and can't take it, so a person must look.
   No answer, half an answer and a second ``NAK`` are tried again.
2. The primary address comes first. While it fails the back-up does; every 30 s, and with each supervision,
   the primary is tried, and with its first answer all go there again.
3. ``gateway.heartbeat`` is told as ``NULL`` to both addresses, unless one has just acknowledged something. It
   comes only while the gateway hears its vehicles: a deaf gateway falls silent at the receiver.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from gateway.adapters.sinks.sia_dc09.accounts import ACCOUNT, MAX_AREA, Accounts, Rule, read_accounts
from gateway.adapters.sinks.sia_dc09.connections import NoAnswer
from gateway.adapters.sinks.sia_dc09.frame import KEY_DIGITS, Address, Answer
from gateway.adapters.sinks.sia_dc09.paths import Path
from gateway.adapters.sinks.sia_dc09.report import NUMBERS, Letter, Protocol, link_test, report
from gateway.ports import AlarmSink, Clock, Delivered, Link, Message, Outcome, Park, Retry, SinkRole

MAX_CID_AREA: Final = 99
NUMBER: Final = r"^[0-9A-Fa-f]{1,6}\Z"


class Dc09Settings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sia-dc09"
):
    """A ``[[soc.sinks]]`` of type ``sia-dc09``."""

    name: Annotated[str, Meta(min_length=1)]
    url: str
    """The receiver: ``tcp://host:port`` or ``udp://host:port``."""
    backup_url: str | None = None
    """Its second address, used while the first does not answer."""
    account: Annotated[str, Meta(pattern=ACCOUNT)]
    """Of the gateway, and of the vehicles that have none of their own."""
    vehicle_accounts: Rule = "fleet"
    accounts_file: str | None = None
    """Lines ``VIN,account`` or ``VIN,account,area``."""
    secret: str | None = None
    """AES key: 32, 48 or 64 hex digits; without it nothing is encrypted."""
    protocol: Protocol = "SIA-DCS"
    extended_data: tuple[Letter, ...] = ("H", "I", "X", "Y")
    """Time of occurrence, text, longitude, latitude; fewer for a receiver that can't read them."""
    receiver: Annotated[str, Meta(pattern=NUMBER)] | None = None
    line: Annotated[str, Meta(pattern=NUMBER)] = "0"
    timeout_s: Annotated[float, Meta(ge=1)] = 10
    connections: Annotated[int, Meta(ge=1, le=32)] = 4
    supervision_s: Annotated[float, Meta(ge=1)] = 30
    role: SinkRole = "primary"
    soc: str = "default"
    heartbeat: bool = True

    def __post_init__(self) -> None:
        for key, url in (("url", self.url), ("backup_url", self.backup_url)):
            if url is not None:
                _check_url(key, url)
        if self.secret is not None:
            key_of(self.secret)

    def __repr__(self) -> str:
        return f"Dc09Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "***" if name == "secret" and value is not None else value) for name, value in shown]


def _check_url(key: str, url: str) -> None:
    """Errors: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"tcp", "udp"} or not parts.hostname or not parts.port:
        raise ValueError(f"{key} must be tcp://host:port or udp://host:port")
    if parts.username is not None or parts.path or parts.query or not re.fullmatch(r"[!-~]+", url):
        raise ValueError(f"{key} must be plain ASCII, with nothing but host and port")


def key_of(secret: str) -> bytes:
    """
    The AES key.

    Errors: ValueError, without the secret in it.
    """
    if len(secret) not in KEY_DIGITS or not re.fullmatch(r"[0-9A-Fa-f]+", secret):
        raise ValueError("secret must be an AES key of 32, 48 or 64 hex digits")
    return bytes.fromhex(secret)


def accounts_of(settings: Dc09Settings) -> Accounts:
    """
    The mapping of vehicles, with its file read.

    Errors:  ValueError, OSError: the file can't be used.
    """
    max_area = MAX_AREA if settings.protocol == "SIA-DCS" else MAX_CID_AREA
    file = settings.accounts_file
    listed = {} if file is None else read_accounts(FilePath(file), max_area=max_area)
    return Accounts(settings.account, settings.vehicle_accounts, listed)


class Dc09Sink:
    """Speaks to one receiver, at one or two addresses."""

    def __init__(self, settings: Dc09Settings, clock: Clock, logger: Any) -> None:
        self._protocol: Protocol = settings.protocol
        self._letters = frozenset(settings.extended_data)
        self._accounts = accounts_of(settings)
        own = self._accounts.own.account
        self._address = Address(own, (settings.receiver or "").upper(), settings.line.upper())
        self._timeout_s = settings.timeout_s
        self._supervision_s = settings.supervision_s
        self._link_tests = 0
        log = logger.bind(sink=settings.name)
        key = None if settings.secret is None else key_of(settings.secret)
        urls = [url for url in (settings.url, settings.backup_url) if url is not None]
        self._paths = [
            Path(name, url, key=key, connections=settings.connections, clock=clock, log=log)
            for name, url in zip(("primary", "backup"), urls, strict=False)
        ]

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        del feed_id  # a frame has no room for it
        if message.type == "gateway.heartbeat":
            return await self._supervise()
        try:
            frame = report(message, self._accounts, self._address, self._protocol, self._letters)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Park(f"the message can't be told: {error}")
        silent: list[str] = []
        until_s = asyncio.get_running_loop().time() + self._timeout_s
        paths = self._in_order()
        for position, path in enumerate(paths):
            left_s = until_s - asyncio.get_running_loop().time()
            try:
                answer = await path.ask(frame, left_s / (len(paths) - position))
            except NoAnswer as silence:
                silent.append(f"{path.name}: {silence}")
                continue
            return judged(path, answer)
        return Retry("; ".join(silent))

    async def close(self) -> None:
        for path in self._paths:
            path.close()
        await asyncio.sleep(0)  # asyncio gives the sockets back in its next round

    def _in_order(self) -> list[Path]:
        """The primary first, unless it fails and its next try is not due."""
        return self._paths if self._paths[0].is_worth_a_try() else self._paths[::-1]

    async def _supervise(self) -> Outcome:
        """Test every path, whichever is in use; one that works is enough."""
        outcomes = await asyncio.gather(*map(self._test, self._paths))
        failed = [outcome for outcome in outcomes if isinstance(outcome, Retry)]
        if len(failed) < len(outcomes):
            return Delivered()
        return Retry("; ".join(outcome.reason for outcome in failed))

    async def _test(self, path: Path) -> Delivered | Retry:
        if path.was_heard(self._supervision_s):
            return Delivered()
        self._link_tests = self._link_tests % NUMBERS + 1
        try:
            answer = await path.ask(link_test(self._link_tests, self._address), self._timeout_s)
        except NoAnswer as silence:
            return Retry(f"{path.name}: {silence}")
        if answer.identity == "ACK":
            return Delivered()
        return Retry(f"{path.name}: {answer.identity} to a link test")


def judged(path: Path, answer: Answer) -> Outcome:
    """What the answer to a message means."""
    match answer.identity:
        case "ACK":
            return Delivered()
        case "DUH":
            return Park(f"{path.name}: DUH, the receiver can't take this message")
        case identity:
            return Retry(f"{path.name}: {identity} (account not known there, or its clock?)")


def open_sink(settings: Dc09Settings, *, clock: Clock, link: Link, logger: Any) -> AlarmSink:
    """See ``SINKS``."""
    del link
    return Dc09Sink(settings, clock, logger)
