"""
The few errors of this project.

Each answers two questions where it is raised: may it be tried again, and may the effect have happened?
"""

from __future__ import annotations

import re


class GatewayError(Exception):
    """Root of all errors that are ours."""

    retryable = False
    may_have_happened = False


class SettingsError(GatewayError):
    """A configuration mistake, with file, key and reason. Stops the start with exit code 2."""


class StartError(GatewayError):
    """Something outside stops the start: a taken port, a refused password, an unwritable folder."""


class StoreError(GatewayError):
    """The store can't be read or written now; nothing of the transaction is kept."""

    retryable = True


class MapUnreadable(GatewayError):
    """The site's own map can't be read, or is none; the console goes on without it."""

    retryable = True


class LinkDown(GatewayError):
    """The broker can't be reached; the message was not handed over."""

    retryable = True


class PublishUnknown(GatewayError):
    """No PUBACK in time: the broker may have the message."""

    retryable = True
    may_have_happened = True


class PublishRefused(GatewayError):
    """The broker said no (reason code), or took the message for nobody."""

    def __init__(self, topic: str, reason_code: int, reason: str) -> None:
        super().__init__(f"{topic}: {reason} (reason code {reason_code})")
        self.topic = topic
        self.reason_code = reason_code
        self.reason = reason


def reason_of(error: Exception) -> str:
    """What an error says, without the value that was wrong: a code may have slipped into a wrong field."""
    return without_values(f"{type(error).__name__}: {error}")


def place_of(error: Exception) -> str:
    """Which error it is and where it was raised: what a mistake of ours says may hold a card or a code."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" at {at.tb_frame.f_globals.get('__name__', '?')}:{at.tb_lineno}"
    return f"{type(error).__name__}{where}"


def without_values(text: str) -> str:
    """A decoder's sentence, without the value that it quotes."""
    return _QUOTED.sub("Not one of the known values", text)


_QUOTED = re.compile(r"""Invalid enum value (?:'.*'|".*"|-?[0-9]+)""", re.DOTALL)
