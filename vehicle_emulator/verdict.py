"""
Labels against what a Security Operation Center got. Pure, but for reading its ledger.

1. The ledger is a file of JSON lines: messages of the alarm feed (contract 5.3) as they arrived, each with a
   ``received_at`` (RFC 3339, or seconds since the epoch) beside the message's own fields; without one,
   ``raised_at`` stands for it.
2. ``alarm.suppressed`` is a promise kept only where the label says *held back*. It is never an alarm.
3. An alarm of an expected cause that comes before anything called for it is unexpected.
4. What is not due yet when the run ends is neither kept nor missed.
5. A vehicle may play several scenarios: what one of them calls for is not unexpected to another.
6. What is alarmed anew long after its scenario is uncalled for, unless it is the alarm itself, come late.
7. Whether a cause says theft is read in the contract, not in the feed: calling it technical excuses nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from vehicle_emulator.causes import THEFTS
from vehicle_emulator.scenario import ANY, Play

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vehicle_emulator.scenario import Deadline

ALARMS: Final = ("alarm.raised", "alarm.updated", "alarm.unrecorded")
UPDATED: Final = "alarm.updated"
SUPPRESSED: Final = "alarm.suppressed"
Word = Literal["kept", "late", "missed", "not_due"]
# The SOC's clock and the emulator's are two readings of one machine's.
_SLACK_S = 0.5
_At = Annotated[datetime, Meta(tz=True)]


class _Data(msgspec.Struct):
    cause: str = ""
    state: str = ""
    vin: str | None = None
    raised_at: _At | None = None
    alarm_class: str | None = msgspec.field(name="class", default=None)
    severity: str | None = None
    alarm_id: str = ""
    soc: str = "default"
    sequence: int | None = None
    event_ids: tuple[str, ...] = ()


class Told(msgspec.Struct):
    """One message of the feed, as far as labels and a scorecard need it."""

    kind: str = msgspec.field(name="type")
    data: _Data
    received_at: _At | None = None


class Heard(msgspec.Struct, frozen=True):
    """
    One alarm, or one that was held back, as the SOC got it; ``at_s`` since the epoch.

    ``is_new``: raised, not told again of an alarm that was.
    """

    vin: str
    cause: str
    at_s: float
    held_back: bool
    alarm_class: str = "theft"
    is_new: bool = True


_T = TypeVar("_T", Heard, Play)


class Met(msgspec.Struct, frozen=True):
    """What became of one promise; ``after_s`` from what causes it until it was heard."""

    cause: str
    held_back: bool
    word: Word
    after_s: float | None = None

    def sentence(self) -> str:
        """For people."""
        what = f"{self.cause}{' held back' if self.held_back else ''}"
        return what if self.after_s is None else f"{what} after {self.after_s:.1f} s"


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


def read_feed(ledger: Path) -> list[Told]:
    """What the SOC got until now; a line that is being written, or is no message, is left out."""
    if not ledger.exists():
        return []
    return [told for line in ledger.read_bytes().splitlines() if (told := _reads(line)) is not None]


def misread(ledger: Path) -> list[int]:
    """The numbers of the lines that ``read_feed`` leaves out."""
    return [
        number for number, line in enumerate(ledger.read_bytes().splitlines(), 1)
        if line.strip() and not _reads(line)
    ]  # fmt: skip


def read(ledger: Path) -> list[Heard]:
    """The alarms of a feed until now."""
    return alarms(read_feed(ledger))


def alarms(feed: Iterable[Told]) -> list[Heard]:
    """What of a feed is an alarm, or one that was held back."""
    return [one for line in feed if (one := _heard(line)) is not None]


def judge(play: Play, heard: Iterable[Heard], until_s: float, plays: Iterable[Play] = ()) -> Verdict:
    """Hold one label against what was heard up to ``until_s``; ``plays`` are all of its vehicle."""
    mine = sorted((one for one in heard if one.vin == play.vin), key=lambda one: one.at_s)
    found: dict[str, list[str]] = {"kept": [], "late": [], "missed": [], "not_due": []}
    for met in promises(play, mine, until_s):
        found[met.word].append(met.sentence())
    unexpected = {one.cause: None for one in mine if _is_wrong(play, one) and not _is_explained(plays, one)}
    lists = {word: tuple(sentences) for word, sentences in found.items()}
    return Verdict(play.name, play.vin, unexpected=tuple(unexpected), **lists)


def judge_all(plays: Sequence[Play], heard: Iterable[Heard], until_s: float) -> list[Verdict]:
    """Every label, each vehicle's with the others that it plays."""
    heard_of, plays_of = by_vin(heard), by_vin(plays)
    return [judge(play, heard_of.get(play.vin, ()), until_s, plays_of[play.vin]) for play in plays]


def promises(play: Play, mine: Sequence[Heard], until_s: float) -> list[Met]:
    """What became of each thing that a label promises; ``mine`` was heard of its vehicle, in order."""
    return [_look_for(promise, mine, until_s) for promise in play.must]


def uncalled_for(heard: Iterable[Heard], plays: Iterable[Play], since_s: float) -> list[Heard]:
    """Every alarm that nothing called for, in order; ``since_s``: when the run began."""
    plays_of = by_vin(plays)
    return [
        one
        for vin, mine in by_vin(sorted(heard, key=lambda one: one.at_s)).items()
        for one in _uncalled_for(mine, plays_of.get(vin, []), since_s)
    ]


def by_vin(some: Iterable[_T]) -> dict[str, list[_T]]:
    """Plays or alarms of each vehicle, in their order."""
    found: dict[str, list[_T]] = {}
    for one in some:
        found.setdefault(one.vin, []).append(one)
    return found


def elsewhere(plays: Sequence[Play], heard: Iterable[Heard], since_s: float) -> tuple[str, ...]:
    """Alarms that nothing called for, of vehicles that played nothing at that time."""
    plays_of = by_vin(plays)
    found = {
        f"{one.cause} of {one.vin}": None for one in uncalled_for(heard, plays, since_s)
        if not any(_is_playing(play, one) for play in plays_of.get(one.vin, ()))
    }  # fmt: skip
    return tuple(found)


def clock(at_s: float) -> str:
    """Seconds since the epoch as a time of the day, for people."""
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}"


def _uncalled_for(mine: Sequence[Heard], plays: Sequence[Play], since_s: float) -> list[Heard]:
    """Of one vehicle. Rule 6: the first alarm that answers a promise may come as late as it likes."""
    answers = [_answer(promise, mine) for play in plays for promise in play.must]
    found = []
    for one in mine:
        if one.held_back or one.at_s < since_s or any(one is answer for answer in answers):
            continue
        playing = [play for play in plays if _is_playing(play, one)]
        called = [play for play in plays if not one.is_new or play in playing]
        if not _is_explained(called, one) and (not playing or any(_is_wrong(play, one) for play in playing)):
            found.append(one)
    return found


def _look_for(promise: Deadline, mine: Sequence[Heard], until_s: float) -> Met:
    from_s, by_s = epoch_s(promise.from_at), epoch_s(promise.by_at)
    if (one := _answer(promise, mine)) is None:
        return Met(promise.cause, promise.held_back, "missed" if until_s >= by_s else "not_due")
    word: Word = "kept" if one.at_s <= by_s else "late"
    return Met(promise.cause, promise.held_back, word, max(0.0, one.at_s - from_s))


def _answer(promise: Deadline, mine: Iterable[Heard]) -> Heard | None:
    """The first of what was heard in order that may keep the promise, in time or late."""
    from_s = epoch_s(promise.from_at) - _SLACK_S
    wanted = promise.cause, promise.held_back
    return next((one for one in mine if (one.cause, one.held_back) == wanted and one.at_s >= from_s), None)


def _is_wrong(play: Play, one: Heard) -> bool:
    if one.held_back or not _is_playing(play, one):
        return False
    begins_s = _begins_s(play, one)
    if begins_s:
        return one.at_s < min(begins_s) - _SLACK_S
    return ANY in play.never or one.cause in play.never


def _is_playing(play: Play, one: Heard) -> bool:
    return epoch_s(play.started_at) - _SLACK_S <= one.at_s <= epoch_s(play.until_at)


def _is_explained(plays: Iterable[Play], one: Heard) -> bool:
    """Whether a label calls for it, and it does not come before what does."""
    return any(begins_s and one.at_s >= min(begins_s) - _SLACK_S
               for play in plays if (begins_s := _begins_s(play, one)))  # fmt: skip


def _begins_s(play: Play, one: Heard) -> list[float]:
    return [
        epoch_s(promise.from_at)
        for promise in play.must
        if promise.cause == one.cause and not promise.held_back
    ]


def _heard(line: Told) -> Heard | None:
    data, at = line.data, line.received_at or line.data.raised_at
    held_back = line.kind == SUPPRESSED
    # What a mode held back stays "suppressed" in all that is said of it later: that is no alarm.
    is_alarm = line.kind in ALARMS and data.state != "suppressed"
    if data.vin is None or at is None or not (held_back or is_alarm):
        return None
    alarm_class = "theft" if data.cause in THEFTS else data.alarm_class or "theft"
    return Heard(data.vin, data.cause, at.timestamp(), held_back, alarm_class, line.kind != UPDATED)


def _reads(line: bytes) -> Told | None:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@lru_cache(maxsize=8_192)
def epoch_s(text: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


# Not strict: a time may be a number.
_decode = msgspec.json.Decoder(Told, strict=False).decode
