"""What became of a run: counters, latencies from the intended send time, ledger, closing report."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from vehicle_emulator.figures import Percentiles
from vehicle_emulator.messages import THEFT_SENSOR, encode, rfc3339
from vehicle_emulator.ramp import Climb, own_limit
from vehicle_emulator.scenario import Play
from vehicle_emulator.silence import MOST, Silence
from vehicle_emulator.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vehicle_emulator.files import Writes
    from vehicle_emulator.outbox import Entry
    from vehicle_emulator.ramp import Watch


FEW: Final = 5


class Line(msgspec.Struct, frozen=True):
    """One event in the ledger."""

    vin: str
    event_id: str
    kind: str
    cause: str | None
    state: str | None
    sent_at: str | None
    receipted_at: str | None
    rejected: str | None = None
    sends: int = 0


class Events(msgspec.Struct, frozen=True):
    """
    Where the events went.

    ``made`` = ``receipted`` + ``rejected`` + ``given_up`` + ``unreceipted``; ``sent`` counts first sends,
    ``resent`` all later ones; ``stray`` receipts name an event that no longer waited (a second receipt after
    a resend).
    """

    made: int
    sent: int
    resent: int
    receipted: int
    rejected: int
    given_up: int
    unreceipted: int
    stray: int


class Outcome(msgspec.Struct, frozen=True):
    """How many requests for an action ended like this; ``unanswered``: the gateway said nothing."""

    action: str
    status: str
    reason: str | None
    count: int


class Commands(msgspec.Struct, frozen=True):
    """
    What people asked of their cars; milliseconds from the wish, code and challenge included.

    ``contradicted`` final answers were followed by a different one; ``stray`` answers name no request.
    """

    users: int
    asked: int
    asked_again: int
    outcomes: tuple[Outcome, ...]
    answered_ms: Percentiles
    performed_ms: Percentiles
    contradicted: int
    stray: int
    unreadable: int
    notices: dict[str, int]
    connections: dict[str, int]

    def by_status(self) -> dict[str, int]:
        """Counts by status, with the reason where there is one."""
        found: Counter[str] = Counter()
        for one in self.outcomes:
            found[f"{one.status} ({one.reason})" if one.reason else one.status] += one.count
        return dict(found.most_common())


class Report(msgspec.Struct, frozen=True):
    """
    The whole run. ``lag_ms`` is the emulator's own lateness: if large, the emulator was the bottleneck.

    With a SOC's ledger: a verdict for each scenario, and ``elsewhere`` the alarms of vehicles that played
    nothing. ``left_out`` are vehicles whose scenario lacked the special mode that it needs. ``unwritten``: a
    sentence for each file of the run that lacks something; ``died``: for each process that ended by itself.
    """

    seed: int
    vehicles: int
    protocol: str
    started_at: str
    ran_s: float
    events: Events
    receipt_latency_ms: Percentiles
    telemetry_sent: int
    telemetry_dropped: int
    connections: dict[str, int]
    lag_ms: Percentiles
    scenarios: tuple[Play, ...]
    verdicts: tuple[Verdict, ...] = ()
    elsewhere: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    commands: Commands | None = None
    own_cores: float = 0.0
    busiest_core: float = 0.0
    climb: Climb | None = None
    processes: int = 1
    died: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()
    silences: tuple[Silence, ...] | None = None
    """When vehicles were not heard, for what notes about that; None: not watched."""

    @property
    def limit(self) -> str:
        """What the emulator itself lacked, in words; nothing if it was not the limit."""
        return own_limit(self.lag_ms, self.busiest_core)

    @property
    def is_broken(self) -> bool:
        """Whether nobody came, events are lost, or an alarm is missing or is there that must not be."""
        nobody = self.connections.get("connects") == 0
        lost = self.events.unreceipted or self.events.given_up or self.events.rejected
        wrong = self.elsewhere or self.left_out or any(verdict.is_broken for verdict in self.verdicts)
        lied = self.commands is not None and self.commands.contradicted
        return bool(nobody or lost or wrong or lied or self.died or self.unwritten)


class Tally:
    """Counts along the way, and writes each event's line once its fate is known."""

    __slots__ = ("_ledger", "counts", "lags_ms", "latencies_ms", "silences", "watch")

    def __init__(self, ledger: Writes | None = None) -> None:
        """Write no ledger unless there is a file for it."""
        self._ledger = ledger
        self.counts: Counter[str] = Counter()
        self.latencies_ms: array[float] = array("d")
        self.lags_ms: array[float] = array("d")
        self.watch: Watch | None = None
        self.silences: list[Silence] = []

    def silent(self, silence: Silence) -> None:
        """A vehicle was not heard for long."""
        if len(self.silences) < MOST:
            self.silences.append(silence)
        else:
            self.counts["silences_untold"] += 1

    def receipted(self, vin: str, entry: Entry, now_ms: float) -> None:
        """The gateway has it for good."""
        self.counts["receipted"] += 1
        self.latencies_ms.append(now_ms - entry.intended_ms)
        if self.watch and (entry.message.kind, entry.message.state) == (THEFT_SENSOR, "triggered"):
            self.watch.receipted(entry.intended_ms, now_ms)
        self._write(vin, entry, receipted_ms=now_ms)

    def rejected(self, vin: str, entry: Entry, reason: str) -> None:
        """The gateway will never take it."""
        self.counts["rejected"] += 1
        self._write(vin, entry, rejected=reason or "no reason given")

    def given_up(self, vin: str, entry: Entry) -> None:
        """It had to leave a full outbox."""
        self.counts["given_up"] += 1
        self._write(vin, entry)

    def unreceipted(self, vin: str, entry: Entry) -> None:
        """It still waits at the end of the run."""
        self.counts["unreceipted"] += 1
        self._write(vin, entry)

    def _write(
        self, vin: str, entry: Entry, *, receipted_ms: float | None = None, rejected: str | None = None
    ) -> None:
        if self._ledger is None:
            return
        message = entry.message
        line = Line(
            vin, message.event_id, message.kind, message.cause, message.state,
            _time(entry.sent_ms), _time(receipted_ms), rejected, entry.sends,
        )  # fmt: skip
        self._ledger.write(encode(line) + b"\n")


def events(counts: Counter[str]) -> Events:
    """The counters by name."""
    return msgspec.convert({name: counts[name] for name in Events.__struct_fields__}, Events)


def table(report: Report) -> Table:
    """The report for people."""
    crew = f" in {report.processes} processes" if report.processes > 1 else ""
    view = Table(
        title=f"{report.vehicles} vehicles{crew}, seed {report.seed}, {report.ran_s:.1f} s", show_header=False
    )
    add_row(view, "events", msgspec.structs.asdict(report.events))
    add_row(view, "event to receipt, ms", in_words(report.receipt_latency_ms))
    add_row(view, "telemetry", {"sent": report.telemetry_sent, "dropped": report.telemetry_dropped})
    add_row(view, f"connections, {report.protocol}", report.connections)
    if not report.connections.get("connects"):
        why = [name for name in report.connections if "(" in name]
        view.add_row("NOBODY CONNECTED", "\n".join(why))
    add_row(view, "own lateness, ms", in_words(report.lag_ms))
    view.add_row("own CPU, cores", f"{report.own_cores:.2f}{f'  {report.limit}' if report.limit else ''}")
    if report.climb is not None:
        _add_climb(view, report.climb)
    if report.commands is not None:
        _add_commands(view, report.commands)
    _add_plays(view, report)
    for name, found in (
        ("alarms elsewhere", report.elsewhere), ("not played", report.left_out), ("DIED", report.died),
        ("NOT WRITTEN", report.unwritten),
    ):  # fmt: skip
        if found:
            view.add_row(name, ", ".join(found))
    return view


def _add_plays(view: Table, report: Report) -> None:
    """A row for each play; of what many play, one for all whose label was kept."""
    judged = {(verdict.name, verdict.vin): verdict for verdict in report.verdicts}
    times = Counter(play.name for play in report.scenarios)
    for name, count in times.items():
        if count > FEW:
            broken = sum(verdict.is_broken for verdict in report.verdicts if verdict.name == name)
            view.add_row(f"{name} on {count} vehicles", f"{broken} not as labelled" if judged else "")
    for play in report.scenarios:
        found = judged.get((play.name, play.vin))
        if times[play.name] > FEW and not (found and found.is_broken):
            continue
        must = ", ".join(f"{expected.cause} by {expected.by_at}" for expected in play.must)
        view.add_row(
            f"{play.name} on {play.vin}", found.sentence() if found else f"must: {must or 'nothing'}"
        )


def _add_climb(view: Table, climb: Climb) -> None:
    view.add_section()
    for step in climb.steps:
        word = "served" if step.is_served else f"NOT served  {step.limit}"
        numbers = "  ".join(f"{name} {value}" for name, value in in_words(step.latency_ms).items())
        view.add_row(
            f"{step.rate_per_s:,.0f} {climb.unit}", f"{step.served_share:.1%} in 1 s  {numbers}  {word}"
        )
    view.add_row("ramp", climb.sentence())
    view.add_section()


def _add_commands(view: Table, commands: Commands) -> None:
    view.add_section()
    add_row(
        view, f"asked by {commands.users} users", {"requests": commands.asked, "again": commands.asked_again}
    )
    for outcome in commands.outcomes:
        reason = f" ({outcome.reason})" if outcome.reason else ""
        view.add_row(f"  {outcome.action}", f"{outcome.status}{reason} {outcome.count}")
    add_row(view, "request to first answer, ms", in_words(commands.answered_ms))
    add_row(view, "request to performed, ms", in_words(commands.performed_ms))
    if commands.notices:
        add_row(view, "notifications", commands.notices)
    view.add_section()


def in_words(values: Percentiles) -> dict[str, str]:
    """Percentiles for a table."""
    if not values.count:
        return {"none": ""}
    return {
        name: f"{value:,.1f}" for name, value in msgspec.structs.asdict(values).items() if name != "count"
    }


def add_row(view: Table, name: str, values: Mapping[str, object]) -> None:
    """Several values in one row of a table."""
    view.add_row(name, "  ".join(f"{key} {value}" for key, value in values.items()))


def _time(at_ms: float | None) -> str | None:
    return None if at_ms is None else rfc3339(int(at_ms))
