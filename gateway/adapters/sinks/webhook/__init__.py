"""
Standard Webhooks: each message one signed POST.

``webhook-id`` stays the same through all tries, so the receiver can drop repeats; timestamp and signature are
fresh each time. Anything but a clear yes is tried again; four answers mean that this message never will do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import ssl
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta, Struct

from gateway.adapters.sinks.webhook.http1 import Answer, Broken, Client
from gateway.ports import AlarmSink, Clock, Delivered, Link, Message, Outcome, Park, Retry, SinkRole

NEVER_ACCEPTED = frozenset({400, 413, 415, 422})
LONGEST_RETRY_AFTER_S = 30.0
SECRET_PREFIX = "whsec_"  # noqa: S105  # the standard's prefix, not a secret
PLAIN_URL = re.compile(r"[!-~]+")
PLAIN_ID = re.compile(r"[A-Za-z0-9_.:~-]+")


class WebhookSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"
):
    """A ``[[soc.sinks]]`` of type ``webhook``."""

    name: Annotated[str, Meta(min_length=1)]
    url: str
    secret: str | None = None
    """``whsec_`` and base64; without it nothing is signed."""
    confirm: Literal["status", "echo"] = "status"
    timeout_s: Annotated[float, Meta(ge=1)] = 5
    ca_file: str | None = None
    """Trust these authorities instead of the system's."""
    role: SinkRole = "primary"
    soc: str = "default"
    heartbeat: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must begin with http:// or https:// and name a host")
        if (
            parts.username is not None
            or not self.url.isascii()
            or not self.url.isprintable()
            or " " in self.url
        ):
            raise ValueError("url must be plain ASCII without user name and password")
        if parts.port == 0:
            raise ValueError("url has a bad port")
        if self.secret is not None:
            key_of(self.secret)

    def __repr__(self) -> str:
        return f"WebhookSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "***" if name == "secret" and value is not None else value) for name, value in shown]


class Echo(Struct):
    """What a SOC answers to ``confirm = "echo"``."""

    alarm_id: str


class WebhookSink:
    """Delivers over a small pool of kept connections."""

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        parts = urlsplit(settings.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: vehicle-gateway\r\n"
            "Accept: application/json\r\nContent-Type: application/cloudevents+json\r\nContent-Length: "
        ).encode("ascii")
        self._key = None if settings.secret is None else key_of(settings.secret)
        self._echo = settings.confirm == "echo"
        self._timeout_s = settings.timeout_s
        self._clock = clock
        secure = parts.scheme == "https"
        tls = ssl.create_default_context(cafile=settings.ca_file) if secure else None
        self._client = Client(parts.hostname or "", parts.port or (443 if secure else 80), tls)

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        request = self._request(webhook_id(feed_id, message), message.body)
        try:
            answer = await self._client.post(request, self._timeout_s)
        except Broken as broken:
            return Retry(str(broken))
        return self._judge(answer, message.alarm_id)

    async def close(self) -> None:
        self._client.close()

    def _request(self, identity: str, body: bytes) -> bytes:
        stamp = int(self._clock.now().timestamp())
        named = f"{identity}.{stamp}.".encode("ascii")
        signature = b""
        if self._key is not None:
            mac = base64.b64encode(hmac.digest(self._key, named + body, hashlib.sha256))
            signature = b"webhook-signature: v1,%s\r\n" % mac
        return b"%s%d\r\nwebhook-id: %s\r\nwebhook-timestamp: %d\r\n%s\r\n%s" % (
            self._head,
            len(body),
            identity.encode("ascii"),
            stamp,
            signature,
            body,
        )

    def _judge(self, answer: Answer, alarm_id: str) -> Outcome:
        status = answer.status
        if 200 <= status < 300:  # noqa: PLR2004  # the class of the status
            # A message without an alarm (heartbeat) has nothing that could be repeated.
            if not self._echo or not alarm_id or echoed(answer.body) == alarm_id:
                return Delivered()
            return Retry(f"HTTP {status}, but the answer does not repeat the alarm_id")
        if status in NEVER_ACCEPTED:
            return Park(f"HTTP {status}")
        return Retry(f"HTTP {status}", self._after_s(answer.retry_after))

    def _after_s(self, retry_after: str | None) -> float | None:
        """Seconds or an HTTP date (RFC 9110, 10.2.3), at most 30 s from now; None if it is neither."""
        if retry_after is None:
            return None
        if retry_after.isdecimal():
            return min(float(retry_after[:9]), LONGEST_RETRY_AFTER_S)
        try:
            at = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return min(max((at - self._clock.now()).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)


def webhook_id(feed_id: str, message: Message) -> str:
    """
    The same for each try of the same message, and for no other message.

    What stands in no feed is told apart by its content: two unrecorded triggers may share an alarm.
    """
    if message.sequence:
        identity = f"{feed_id}.{message.sequence}"
    else:
        content = hashlib.sha256(message.body).hexdigest()[:16]
        kind = message.type.rpartition(".")[2]
        identity = ".".join(filter(None, (feed_id, kind, message.alarm_id, content)))
    return identity if PLAIN_ID.fullmatch(identity) else quote(identity, safe=".:")


def key_of(secret: str) -> bytes:
    """
    The signing key in a ``whsec_`` secret.

    Errors: ValueError, without the secret in it.
    """
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or encoded == secret:
        raise ValueError("secret must be whsec_ followed by base64")
    return key


def echoed(body: bytes) -> str | None:
    """The ``alarm_id`` that an answer repeats; None if it has none."""
    try:
        return msgspec.json.decode(body, type=Echo).alarm_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def open_sink(settings: WebhookSettings, *, clock: Clock, link: Link, logger: Any) -> AlarmSink:
    """See ``SINKS``."""
    del link, logger
    return WebhookSink(settings, clock)
