"""
Labels against what a Security Operation Center got. Pure, but for reading its ledger.

1. The ledger is a file of JSON lines: messages of the alarm feed (contract 5.3) as they arrived, each with a
   ``received_at`` beside the message's own fields; without one, ``raised_at`` stands for it.
2. ``alarm.suppressed`` is a promise kept only where the label says *held back*. It is never an alarm.
3. An alarm of an expected cause that comes before anything called for it is unexpected.
4. What is not due yet when the run ends is neither kept nor missed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator.scenario import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vehicle_emulator.scenario import Deadline, Play

ALARMS: Final = ("alarm.raised", "alarm.updated", "alarm.unrecorded")
SUPPRESSED: Final = "alarm.suppressed"
# The SOC's clock and the emulator's are two readings of one machine's.
_SLACK_S = 0.5


class _Data(msgspec.Struct):
    cause: str = ""
    state: str = ""
    vin: str | None = None
    raised_at: datetime | None = None


class _Line(msgspec.Struct):
    kind: str = msgspec.field(name="type")
    data: _Data
    received_at: datetime | None = None


class Heard(msgspec.Struct, frozen=True):
    """One alarm, or one that was held back, as the SOC got it; ``at_s`` since the epoch."""

    vin: str
    cause: str
    at_s: float
    held_back: bool


class Verdict(msgspec.Struct, frozen=True):
    """What became of one label, in words that can be read out; ``late`` came, but after its time."""

    name: str
    vin: str
    kept: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    not_due: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether something is missing, or is there that must not be. A late alarm is neither."""
        return bool(self.missed or self.unexpected)

    def sentence(self) -> str:
        """The verdict for people."""
        parts = (
            ("MISSED", self.missed), ("UNEXPECTED", self.unexpected), ("LATE", self.late),
            ("as labelled", self.kept), ("not due yet", self.not_due),
        )  # fmt: skip
        told = [f"{word}: {', '.join(what)}" for word, what in parts if what]
        return "; ".join(told) or "as labelled: no alarm"


def read(ledger: Path) -> list[Heard]:
    """What the SOC got until now; a line that is being written, or is no message, is left out."""
    if not ledger.exists():
        return []
    heard = []
    for line in ledger.read_bytes().splitlines():
        try:
            message = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if (one := _heard(message)) is not None:
            heard.append(one)
    return heard


def judge(play: Play, heard: Iterable[Heard], until_s: float) -> Verdict:
    """Hold one label against what was heard up to ``until_s``."""
    mine = sorted((one for one in heard if one.vin == play.vin), key=lambda one: one.at_s)
    found: dict[str, list[str]] = {"kept": [], "late": [], "missed": [], "not_due": []}
    for promise in play.must:
        word, sentence = _look_for(promise, mine, until_s)
        found[word].append(sentence)
    unexpected = {one.cause: None for one in mine if not one.held_back and _is_wrong(play, one)}
    lists = {word: tuple(sentences) for word, sentences in found.items()}
    return Verdict(play.name, play.vin, unexpected=tuple(unexpected), **lists)


def elsewhere(vins: Iterable[str], heard: Iterable[Heard], since_s: float) -> tuple[str, ...]:
    """Alarms of vehicles that only live their honest lives."""
    honest = set(vins)
    found = {f"{one.cause} of {one.vin}": None for one in heard
             if one.vin in honest and not one.held_back and one.at_s >= since_s}  # fmt: skip
    return tuple(found)


def _look_for(promise: Deadline, mine: list[Heard], until_s: float) -> tuple[str, str]:
    from_s, by_s = _epoch_s(promise.from_at), _epoch_s(promise.by_at)
    what = f"{promise.cause}{' held back' if promise.held_back else ''}"
    came_s = [
        one.at_s for one in mine
        if (one.cause, one.held_back) == (promise.cause, promise.held_back) and one.at_s >= from_s - _SLACK_S
    ]  # fmt: skip
    if came_s:
        return "kept" if came_s[0] <= by_s else "late", f"{what} after {max(0.0, came_s[0] - from_s):.1f} s"
    return "missed" if until_s >= by_s else "not_due", what


def _is_wrong(play: Play, one: Heard) -> bool:
    if one.at_s < _epoch_s(play.started_at) - _SLACK_S:
        return False
    begins_s = [
        _epoch_s(promise.from_at)
        for promise in play.must
        if promise.cause == one.cause and not promise.held_back
    ]
    if begins_s:
        return one.at_s < min(begins_s) - _SLACK_S
    return ANY in play.never or one.cause in play.never


def _heard(line: _Line) -> Heard | None:
    data, at = line.data, line.received_at or line.data.raised_at
    held_back = line.kind == SUPPRESSED
    # What a mode held back stays "suppressed" in all that is said of it later: that is no alarm.
    is_alarm = line.kind in ALARMS and data.state != "suppressed"
    if data.vin is None or at is None or not (held_back or is_alarm):
        return None
    return Heard(data.vin, data.cause, at.timestamp(), held_back)


def _epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


_decode = msgspec.json.Decoder(_Line).decode
