"""
A run against its labels: what was alarmed, what was not, what need not have been, and how soon. Pure.

Rules of this file:

1. Recall counts promises that were kept or came late; a late one breaks a bound of its own.
2. A false alarm is a cause of one vehicle that no label calls for: of theft class, or a note (technical).
3. A duplicate is a trigger in more than one message, or an alarm that was raised twice: under the same id,
   or of a cause whose alarm is open, without a trigger. The same message received
   again is no duplicate: its sequence tells it. Where a system numbers nothing, each line is a message.
4. Lost is what vehicles have a receipt for and the feed does not hold, and every trigger that was rejected.
   A siren may end below its minimum: it is left to its label.
5. An alarm that states another class or severity than contract 5.1 names for its cause is misgraded: its
   reader would let a theft wait. What a system does not state at all is not judged.
6. A note that a vehicle is silent has its reason if that vehicle was without coverage or off the air for long
   at that time, by the run's own record; another note that no label calls for has none. Where the way was
   made bad on purpose (lost and undecodable messages, hung connections) notes are only counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from vehicle_emulator import verdict
from vehicle_emulator.causes import GRADES
from vehicle_emulator.figures import Percentiles, percentiles
from vehicle_emulator.silence import NOTHING_SAID, Silence, Why, reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vehicle_emulator.report import Line
    from vehicle_emulator.scenario import Play
    from vehicle_emulator.verdict import Heard, Told

EXAMPLES: Final = 5
SIREN: Final = "car_alarm"
RAISED: Final = "alarm.raised"
CLOSED: Final = "alarm.closed"
UNRECORDED: Final = "alarm.unrecorded"
_Place = tuple[str, int]
_DAY_S: Final = 86_400.0
_ALARM: Final = (*verdict.ALARMS, verdict.SUPPRESSED)


class Bounds(msgspec.Struct, frozen=True):
    """What a run must keep to."""

    recall: float = 1.0
    late: int = 0
    false_per_1000_days: float = 1.0
    duplicates: int = 0
    lost: int = 0
    misgraded: int = 0
    unexplained: int = 0


class Run(msgspec.Struct, frozen=True):
    """
    What was played: how many vehicles, from when (since the epoch) for how long.

    ``silences``: when vehicles were not heard; None: nobody knows, so no note is asked for its reason.
    ``not_played``: scenarios that lacked what they need, ``misread``: lines of the feed that are no message.
    """

    vehicles: int
    began_s: float
    ran_s: float
    not_played: int = 0
    misread: int = 0
    silences: tuple[Silence, ...] | None = None

    @property
    def vehicle_days(self) -> float:
        """What false alarms are counted against."""
        return self.vehicles * self.ran_s / _DAY_S


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """One run; times in seconds from what causes an alarm until the SOC had it."""

    vehicles: int
    vehicle_days: float
    not_played: int = 0
    misread: int = 0
    plays: int
    promises: int
    kept: int
    late: int
    missed: int
    not_due: int
    false_alarms: int
    notes: int
    unexplained: int
    silent_notes: dict[str, int]
    """Notes that a vehicle is silent, by why it was."""
    duplicates: int
    repeats: int
    misgraded: int
    gaps: int
    triggers: int
    lost: int
    unreceipted: int
    messages: int
    to_alarm_s: dict[str, Percentiles]
    examples: dict[str, list[str]]

    @property
    def recall(self) -> float:
        """The share of what was due that came."""
        due = self.kept + self.late + self.missed
        return (self.kept + self.late) / due if due else 1.0

    @property
    def false_per_1000_days(self) -> float:
        """False alarms per 1,000 vehicle-days."""
        return 1_000 * self.false_alarms / self.vehicle_days if self.vehicle_days else 0.0

    def broken(self, bounds: Bounds) -> list[str]:
        """A sentence for each bound that is passed."""
        lost = self.lost + self.gaps + self.unreceipted
        found = (
            (not self.promises, "nothing was promised: there is nothing to score"),
            (self.promises == self.not_due > 0, "nothing was due before the run ended"),
            (self.not_played > 0, f"{self.not_played} scenarios were not played"),
            (self.misread > 0, f"{self.misread} lines are no messages of a feed"),
            (self.recall < bounds.recall, f"recall {self.recall:.4f}, bound {bounds.recall:g}"),
            (self.late > bounds.late, f"{self.late} late, bound {bounds.late}"),
            (
                self.false_per_1000_days > bounds.false_per_1000_days,
                f"{self.false_per_1000_days:.2f} false alarms, bound {bounds.false_per_1000_days:g}",
            ),
            (
                self.unexplained > bounds.unexplained,
                f"{self.unexplained} notes without a reason, bound {bounds.unexplained}",
            ),
            (
                self.misgraded > bounds.misgraded,
                f"{self.misgraded} of another class or severity than their cause, bound {bounds.misgraded}",
            ),
            (self.duplicates > bounds.duplicates, f"{self.duplicates} duplicates, bound {bounds.duplicates}"),
            (lost > bounds.lost, f"{lost} lost (gaps and missing receipts included), bound {bounds.lost}"),
        )
        return [sentence for is_passed, sentence in found if is_passed]

    def rows(self) -> list[tuple[str, object]]:
        """Names and values for a table."""
        days = f"{self.vehicle_days:,.1f} vehicle-days"
        return [
            ("played", f"{self.plays:,} scenarios on {self.vehicles:,} vehicles, {days}"),
            ("RECALL", f"{self.recall:.4f}  ({self.kept:,} kept, {self.late} late, {self.missed} missed)"),
            ("not due yet, not played", f"{self.not_due}, {self.not_played}"),
            ("FALSE ALARMS per 1,000 vehicle-days", f"{self.false_per_1000_days:.2f}  ({self.false_alarms})"),
            ("technical notes beside them", self.notes),
            ("notes of silence, by its reason", _counts(self.silent_notes)),
            ("NOTES WITHOUT A REASON", self.unexplained),
            ("WRONG CLASS OR SEVERITY", self.misgraded),
            ("DUPLICATES", self.duplicates),
            ("LOST", f"{self.lost}  (of {self.triggers:,} triggers that were receipted or rejected)"),
            ("gaps in the feed", self.gaps),
            ("without a receipt", self.unreceipted),
            ("messages", self.messages),
            ("received again (same sequence)", self.repeats),
            *((f"to alarm: {cause}", _times(some)) for cause, some in sorted(self.to_alarm_s.items())),
            *((f"example: {name}", "\n".join(some)) for name, some in self.examples.items() if some),
        ]


def score(run: Run, plays: Sequence[Play], feed: Sequence[Told], ledger: Iterable[Line] = ()) -> Scorecard:
    """Score what a SOC got; with the vehicles' ledger also what became of each trigger."""
    heard = sorted(verdict.alarms(feed), key=lambda one: one.at_s)
    heard_of, plays_of = verdict.by_vin(heard), verdict.by_vin(plays)
    words: Counter[str] = Counter()
    after_s: dict[str, list[float]] = {}
    missed: list[str] = []
    for play in plays:
        for met in verdict.promises(play, heard_of.get(play.vin, ()), run.began_s + run.ran_s):
            words[met.word] += 1
            if met.after_s is not None:
                held_back = " held back" if met.held_back else ""
                after_s.setdefault(f"{met.cause}{held_back}", []).append(met.after_s)
            if met.word in {"missed", "late"}:
                missed.append(
                    f"{met.word}: {play.name} on {play.vin} from {play.started_at}: {met.sentence()}"
                )
    wrong = _false(heard, plays, run.began_s)
    false = [one for one in wrong if one.alarm_class == "theft"]
    doubled, gaps, repeats = _doubled(feed), _gaps(feed), _repeats(feed)
    misgraded, notes = _misgraded(feed), [one for one in wrong if one.alarm_class != "theft"]
    why = reasons(heard, run.silences or ())
    unexplained = [] if run.silences is None else _unexplained(notes, why)
    lines = list(ledger)
    triggers, lost = _lost(lines, feed)
    return Scorecard(
        vehicles=run.vehicles, vehicle_days=run.vehicle_days, plays=len(plays),
        not_played=run.not_played, misread=run.misread,
        promises=words.total(), kept=words["kept"], late=words["late"], missed=words["missed"],
        not_due=words["not_due"], false_alarms=len(false), notes=len(notes), unexplained=len(unexplained),
        silent_notes=dict(Counter(reason for note, reason in why.items() if note.is_new)),
        duplicates=len(doubled), repeats=repeats, misgraded=len(misgraded), gaps=len(gaps),
        triggers=triggers, lost=len(lost),
        unreceipted=sum(line.receipted_at is None and line.rejected is None for line in lines),
        messages=len(feed),
        to_alarm_s={cause: percentiles(some) for cause, some in after_s.items()},
        examples={
            name: some[:EXAMPLES]
            for name, some in {
                "missed": missed, "false": [_words(one, plays_of) for one in false],
                "note": [_words(one, plays_of) for one in notes],
                "without a reason": [_words(one, plays_of) for one in unexplained],
                "graded": misgraded, "doubled": doubled, "gap": gaps, "lost": lost,
            }.items()
            if some
        },
    )  # fmt: skip


def _false(heard: Iterable[Heard], plays: Sequence[Play], since_s: float) -> list[Heard]:
    """The first of each cause of each vehicle that nothing called for."""
    found: dict[tuple[str, str], Heard] = {}
    for one in verdict.uncalled_for(heard, plays, since_s):
        found.setdefault((one.vin, one.cause), one)
    return list(found.values())


def _unexplained(notes: Iterable[Heard], why: dict[Heard, Why]) -> list[Heard]:
    """Rule 6: notes that nothing called for, and those of silence where the vehicle was not silent."""
    silent = dict.fromkeys(one for one, reason in why.items() if reason == NOTHING_SAID)
    return [*silent, *(one for one in notes if one not in why)]


def _misgraded(feed: Iterable[Told]) -> list[str]:
    """Rule 5: once for each cause of each vehicle and what is said of it."""
    found = dict[str, None]()
    for told in feed:
        data, grade = told.data, GRADES.get(told.data.cause)
        stated = data.alarm_class, data.severity
        if grade is not None and any(
            one not in {None, right} for one, right in zip(stated, grade, strict=True)
        ):
            found[f"{data.cause} of {data.vin}: {stated[0]}, {stated[1]}; not {grade[0]}, {grade[1]}"] = None
    return list(found)


def _doubled(feed: Iterable[Told]) -> list[str]:
    of_event: dict[tuple[str | None, str], set[_Place]] = {}
    raised: dict[str, set[_Place]] = {}
    for place, told in _numbered(feed):
        for event_id in told.data.event_ids:
            of_event.setdefault((told.data.vin, event_id), set()).add(place)
        if told.kind == RAISED and told.data.alarm_id:
            raised.setdefault(told.data.alarm_id, set()).add(place)
    events = [f"{vin} {event_id}" for (vin, event_id), places in of_event.items() if len(places) > 1]
    ids = [alarm_id for alarm_id, places in raised.items() if len(places) > 1]
    return events + [f"alarm {alarm_id}" for alarm_id in ids] + _raised_again(feed, ids)


def _raised_again(feed: Iterable[Told], known: Sequence[str]) -> list[str]:
    """Rule 3: alarms of a cause that is open, which say nothing new and were not found by their id."""
    is_open: set[tuple[str, str | None, str]] = set()
    found, places = [], set[_Place]()
    for place, told in _numbered(feed, CLOSED):
        data = told.data
        slot = data.soc, data.vin, data.cause
        if told.kind == CLOSED:
            is_open.discard(slot)
        elif told.kind == RAISED and place not in places:
            if slot in is_open and not data.event_ids and data.alarm_id not in known:
                found.append(f"{data.cause} of {data.vin}, which was open")
            is_open.add(slot)
        places.add(place)
    return found


def _numbered(feed: Iterable[Told], *others: str) -> Iterator[tuple[_Place, Told]]:
    """Alarms with their place in the feed. What could not be recorded is left out: it may come twice."""
    for line, told in enumerate(feed):
        if told.kind in (*_ALARM, *others) and told.kind != UNRECORDED:
            number = told.data.sequence
            yield (told.data.soc, -1 - line if number is None else number), told


def _gaps(feed: Iterable[Told]) -> list[str]:
    """Numbers that are missing between the first and the last of each SOC's feed."""
    numbers: dict[str, set[int]] = {}
    for told in feed:
        if told.data.sequence is not None:
            numbers.setdefault(told.data.soc, set()).add(told.data.sequence)
    return [
        f"{soc} {number}"
        for soc, known in numbers.items()
        for number in sorted(set(range(min(known), max(known) + 1)) - known)
    ]


def _repeats(feed: Iterable[Told]) -> int:
    times = Counter((told.data.soc, told.data.sequence) for told in feed if told.data.sequence is not None)
    return times.total() - len(times)


def _lost(lines: Iterable[Line], feed: Iterable[Told]) -> tuple[int, list[str]]:
    """How many triggers were answered, and which of them were rejected or stand in no message."""
    told = {(one.data.vin, event_id) for one in feed if one.kind in _ALARM for event_id in one.data.event_ids}
    triggers = [
        line for line in lines
        if line.kind == "theft-sensor" and line.state == "triggered" and (line.receipted_at or line.rejected)
    ]  # fmt: skip
    lost = [
        f"{line.vin} {line.event_id} {line.cause}{f', rejected: {line.rejected}' if line.rejected else ''}"
        for line in triggers
        if line.rejected or (line.cause != SIREN and (line.vin, line.event_id) not in told)
    ]
    return len(triggers), lost


def _words(one: Heard, plays_of: dict[str, list[Play]]) -> str:
    names = ", ".join(f"{play.name} from {play.started_at}" for play in plays_of.get(one.vin, ()))
    return f"{one.cause} of {one.vin} at {verdict.clock(one.at_s)} (plays {names or 'nothing'})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _times(times: Percentiles) -> str:
    return f"p50 {times.p50:.2f}  p99 {times.p99:.2f}  max {times.max:.2f} s  (of {times.count:,})"
