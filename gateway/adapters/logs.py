"""structlog: one line an event, JSON or for a terminal, every name known to ``gateway.names``."""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

from gateway.names import LOG_EVENTS

MAX_LINES = 10_000
MAX_AT_ONCE = 100
FLUSH_S = 1.0
_printers: list[Printer] = []
FORBIDDEN_FIELDS = frozenset(
    {"password", "secret", "token", "security_code", "card_id", "position", "latitude"}
)


def configure(*, as_json: bool) -> Any:
    """Set structlog up once and return the gateway's logger."""
    printer = Printer(sys.stderr)
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
        logger_factory=lambda *_names: printer,
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger().bind()  # bound: an unbound one is made anew for each line


def _json(event: Any, **_options: object) -> str:
    """One alarm is one line: the standard library's encoder would cost as much as a rule."""
    return msgspec.json.encode(event, enc_hook=repr).decode()


def flush() -> None:
    """Let what was logged be seen before a last sentence."""
    for printer in _printers:
        printer.flush()


class Printer:
    """
    Writes lines from a thread of its own: a full disk or a pipe that nobody reads must not stop an alarm.

    Lines that wait together leave as one write. What finds the queue full, or can't be written, is dropped;
    the next line that gets through says how many.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: queue.Queue[str] = queue.Queue(MAX_LINES)
        self._dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)
        _printers.append(self)

    def msg(self, line: str) -> None:
        """Write a line, soon."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = critical = exception = log = msg

    def flush(self) -> None:
        """Give what waits a moment to be written."""
        until_s = time.monotonic() + FLUSH_S
        while self._lines.unfinished_tasks and time.monotonic() < until_s:
            time.sleep(0.005)

    def _run(self) -> None:
        while True:
            lines = [self._lines.get()]
            with contextlib.suppress(queue.Empty):
                while len(lines) < MAX_AT_ONCE:
                    lines.append(self._lines.get_nowait())
            dropped, self._dropped = self._dropped, 0
            if dropped:
                lines[0] += f" ({dropped} lines before this one were dropped)"
            with contextlib.suppress(OSError, ValueError):
                self._file.write("\n".join(lines) + "\n")
                self._file.flush()
            for _ in lines:
                self._lines.task_done()


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
