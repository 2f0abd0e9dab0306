"""
What was sent, receipted and received, compared event by event.

Two processes write them: the vehicles say what they sent and which receipts they got, the SOC says what
reached it. The gateway is not asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.figures import Percentiles, percentiles
from tests.support.soc import Arrival
from vehicle_emulator.report import Line

Key = tuple[str, str]
"""VIN and event id."""

ACCEPTED = frozenset({"ok", "chunked", "close", "reset-after-200"})
COUNTED = frozenset({"alarm.raised", "alarm.updated", "alarm.suppressed"})
"""Message types that stand for triggers (contract 5.3)."""
EXAMPLES = 5

_line = msgspec.json.Decoder(Line)
_arrival = msgspec.json.Decoder(Arrival)


class Kill(Struct, frozen=True):
    """Who was killed, and when."""

    at: float
    victim: str


class Verdict(Struct, frozen=True, kw_only=True):
    """The comparison. Good is: nothing lost or doubled, no false receipt, no gap, every event receipted."""

    sent: int
    receipted: int
    at_soc: int
    lost: int
    doubled: int
    false_receipts: int
    unreceipted: int
    rejected: int
    unsigned: int
    sequence_gaps: int
    messages: int
    raw_repeats: int
    unrecorded: int
    resent: int
    examples: dict[str, list[str]]

    @property
    def is_good(self) -> bool:
        """Whether no promise is broken."""
        broken = (self.lost, self.doubled, self.false_receipts, self.unreceipted, self.rejected)
        return self.sent > 0 and not any((*broken, self.unsigned, self.sequence_gaps))


class Ledger:
    """Both sides of one run."""

    def __init__(self, lines: Iterable[Line], arrivals: Iterable[Arrival]) -> None:
        self.triggers: dict[Key, Line] = {
            (line.vin, line.event_id): line
            for line in lines
            if line.kind == "theft-sensor" and line.state == "triggered" and line.sends
        }
        self.accepted = [arrival for arrival in arrivals if arrival.mode in ACCEPTED]
        self.messages_of: dict[Key, set[str]] = defaultdict(set)
        for arrival in self.accepted:
            if arrival.type in COUNTED and arrival.vin is not None:
                for event_id in arrival.event_ids:
                    self.messages_of[arrival.vin, event_id].add(arrival.webhook_id)

    def verdict(self, last_sequence: int) -> Verdict:
        """Compare; ``last_sequence`` is where the gateway's feed stands."""
        triggers, told = self.triggers, self.messages_of
        lost = [key for key in triggers if key not in told]
        doubled = [key for key, messages in told.items() if len(messages) > 1]
        false = [key for key in lost if triggers[key].receipted_at is not None]
        unreceipted = [key for key, line in triggers.items() if line.receipted_at is None]
        missing = sorted(set(range(1, last_sequence + 1)) - self._sequences())
        recorded = [arrival for arrival in self.accepted if arrival.sequence is not None]
        messages = {arrival.webhook_id for arrival in recorded}
        return Verdict(
            sent=len(triggers),
            receipted=len(triggers) - len(unreceipted),
            at_soc=len(triggers) - len(lost),
            lost=len(lost),
            doubled=len(doubled),
            false_receipts=len(false),
            unreceipted=len(unreceipted),
            rejected=sum(line.rejected is not None for line in triggers.values()),
            unsigned=sum(not arrival.signed for arrival in self.accepted),
            sequence_gaps=len(missing),
            messages=len(messages),
            raw_repeats=len(recorded) - len(messages),
            unrecorded=sum(arrival.type == "alarm.unrecorded" for arrival in self.accepted),
            resent=sum(line.sends - 1 for line in triggers.values()),
            examples={
                name: [_words(one) for one in some[:EXAMPLES]]
                for name, some in (
                    ("lost", lost), ("doubled", doubled), ("false receipts", false),
                    ("unreceipted", unreceipted), ("sequences missing", missing),
                )
                if some
            },
        )  # fmt: skip

    def missing(self) -> int:
        """How many sent triggers are not at the SOC."""
        return sum(key not in self.messages_of for key in self.triggers)

    def recoveries_s(self, kills: Sequence[Kill], victim: str) -> list[float]:
        """
        For each kill of a victim the time to the first new message about an event sent after the kill.

        What was under way at the moment of the kill does not count as served.
        """
        served = list(self._served())
        found = []
        for kill in kills:
            if kill.victim != victim:
                continue
            after = [at for at, sent_at in served if sent_at >= kill.at]
            found.append(min(after) - kill.at if after else float("inf"))
        return found

    def receipt_latency_ms(self) -> Percentiles:
        """From the first send of an event to its receipt."""
        return percentiles(
            [
                (seconds(line.receipted_at) - seconds(line.sent_at)) * 1_000
                for line in self.triggers.values()
                if line.receipted_at is not None and line.sent_at is not None
            ]
        )

    def count_at_soc(self, begin_at: float, end_at: float) -> int:
        """How many triggers reached the SOC for the first time between two moments."""
        return sum(begin_at <= at < end_at for at in self._first_at_soc().values())

    def soc_latency_ms(self, begin_at: float, end_at: float) -> Percentiles:
        """From the first send of an event, for those sent between two moments, to its arrival at the SOC."""
        first = self._first_at_soc()
        sent = ((key, seconds(line.sent_at)) for key, line in self.triggers.items())
        return percentiles(
            [
                (first[key] - sent_at) * 1_000
                for key, sent_at in sent
                if begin_at <= sent_at < end_at and key in first
            ]
        )

    def _first_at_soc(self) -> dict[Key, float]:
        first: dict[Key, float] = {}
        for arrival in self.accepted:
            if arrival.type in COUNTED and arrival.vin is not None:
                for event_id in arrival.event_ids:
                    first.setdefault((arrival.vin, event_id), arrival.at)
        return first

    def _served(self) -> Iterator[tuple[float, float]]:
        """When each message arrived first, and when the newest event in it was first sent."""
        sent_at = {key: seconds(line.sent_at) for key, line in self.triggers.items() if line.sent_at}
        seen: set[str] = set()
        for arrival in self.accepted:
            if arrival.webhook_id in seen or arrival.vin is None:
                continue
            seen.add(arrival.webhook_id)
            times = [sent_at.get((arrival.vin, event_id), 0.0) for event_id in arrival.event_ids]
            yield arrival.at, max(times, default=0.0)

    def _sequences(self) -> set[int]:
        return {arrival.sequence for arrival in self.accepted if arrival.sequence is not None}


def read(vehicles: Path, soc: Path, excused: Container[str] = ()) -> Ledger:
    """Read both files; triggers of excused causes need not reach the SOC."""
    lines = (line for line in map(_line.decode, _lines(vehicles)) if line.cause not in excused)
    return Ledger(lines, map(_arrival.decode, _lines(soc)))


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines; the SOC may have been killed in the middle of one."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _words(one: object) -> str:
    return " ".join(map(str, one)) if isinstance(one, tuple) else str(one)


def seconds(at: str | None) -> float:
    """A time of the vehicles' ledger as seconds since the epoch; 0 if there is none."""
    return datetime.fromisoformat(at).timestamp() if at else 0.0
