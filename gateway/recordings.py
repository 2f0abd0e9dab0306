"""
Recordings: facts of a store or of JSON lines, or raw messages of JSON lines.

A line of facts is ``{"vin", "at", "fact": {…}, "cause"}`` as ``export-facts`` writes it; a line of messages
is ``{"at", "topic", "payload"}`` with the payload as JSON or as text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.domain.alarms import Alarm
from gateway.domain.facts import AnyFact
from gateway.domain.thresholds import Thresholds
from gateway.errors import StartError
from gateway.pipeline.replay import Messages, Record, Replay
from gateway.ports import Inbound

SQLITE = b"SQLite format 3\x00"


class Line(Struct, frozen=True, gc=False):
    """One line of either kind."""

    at: datetime
    vin: str = ""
    fact: AnyFact | None = None
    cause: str | None = None
    topic: str = ""
    payload: Raw = Raw(b"null")


_line = msgspec.json.Decoder(Line)
_fact: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
_encode = msgspec.json.Encoder().encode


def exported(store: Path) -> Iterator[bytes]:
    """
    Every fact of a store as a line, oldest first. The canary's are left out.

    Errors:  StartError.
    """
    for vin, at, body, cause in _rows(store):
        yield _encode({"vin": vin, "at": at, "fact": Raw(body), "cause": cause})


def replay(path: Path, thresholds: list[Thresholds], on_raised: Callable[[int, Alarm], None]) -> int:
    """
    Run a recording under each configuration at once; returns how many facts each has decided.

    Errors:  StartError with file, line and reason.
    """
    messages = Messages()
    raw = not _is_store(path) and _first(path).topic != ""
    runs = [Replay(one, messages.tick) if raw else Replay(one) for one in thresholds]
    numbered = tuple(enumerate(runs))
    last: datetime | None = None
    for record in _messages(path, messages) if raw else _facts(path):
        last = record.at
        for index, run in numbered:
            for alarm in run.take(record):
                on_raised(index, alarm)
    if last is not None:
        for index, run in enumerate(runs):
            for alarm in run.finish(last):
                on_raised(index, alarm)
    return runs[0].facts


def _is_store(path: Path) -> bool:
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
    for number, line in _lines(path):
        fact, vin = line.fact, line.vin
        if fact is None or not vin:
            raise StartError(f"{path}, line {number}: a fact needs vin and fact")
        yield Record(vin, line.at, fact, line.cause)


def _messages(path: Path, messages: Messages) -> Iterator[Record]:
    for _number, line in _lines(path):
        body = bytes(line.payload)
        if body[:1] == b'"':
            body = msgspec.json.decode(body, type=str).encode()
        yield from messages.take(Inbound(line.topic, body, line.at))


def _first(path: Path) -> Line:
    return next((line for _number, line in _lines(path)), Line(datetime.min))  # noqa: DTZ901  # an empty file


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    decode = _line.decode
    with path.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            try:
                line = decode(text)
            except Exception as error:
                if not text.strip():
                    continue
                raise StartError(f"{path}, line {number}: {error}") from error
            yield number, line


def as_sentence(alarm: Alarm) -> str:
    """One alarm as a line that a person can read."""
    why: Any = alarm.evidence[0].text if alarm.evidence else ""
    return f"{alarm.raised_at:%Y-%m-%dT%H:%M:%SZ}  {alarm.vin or 'gateway'}  {alarm.cause}  {why}"
