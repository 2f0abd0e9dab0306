"""A drill is worth as much as its ledger: each broken promise must show in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench import ledger
from bench.ledger import Kill, Ledger, Verdict
from tests.support.soc import Arrival, Mode
from vehicle_emulator.report import Line

VIN = "XVGTESTTESTTEST01"
SENT_AT = 1_790_000_000.0


def line(event_id: str, *, receipted: bool = True, sends: int = 1, sent_at: float = SENT_AT) -> Line:
    def time(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).isoformat()

    return Line(
        VIN, event_id, "theft-sensor", "intrusion", "triggered",
        time(sent_at) if sends else None, time(sent_at + 0.1) if receipted else None, None, sends,
    )  # fmt: skip


def arrival(
    sequence: int, *event_ids: str, at: float = SENT_AT + 0.2, mode: Mode = "ok", signed: bool = True
) -> Arrival:
    return Arrival(
        at=at,
        webhook_id=f"feed.{sequence}",
        type="alarm.raised",
        alarm_id="a",
        sequence=sequence,
        vin=VIN,
        cause="intrusion",
        event_ids=list(event_ids),
        signed=signed,
        mode=mode,
    )


def good() -> tuple[list[Line], list[Arrival]]:
    return [line("e1"), line("e2")], [arrival(1, "e1"), arrival(2, "e2")]


def test_all_at_the_soc_once_is_good() -> None:
    lines, arrivals = good()
    verdict = Ledger(lines, arrivals).verdict(2)
    assert verdict.is_good
    assert (verdict.sent, verdict.receipted, verdict.at_soc) == (2, 2, 2)


def test_the_same_message_again_is_a_raw_repeat_and_no_double() -> None:
    lines, arrivals = good()
    verdict = Ledger(lines, [*arrivals, arrival(2, "e2")]).verdict(2)
    assert verdict.is_good
    assert verdict.raw_repeats == 1


def test_an_event_that_was_never_sent_is_not_lost() -> None:
    lines, arrivals = good()
    assert Ledger([*lines, line("e3", receipted=False, sends=0)], arrivals).verdict(2).is_good


def _lost(lines: list[Line], arrivals: list[Arrival]) -> None:
    lines.append(line("e3", receipted=False))


def _falsely_receipted(lines: list[Line], arrivals: list[Arrival]) -> None:
    lines.append(line("e3"))


def _not_taken_by_the_soc(lines: list[Line], arrivals: list[Arrival]) -> None:
    lines.append(line("e3"))
    arrivals.append(arrival(3, "e3", mode="hang"))


def _doubled(lines: list[Line], arrivals: list[Arrival]) -> None:
    arrivals.append(arrival(3, "e2"))


def _unreceipted(lines: list[Line], arrivals: list[Arrival]) -> None:
    lines[1] = line("e2", receipted=False)


def _gap(lines: list[Line], arrivals: list[Arrival]) -> None:
    arrivals[1] = arrival(3, "e2")


def _unsigned(lines: list[Line], arrivals: list[Arrival]) -> None:
    arrivals[1] = arrival(2, "e2", signed=False)


def _nothing_sent(lines: list[Line], arrivals: list[Arrival]) -> None:
    lines.clear()


@pytest.mark.parametrize(
    ("spoil", "shown"),
    [
        (_lost, lambda verdict: verdict.lost),
        (_falsely_receipted, lambda verdict: verdict.false_receipts),
        (_not_taken_by_the_soc, lambda verdict: verdict.false_receipts),
        (_doubled, lambda verdict: verdict.doubled),
        (_unreceipted, lambda verdict: verdict.unreceipted),
        (_gap, lambda verdict: verdict.sequence_gaps),
        (_unsigned, lambda verdict: verdict.unsigned),
        (_nothing_sent, lambda verdict: not verdict.sent),
    ],
)
def test_a_broken_promise_shows(
    spoil: Callable[[list[Line], list[Arrival]], None], shown: Callable[[Verdict], int]
) -> None:
    lines, arrivals = good()
    spoil(lines, arrivals)
    verdict = Ledger(lines, arrivals).verdict(max((one.sequence or 0 for one in arrivals), default=0))
    assert not verdict.is_good
    assert shown(verdict)


def test_a_message_at_the_end_of_the_feed_that_never_came_is_a_gap() -> None:
    lines, arrivals = good()
    assert Ledger(lines, arrivals).verdict(3).sequence_gaps == 1


def test_recovery_counts_what_was_sent_after_the_kill_only() -> None:
    killed_at = SENT_AT + 10
    lines = [line("before"), line("after", sent_at=killed_at + 1)]
    arrivals = [arrival(1, "before", at=killed_at + 0.01), arrival(2, "after", at=killed_at + 1.5)]
    recoveries = Ledger(lines, arrivals).recoveries_s([Kill(killed_at, "gateway")], "gateway")
    assert recoveries == [pytest.approx(1.5, abs=0.01)]


def test_a_line_that_was_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    lines, arrivals = good()
    vehicles, soc = tmp_path / "vehicles", tmp_path / "soc"
    vehicles.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    whole = b"".join(msgspec.json.encode(one) + b"\n" for one in arrivals)
    soc.write_bytes(whole + whole[: len(whole) // 3])
    assert ledger.read(vehicles, soc).verdict(2).is_good
