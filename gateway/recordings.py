"""
Recordings: facts of a store or of JSON lines, or messages of JSON lines, in a file or a folder of files.

A line of facts is ``{"vin", "at", "fact": {…}, "cause"}`` as ``export-facts`` writes it; a line of messages
is ``{"at", "topic", "payload"}`` with the payload as JSON or as text. A file that the gateway recorded begins
with ``{"at", "recording": 1}``, holds lines of both kinds, and ``{"at", "lost": n}`` where some are missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from gateway.domain.alarms import Alarm
from gateway.domain.facts import AnyFact
from gateway.domain.thresholds import Thresholds
from gateway.errors import StartError
from gateway.pipeline.replay import Messages, Record, Replay
from gateway.ports import Inbound

SQLITE = b"SQLite format 3\x00"
Kind = TypeVar("Kind")
"""What a line is decoded to."""


class Line(Struct, frozen=True, gc=False):
    """One line of either kind."""

    at: datetime
    vin: str = ""
    fact: AnyFact | None = None
    cause: str | None = None
    topic: str = ""
    payload: Raw = Raw(b"null")
    payload_base64: bytes | None = None
    lost: int = 0
    """So many messages are missing before this line."""
    recording: int = 0
    """The version of a file that the gateway wrote itself; its first line, and wherever time has passed."""
    started: bool = False
    """The gateway began to hear here."""

    @property
    def body(self) -> bytes:
        """The payload as it came."""
        if self.payload_base64 is not None:
            return self.payload_base64
        body = bytes(self.payload)
        return msgspec.json.decode(body, type=str).encode() if body[:1] == b'"' else body


class Played(Struct, frozen=True):
    """How much was replayed: facts decided, and messages that are missing from the recording."""

    facts: int
    lost: int


_line = msgspec.json.Decoder(Line)
_record = msgspec.json.Decoder(Record)
_fact: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
_encode = msgspec.json.Encoder().encode


def exported(store: Path) -> Iterator[bytes]:
    """
    Every fact of a store as a line, oldest first. The canary's are left out.

    Errors:  StartError.
    """
    for vin, at, body, cause in _rows(store):
        yield _encode({"vin": vin, "at": at, "fact": Raw(body), "cause": cause})


def replay(path: Path, thresholds: list[Thresholds], on_raised: Callable[[int, Alarm], None]) -> Played:
    """
    Run a store, a file or a folder of files under each configuration at once.

    Errors:  StartError with file, line and reason.
    """
    if not _is_store(path) and _is_raw(path):
        return _replay_messages(path, thresholds, on_raised)
    runs = [Replay(one) for one in thresholds]
    numbered = tuple(enumerate(runs))
    last: datetime | None = None
    for record in _facts(path):
        last = record.at
        for index, run in numbered:
            for alarm in run.take(record):
                on_raised(index, alarm)
    if last is not None:
        for index, run in numbered:
            for alarm in run.finish(last):
                on_raised(index, alarm)
    return Played(runs[0].facts, 0)


def _replay_messages(
    path: Path, thresholds: list[Thresholds], on_raised: Callable[[int, Alarm], None]
) -> Played:
    runs, lost = [_Run(one) for one in thresholds], 0
    last: datetime | None = None
    for line in _lines(path, _line.decode):
        last, lost = line.at, lost + line.lost
        for index, run in enumerate(runs):
            for alarm in run.take(line):
                on_raised(index, alarm)
    if last is not None:
        for index, run in enumerate(runs):
            for alarm in run.replay.finish(last):
                on_raised(index, alarm)
    return Played(runs[0].replay.facts, lost)


class _Run:
    """One configuration, with its own eyes on the messages: what it states depends on what it watches."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._messages = Messages()
        self.replay = Replay(thresholds, self._messages)

    def take(self, line: Line) -> Iterator[Alarm]:
        """Fold one line; yields what is raised."""
        if line.fact is not None:
            yield from self.replay.take(Record(line.vin, line.at, line.fact, line.cause))
        elif line.recording:
            if line.started:
                self._messages.deaf_until(line.at)
            yield from self.replay.wait(line.at)
        elif line.topic:
            yield from self.replay.wait(line.at)  # what was due by then changes what this message states
            for record in self._messages.take(Inbound(line.topic, line.body, line.at)):
                yield from self.replay.take(record)


def _is_store(path: Path) -> bool:
    if path.is_dir():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise StartError(f"{path}: can't be read: {error.strerror}") from error


def _rows(path: Path) -> Iterator[tuple[str, str, bytes, str | None]]:
    query = (
        "SELECT f.vin, f.decided_at, f.body, a.cause FROM facts f"
        " LEFT JOIN alarms a ON f.kind IN ('acknowledge', 'close')"
        " AND a.alarm_id = json_extract(CAST(f.body AS TEXT), '$.alarm_id')"
        " WHERE f.verdict IS NULL OR f.verdict <> 'canary' ORDER BY f.n"
    )
    if not _is_store(path):
        raise StartError(f"{path}: this is no store")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield from connection.execute(query)
    except sqlite3.DatabaseError as error:
        raise StartError(f"{path}: {error}") from error
    finally:
        connection.close()


def _facts(path: Path) -> Iterator[Record]:
    if _is_store(path):
        for vin, at, body, cause in _rows(path):
            yield Record(vin, datetime.fromisoformat(at), _fact.decode(body), cause)
        return
    yield from _lines(path, _record.decode)


def _is_raw(path: Path) -> bool:
    """Whether what follows are messages: facts of a store hold the gateway's own ticks, messages none."""
    first = next(_lines(path, _line.decode), None)
    return first is not None and (first.topic != "" or first.recording > 0)


def _lines(path: Path, decode: Callable[[bytes], Kind]) -> Iterator[Kind]:
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        with file.open("rb") as lines:
            for number, text in enumerate(lines, 1):
                try:
                    line = decode(text)
                except Exception as error:
                    if not text.strip():
                        continue
                    if number > 1 and not text.endswith(b"\n"):
                        continue  # the gateway was killed while it wrote this line
                    raise StartError(f"{file}, line {number}: {error}") from error
                yield line


def as_sentence(alarm: Alarm) -> str:
    """One alarm as a line that a person can read."""
    why: Any = alarm.evidence[0].text if alarm.evidence else ""
    return f"{alarm.raised_at:%Y-%m-%dT%H:%M:%SZ}  {alarm.vin or 'gateway'}  {alarm.cause}  {why}"
