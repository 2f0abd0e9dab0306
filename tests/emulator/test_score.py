"""Runs against their labels: what counts as missed, false, doubled and lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from tests.emulator.lives import START_MS
from vehicle_emulator import causes, cli, scenario, scenarios
from vehicle_emulator.figures import Percentiles
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.report import Events, Line, Report
from vehicle_emulator.scenario import ANY, Beat, Expected, Label, Play, Scenario
from vehicle_emulator.score import Bounds, Run, Scorecard, score
from vehicle_emulator.verdict import Told

VIN, HONEST = "XVG00000000000001", "XVG00000000000002"
LABEL = Label(must=(Expected("tilt", within_s=3, after_s=5),), never=(ANY,))
TECHNICAL: dict[str, Any] = {"class": "technical"}
RUN = Run(vehicles=2, began_s=START_MS / 1_000, ran_s=3_600)


def played() -> Play:
    return scenario.bill(Scenario("one", "", LABEL, (Beat(0, lambda *_: None),)), VIN, START_MS)


def told(sequence: int | None, cause: str = "tilt", after_s: float = 6, **data: Any) -> dict[str, Any]:
    grade = dict(zip(("class", "severity"), causes.GRADES[cause], strict=True))
    base = {"cause": cause, "vin": VIN, **grade, "alarm_id": cause, "event_ids": [f"e{sequence}"]}
    at = rfc3339(START_MS + int(after_s * 1_000))
    kind = data.pop("type", "alarm.raised")
    return {"type": kind, "received_at": at, "data": base | {"sequence": sequence} | data}


def line(
    event_id: str, cause: str = "tilt", receipted_at: str | None = "x", rejected: str | None = None
) -> Line:
    return Line(VIN, event_id, "theft-sensor", cause, "triggered", "x", receipted_at, rejected)


def scored(feed: list[dict[str, Any]], lines: list[Line] | None = None) -> Scorecard:
    return score(RUN, [played()], [msgspec.convert(one, Told) for one in feed], lines or [])


def test_a_kept_label_and_nothing_else_is_within_every_bound() -> None:
    card = scored([told(1)], [line("e1")])
    assert (card.recall, card.kept, card.false_alarms, card.triggers) == (1.0, 1, 0, 1)
    assert card.to_alarm_s["tilt"].max == 1.0
    assert card.broken(Bounds()) == []


@pytest.mark.parametrize(
    ("feed", "lines", "sentence"),
    [
        ([], [], "recall 0.0000"),
        ([told(1, after_s=20)], [], "1 late"),
        ([told(1), told(2, "towed", vin=HONEST)], [], "false alarms"),
        ([told(1), told(2, "towed", after_s=900)], [], "false alarms"),
        ([told(1), told(2, type="alarm.updated", event_ids=["e1"])], [], "1 duplicates"),
        ([told(1), told(2, event_ids=[])], [], "1 duplicates"),
        ([told(1), told(3, type="alarm.updated")], [], "1 lost"),
        ([told(1)], [line("e1"), line("e2")], "1 lost"),
        ([told(1)], [line("e1", receipted_at=None)], "1 lost"),
        ([told(1, after_s=900)], [], "1 late"),
        ([told(1, severity="minor")], [], "1 of another class or severity"),
        ([told(1, **TECHNICAL)], [], "1 of another class or severity"),
        ([told(1), told(2, type="alarm.updated", severity="critical")], [], "1 of another class or severity"),
        ([told(1), told(2, type="alarm.suppressed", severity="minor")], [], "1 of another class or severity"),
        ([told(1), told(2, after_s=900, alarm_id="other")], [], "false alarms"),
        ([told(None), told(None, alarm_id="")], [], "1 duplicates"),
        ([told(1, event_ids=[]), told(2, event_ids=[], alarm_id="other")], [], "1 duplicates"),
        ([told(1)], [line("e1", receipted_at=None, rejected="malformed")], "1 lost"),
    ],
    ids=[
        "missed", "late", "of-an-honest-car", "long-after", "event-twice", "raised-twice", "gap", "not-told",
        "no-receipt", "late-is-not-false", "too-light", "a-theft-called-technical",
        "later-too-heavy", "held-back-too-light",
        "anew-long-after", "unnumbered-twice",
        "raised-while-open", "rejected",
    ],
)  # fmt: skip
def test_each_broken_promise_is_told(feed: list[dict[str, Any]], lines: list[Line], sentence: str) -> None:
    (found,) = scored(feed, lines).broken(Bounds())
    assert sentence in found


def test_a_false_theft_that_is_called_technical_is_a_false_alarm_all_the_same() -> None:
    card = scored([told(1), told(2, "towed", vin=HONEST, **TECHNICAL)])
    assert (card.false_alarms, card.notes, card.misgraded) == (1, 0, 1)


@given(st.sampled_from(sorted(causes.GRADES)), st.sampled_from(["theft", "technical", "system", None]),
       st.sampled_from(["critical", "major", "minor", None]))  # fmt: skip
def test_only_the_grade_of_its_cause_will_do(cause: str, alarm_class: str, severity: str) -> None:
    right = causes.GRADES[cause]
    is_right = alarm_class in {None, right.alarm_class} and severity in {None, right.severity}
    fields: dict[str, Any] = {"class": alarm_class, "severity": severity}
    card = scored([told(1), told(2, cause, event_ids=["e2"], alarm_id="other", **fields)])
    assert card.misgraded == (not is_right)


def test_what_breaks_no_promise() -> None:
    feed = [
        told(1), told(1),
        told(2, "supervision_lost", vin=HONEST, **TECHNICAL),
        told(3, "towed", type="alarm.suppressed", state="suppressed"),
        told(None, "tilt", type="alarm.unrecorded", event_ids=["e1"]),
        told(4, type="alarm.updated", after_s=900),
        told(5, type="alarm.closed", after_s=20),
        told(6, alarm_id="other", after_s=30, event_ids=[]),
    ]  # fmt: skip
    card = scored(feed, [line("siren", cause="car_alarm")])
    assert card.broken(Bounds()) == []
    assert (card.repeats, card.notes) == (1, 1)


@pytest.mark.parametrize(
    ("ran", "sentence"),
    [
        (replace(RUN, ran_s=1), "nothing was due"),
        (replace(RUN, not_played=1), "1 scenarios were not played"),
        (replace(RUN, misread=2), "2 lines are no messages"),
    ],
)
def test_a_run_that_proves_nothing_is_no_success(ran: Run, sentence: str) -> None:
    feed = [] if ran.ran_s == 1 else [msgspec.convert(told(1), Told)]
    (found,) = score(ran, [played()], feed).broken(Bounds())
    assert sentence in found


@pytest.mark.parametrize(
    ("feed", "code"),
    [([told(1)], 0), ([told(1) | {"received_at": START_MS / 1_000 + 6}], 0), ([], 1), ([told(1), {}], 1)],
    ids=["kept", "a-time-as-number", "missed", "a-line-that-is-none"],
)
def test_the_command_scores_files(feed: list[dict[str, Any]], code: int, tmp_path: Path) -> None:
    nothing = Percentiles(0, 0, 0, 0, 0)
    report = Report(
        1, 2, "V5", rfc3339(START_MS), 3_600, Events(0, 0, 0, 0, 0, 0, 0, 0), nothing, 0, 0, {}, nothing,
        (played(),),
    )  # fmt: skip
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(report))
    (tmp_path / "soc.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, feed)))
    card = tmp_path / "card.json"
    words = ["--report", tmp_path / "run.json", "--soc", tmp_path / "soc.jsonl", "--json", card]
    assert CliRunner().invoke(cli.app, ["score", *map(str, words)]).exit_code == code
    assert msgspec.json.decode(card.read_bytes())["promises"] == 1


Feed = list[dict[str, Any]]
LABELLED = [one for one in scenarios.SCENARIOS if one.label.must]


def perfect(plays: list[Play]) -> Feed:
    """What a SOC gets of a system that keeps every label, a second after each deadline begins to run."""
    feed: Feed = []
    for play in plays:
        for promise in play.must:
            number = len(feed) + 1
            kind = "alarm.suppressed" if promise.held_back else "alarm.raised"
            at_s = datetime.fromisoformat(promise.from_at).timestamp() + 1 - START_MS / 1_000
            ids = {"alarm_id": f"a{number}", "event_ids": [f"e{number}"]}
            feed.append(told(number, promise.cause, at_s, vin=play.vin, type=kind, **ids))
    return feed


def _moved(one: dict[str, Any], by_s: float) -> dict[str, Any]:
    at_ms = datetime.fromisoformat(one["received_at"]).timestamp() * 1_000 + by_s * 1_000
    return one | {"received_at": rfc3339(round(at_ms))}


def _but(one: dict[str, Any], **data: Any) -> dict[str, Any]:
    return one | {"data": one["data"] | data}


SWAPPED = {"alarm.raised": "alarm.suppressed", "alarm.suppressed": "alarm.raised"}
# From one message and the number of a further one.
CHEATS: dict[str, Callable[[dict[str, Any], int], Feed]] = {
    "doubled": lambda one, more: [one, _but(one, sequence=more)],
    "doubled-under-another-name": lambda one, more: [one, _but(one, sequence=more, alarm_id="other")],
    "of-a-wrong-cause": lambda one, _: [_but(one, cause="unauthorised_movement")],
    "of-a-wrong-car": lambda one, _: [_but(one, vin=HONEST)],
    "lost": lambda _one, _: [],
    "too-light": lambda one, _: [_but(one, severity="minor" if one["data"]["class"] == "theft" else "none")],
    "technical": lambda one, _: [_but(one, **{"class": "system"})],
    "ten-minutes-late": lambda one, _: [_moved(one, 600)],
    "a-minute-early": lambda one, _: [_moved(one, -60)],
    "held-back-or-not": lambda one, _: [one | {"type": SWAPPED[one["type"]]}],
    "and-an-honest-car": lambda one, more: [one, _but(told(more, "hold_up", 3_000), vin=HONEST)],
    "and-something-else": lambda one, more: [
        one,
        _but(told(more, "tamper"), vin=VIN) | {"received_at": one["received_at"]},
    ],
}


@given(played=st.sampled_from(LABELLED), cheat=st.sampled_from(sorted(CHEATS)), which=st.integers(0, 99))
def test_no_way_to_cheat_goes_unnoticed(played: Scenario, cheat: str, which: int) -> None:
    plays = [scenario.bill(played, VIN, START_MS + 1_000_000)]
    honest = perfect(plays)
    place = which % len(honest)
    changed = CHEATS[cheat](honest[place], len(honest) + 1)
    run = replace(RUN, ran_s=5_000)
    for feed, is_fair in ((honest, True), ([*honest[:place], *changed, *honest[place + 1 :]], False)):
        card = score(run, plays, [msgspec.convert(one, Told) for one in feed])
        assert (card.broken(Bounds()) == []) is is_fair, card.examples
