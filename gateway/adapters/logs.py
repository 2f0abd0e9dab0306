"""structlog: one line an event, JSON or for a terminal, every name known to ``gateway.names``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec
import structlog

from gateway.names import LOG_EVENTS

FORBIDDEN_FIELDS = frozenset(
    {"password", "secret", "token", "security_code", "card_id", "position", "latitude"}
)


def configure(*, as_json: bool) -> Any:
    """Set structlog up once and return the gateway's logger."""
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            known_names_only,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()


def _json(event: Any, **_options: object) -> str:
    """One alarm is one line: the standard library's encoder would cost more than deciding it."""
    return msgspec.json.encode(event, enc_hook=repr).decode()


def known_names_only(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """
    Refuse a log call with a name or a field that must not be there.

    Errors:  KeyError; a test runs every part, so it never reaches a user.
    """
    if event["event"] not in LOG_EVENTS:
        raise KeyError(f"{event['event']} is not in gateway.names.LOG_EVENTS")
    secret = FORBIDDEN_FIELDS & event.keys()
    if secret:
        raise KeyError(f"{event['event']}: fields {sorted(secret)} must not be logged")
    return event
