"""Labels against a SOC's ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.emulator.lives import START_MS
from vehicle_emulator import scenario, verdict
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.scenario import ANY, Expected, Label, Scenario
from vehicle_emulator.verdict import Heard, Verdict

VIN = "XVG00000000000001"
LABEL = Label(
    must=(Expected("tilt", within_s=3, after_s=5), Expected("intrusion", within_s=3, held_back=True)),
    never=(ANY,),
)
START_S = START_MS / 1_000
LATER_S = START_S + 60


def played(label: Label = LABEL) -> scenario.Play:
    return scenario.bill(Scenario("one", "", label, (scenario.Beat(0, lambda *_: None),)), VIN, START_MS)


def came(cause: str, after_s: float, *, held_back: bool = False, vin: str = VIN) -> Heard:
    return Heard(vin, cause, START_S + after_s, held_back)


HELD = came("intrusion", 1, held_back=True)
KEPT = "intrusion held back after 1.0 s"


@pytest.mark.parametrize(
    ("heard", "until_s", "expected"),
    [
        ([HELD, came("tilt", 5.25)], LATER_S, {"kept": ("tilt after 0.2 s", KEPT)}),
        ([HELD, came("tilt", 9)], LATER_S, {"late": ("tilt after 4.0 s",), "kept": (KEPT,)}),
        ([HELD], LATER_S, {"missed": ("tilt",), "kept": (KEPT,)}),
        ([HELD], START_S + 6, {"not_due": ("tilt",), "kept": (KEPT,)}),
        ([HELD, came("tilt", 6, held_back=True)], LATER_S, {"missed": ("tilt",), "kept": (KEPT,)}),
        (
            [HELD, came("tilt", 2), came("tilt", 6)],
            LATER_S,
            {"kept": ("tilt after 1.0 s", KEPT), "unexpected": ("tilt",)},
        ),
        (
            [came("intrusion", 1), came("tilt", 6)],
            LATER_S,
            {
                "missed": ("intrusion held back",),
                "kept": ("tilt after 1.0 s",),
                "unexpected": ("intrusion",),
            },
        ),
        (
            [HELD, came("tilt", 6), came("towed", -60), came("towed", 6, vin="XVG00000000000002")],
            LATER_S,
            {"kept": ("tilt after 1.0 s", KEPT)},
        ),
        (
            [HELD, came("tilt", 6), came("towed", 7), came("towed", 8)],
            LATER_S,
            {"kept": ("tilt after 1.0 s", KEPT), "unexpected": ("towed",)},
        ),
    ],
    ids=[
        "kept", "late", "missed", "not-due", "held-back-is-no-alarm", "too-early", "alarmed-instead",
        "of-others-and-before", "uncalled-for",
    ],
)  # fmt: skip
def test_a_label_is_held_against_what_came(
    heard: list[Heard], until_s: float, expected: dict[str, Any]
) -> None:
    found = verdict.judge(played(), heard, until_s)
    assert found == Verdict("one", VIN, **expected)
    assert found.is_broken == bool({"missed", "unexpected"} & expected.keys())


def test_a_cause_that_is_not_named_is_not_judged() -> None:
    play = played(Label(never=("tamper",)))
    assert verdict.judge(play, [came("tilt", 3)], LATER_S).sentence() == "as labelled: no alarm"
    assert verdict.judge(play, [came("tamper", 3)], LATER_S).sentence() == "UNEXPECTED: tamper"


def test_a_ledger_is_read_and_its_broken_line_left_out(tmp_path: Path) -> None:
    ledger = tmp_path / "soc.jsonl"
    assert verdict.read(ledger) == []
    data = {"vin": VIN, "cause": "tilt", "state": "open", "raised_at": rfc3339(START_MS)}
    held = data | {"state": "suppressed"}
    lines: list[Any] = [
        {"type": "alarm.raised", "data": data, "received_at": rfc3339(START_MS + 2_000)},
        {"type": "alarm.updated", "data": data},
        {"type": "alarm.suppressed", "data": held},
        {"type": "alarm.updated", "data": held | {"note": "mode_ended"}},
        {"type": "alarm.acknowledged", "data": data},
        {"type": "alarm.raised", "data": data | {"vin": None, "cause": "gateway_blind"}},
        {"type": "gateway.heartbeat", "data": {}},
    ]
    ledger.write_text("\n".join(map(json.dumps, lines)) + '\n{"type": "alarm.ra')
    again = msgspec.structs.replace(came("tilt", 0), is_new=False)
    assert verdict.read(ledger) == [came("tilt", 2), again, came("tilt", 0, held_back=True)]
    assert verdict.misread(ledger) == [len(lines) + 1]


def test_an_honest_vehicle_s_alarm_is_told() -> None:
    heard = [came("tilt", 1), came("tilt", 2), came("towed", -1), HELD]
    assert verdict.elsewhere([], heard, START_S) == (f"tilt of {VIN}",)
    assert verdict.elsewhere([played()], heard, START_S) == ()


def test_after_its_scenario_a_vehicle_is_an_honest_one_again() -> None:
    late = came("towed", 600)
    assert verdict.judge(played(), [late], LATER_S).unexpected == ()
    assert verdict.elsewhere([played()], [late], START_S) == (f"towed of {VIN}",)


def test_what_another_scenario_of_the_vehicle_calls_for_is_expected() -> None:
    quiet, heard = played(Label(never=(ANY,))), [HELD, came("tilt", 6)]
    assert verdict.judge(quiet, heard, LATER_S).unexpected == ("tilt",)
    assert verdict.judge_all([quiet, played()], heard, LATER_S)[0].unexpected == ()
