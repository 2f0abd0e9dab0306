"""A recording run through the rules again: the same alarms, or what another configuration would change."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.domain.alarms import Alarm
from gateway.domain.signals import Acknowledge, Close
from gateway.domain.thresholds import Thresholds
from gateway.errors import StartError
from gateway.pipeline.inbox import Item
from gateway.pipeline.replay import differences
from gateway.recordings import exported, replay
from gateway.testing import START
from tests.pipeline.conftest import VIN, Rig
from tests.pipeline.test_detection import DRIVEN, THEFT, live


def run(path: Path, *thresholds: Thresholds) -> list[list[Alarm]]:
    raised: list[list[Alarm]] = [[] for _one in thresholds]
    replay(path, list(thresholds), lambda index, alarm: raised[index].append(alarm))
    return raised


def told(rig: Rig) -> list[tuple[str, str]]:
    bodies = [json.loads(message.body) for message in rig.messages if message.type == "alarm.raised"]
    return [(body["data"]["cause"], body["data"]["occurred_at"]) for body in bodies]


def same(alarms: list[Alarm]) -> list[tuple[str, str]]:
    return [(alarm.cause, alarm.occurred_at.isoformat().replace("+00:00", "Z")) for alarm in alarms]


async def test_the_facts_of_a_store_give_its_alarms_again(rig: Rig, tmp_path: Path) -> None:
    await live(rig, THEFT, 1000, 190)
    alarm_id = rig.data()[0]["alarm_id"]
    for fact in (
        Acknowledge(received_at=rig.clock.now(), alarm_id=alarm_id, by="Kim"),
        Close(received_at=rig.clock.now(), alarm_id=alarm_id, by="Kim", disposition="attempt"),
    ):
        rig.decider._inbox.put(_act(fact))
        await rig.settle()
    rig.trigger("jamming_gsm", "j2")
    await rig.settle()
    expected = told(rig)
    assert [cause for cause, _at in expected] == ["jamming_gsm", "comm_loss_after_jamming", "jamming_gsm"]
    lines = tmp_path / "facts.jsonl"
    lines.write_bytes(b"\n".join(exported(rig.store.path)))
    assert same(run(rig.store.path, Thresholds())[0]) == expected
    assert same(run(lines, Thresholds())[0]) == expected


def _act(fact: Acknowledge | Close) -> Item:
    return Item(subject=VIN, kind=type(fact).__name__.lower(), received_at=fact.received_at, fact=fact)


async def test_another_configuration_is_tried_on_what_was(rig: Rig) -> None:
    """With a longer delay nothing was armed; with a longer grace no card was missed."""
    await live(rig, DRIVEN, 1000, 130)
    now, then = run(rig.store.path, Thresholds(), Thresholds(arming_delay_s=300, driver_card_grace_s=600))
    found = [(one.added, one.alarm.cause) for one in differences(now, then)]
    assert found == [(False, "ignition_on_armed"), (False, "driver_card_missing")]


def messages(path: Path) -> Path:
    """The theft as it came by MQTT."""
    base = f"v1/vehicles/{VIN}"

    def at(seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()

    def card(seconds: float, present: bool) -> dict[str, object]:
        fields = {"event_id": f"c{seconds}", "occurred_at": at(seconds), "present": present}
        return {"at": at(seconds), "topic": f"{base}/driver-card", "payload": {**fields, "card_id": "DC-1"}}

    def state(seconds: float, ignition: str) -> dict[str, object]:
        signals = {"Vehicle.LowVoltageSystemState": ignition}
        body = json.dumps({"occurred_at": at(seconds), "signals": signals})
        return {"at": at(seconds), "topic": f"{base}/telemetry", "payload": body}

    jam = {"event_id": "j", "occurred_at": at(100), "cause": "jamming_gsm", "state": "triggered"}
    jammed = {"at": at(100), "topic": f"{base}/theft-sensor", "payload": jam}
    bad = {"at": at(400), "topic": f"{base}/theft-sensor", "payload": "no json"}
    lines = [card(0, True), state(1, "ON"), state(5, "OFF"), card(6, False), jammed, jammed, bad]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_raw_messages_go_through_decoder_and_reducer(tmp_path: Path) -> None:
    (raised,) = run(messages(tmp_path / "raw.jsonl"), Thresholds())
    assert [alarm.cause for alarm in raised] == ["jamming_gsm", "comm_loss_after_jamming", "unreadable_event"]
    assert raised[0].count == 1


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text('[gateway]\ninstance = "gw-1"\n')
    return path


def test_the_command_prints_alarms_and_differences(tmp_path: Path, configuration: Path) -> None:
    recording = messages(tmp_path / "raw.jsonl")
    other = tmp_path / "other.toml"
    other.write_text("[theft_protection]\ncomm_loss_after_jamming_s = 900\n")
    arguments = ["replay", str(recording), "--config", str(configuration)]
    plain = CliRunner().invoke(app, arguments)
    assert plain.exit_code == 0, plain.output
    assert f"{VIN}  comm_loss_after_jamming  The armed car stated jamming_gsm" in plain.stdout
    differing = CliRunner().invoke(app, [*arguments, "--against", str(other)])
    assert differing.stdout.startswith("- ")
    assert "0 more, 1 fewer; 3 now, 2 then." in differing.stdout


@pytest.mark.parametrize(
    ("text", "reason"), [("{", "line 1"), ('{"at": "2026-01-01T00:00:00Z"}', "missing required field")]
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(StartError, match=reason):
        run(path, Thresholds())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't be read"):
        run(tmp_path / "nothing", Thresholds())


def test_an_empty_recording_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert run(path, Thresholds()) == [[]]
