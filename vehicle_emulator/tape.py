"""
What a fleet put on the air, as JSON lines: written while it runs, and read again to be played.

1. The lines are those of the gateway's own recordings, so that ``vehicle-gateway replay`` reads them: a mark
   ``{"at", "recording": 1, "started": true}`` first and one at the end, a message as ``{"at", "topic",
   "payload"}`` with the payload as text, or as ``payload_base64`` where it is none, and ``{"at", "lost": n}``
   where messages are missing. ``qos`` and ``retain`` stand beside it for who plays it.
2. It says what left, last wills included, not what arrived; ``at`` is when.
3. It is bounded. What finds no room, or can't be written, is left out, counted, and stands in its last line.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vehicle_emulator.files import Writes

MAX_BYTES: Final = 1 << 30
_LONGEST_LINE_BYTES = 1 << 20
_TOPIC_LEVELS = 4


class TapeError(Exception):
    """The text says which file, which line, and why."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """Any line, ours or the gateway's; what it does not know is left out."""

    at: datetime
    topic: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"")
    payload_base64: bytes | None = None
    qos: int | None = None
    retain: bool = False
    lost: int = 0


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a vehicle to be played; ``at`` is when it left."""

    at: datetime
    vin: str
    topic: str
    payload: bytes
    surely: bool
    retain: bool


class Tape:
    """Records; ``close`` writes the end."""

    def __init__(self, file: Writes, now: Callable[[], datetime], max_bytes: int = MAX_BYTES) -> None:
        """Begin the file."""
        self._file, self._now, self._left_bytes = file, now, max_bytes
        self.lost = 0
        self._write({"at": now(), "recording": 1, "started": True})

    def take(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """A message has left."""
        line: dict[str, object] = {"at": self._now(), "topic": topic}
        try:
            line["payload"] = payload.decode()
        except UnicodeDecodeError:
            line["payload_base64"] = payload
        line["qos"] = qos
        if retain:
            line["retain"] = True
        self._write(line)

    def close(self) -> None:
        """Say how many are missing, and until when it has heard."""
        lost, self._left_bytes = self.lost, _LONGEST_LINE_BYTES
        if lost:
            self._write({"at": self._now(), "lost": lost})
        self._write({"at": self._now(), "recording": 1})

    def _write(self, line: dict[str, object]) -> None:
        text = _encode(line) + b"\n"
        self._left_bytes -= len(text)
        try:
            if self._left_bytes >= 0 and self._file.write(text):
                return
        except OSError:
            self._left_bytes = 0  # half a line may stand there: nothing may follow it
        self.lost += 1


def read(path: Path) -> Iterator[Line]:
    """
    Every line of a recording.

    Errors:  TapeError.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield _line(path, number, text)
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}") from error


def said(lines: Iterator[Line]) -> Iterator[Message]:
    """What vehicles said; QoS and retain as the contract has them where a line does not tell."""
    for line in lines:
        levels = line.topic.split("/", _TOPIC_LEVELS - 1)
        if len(levels) < _TOPIC_LEVELS or levels[1] != "vehicles" or levels[3] in messages.HEARD_KINDS:
            continue
        kind = levels[3]
        surely = kind != messages.TELEMETRY if line.qos is None else line.qos > 0
        retain = kind == messages.CONNECTION if line.qos is None else line.retain
        yield Message(line.at, levels[2], line.topic, _body(line), surely, retain)


def _body(line: Line) -> bytes:
    if line.payload_base64 is not None:
        return line.payload_base64
    body = bytes(line.payload)
    return msgspec.json.decode(body, type=str).encode() if body[:1] == b'"' else body


def _line(path: Path, number: int, text: bytes) -> Line:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TapeError(f"{path}, line {number}: {error}") from error


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode
