"""
The few errors of this project.

Each answers two questions where it is raised: may it be tried again, and may the effect have happened?
"""

from __future__ import annotations


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
