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
GATHER_S = 0.02
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

    Lines that come within a moment leave as one write: to wake the thread for each costs more than the line.
    What finds too many waiting, or can't be written, is dropped; the next line that gets through says how
    many.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        """And who waits until all before it is written."""
        self._dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)
        _printers.append(self)

    def msg(self, line: str) -> None:
        """Write a line, soon."""
        if self._lines.qsize() < MAX_LINES:
            self._lines.put(line)
        else:
            self._dropped += 1

    debug = info = warning = error = critical = exception = log = msg

    def flush(self) -> None:
        """Give what waits a moment to be written."""
        written = threading.Event()
        self._lines.put(written)
        written.wait(FLUSH_S)

    def _run(self) -> None:
        while True:
            waiting = [self._lines.get()]
            time.sleep(GATHER_S)
            waiting += [self._lines.get_nowait() for _ in range(self._lines.qsize())]
            self._write([one for one in waiting if isinstance(one, str)])
            for one in waiting:
                if isinstance(one, threading.Event):
                    one.set()

    def _write(self, lines: list[str]) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines[:1] = [f"{line} ({dropped} lines before this one were dropped)" for line in lines[:1]]
        with contextlib.suppress(OSError, ValueError):
            self._file.write("".join(f"{line}\n" for line in lines))
            self._file.flush()


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
