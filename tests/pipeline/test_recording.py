"""The recording: what it holds, what it never holds, and that a replay of it tells the same alarms."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters import recording_files
from gateway.adapters.recording_files import FILES, RecordingFiles
from gateway.domain.signals import Acknowledge, Close, EndMode, Registration, SetMode, TheftReport
from gateway.domain.thresholds import Thresholds
from gateway.errors import StoreError
from gateway.pipeline import recording
from gateway.pipeline.recording import RecordedActs, Recorder, RecordingSettings
from gateway.recordings import Played, replay
from tests.pipeline.conftest import CANARY, VIN, Rig
from tests.pipeline.test_detection import DRIVEN, METRES, THEFT, live
from tests.pipeline.test_replay import run, same, told


class Recorded:
    """A rig whose every message is recorded."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig, self.folder = rig, folder
        self.recorder = self.new(RecordingSettings(folder=str(folder)))

    def new(self, settings: RecordingSettings) -> Recorder:
        rig = self.rig
        self.recorder = Recorder(
            rig.store,
            RecordingFiles(self.folder, settings),
            clock=rig.clock,
            meters=rig.tally,
            log=rig.log,
            canary_vin=CANARY,
        )
        rig.ingest.on_heard = self.recorder.hear
        return self.recorder

    async def act(self, fact: Any) -> None:
        acting = asyncio.create_task(RecordedActs(self.rig.decider, self.recorder).act(VIN, fact))
        await asyncio.sleep(0)
        await self.rig.settle()
        await acting

    async def lines(self) -> list[dict[str, Any]]:
        for _ in range(3):
            await self.recorder._write()
        await self.recorder.close()
        files = sorted(self.folder.glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    async def said(self) -> list[tuple[str, Any]]:
        """Kind and payload of each message in the recording."""
        found = [one for one in await self.lines() if "topic" in one]
        return [(one["topic"].rpartition("/")[2], json.loads(one["payload"])) for one in found]


@pytest.fixture
async def recorded(rig: Rig, tmp_path: Path) -> Recorded:
    return Recorded(rig, tmp_path / "recording")


def played(folder: Path) -> Played:
    return replay(folder, [Thresholds()], lambda _index, _alarm: None)


@pytest.mark.parametrize("story", [THEFT, DRIVEN], ids=["jammed", "driven off"])
async def test_a_replay_of_what_was_recorded_tells_the_same(recorded: Recorded, story: Any) -> None:
    await live(recorded.rig, story, 1000, 300)
    recorded.rig.trigger("intrusion", "last")
    await recorded.rig.settle()
    await recorded.lines()
    assert same(run(recorded.folder, Thresholds())[0]) == told(recorded.rig)
    assert len(told(recorded.rig)) >= 3


async def test_what_people_do_is_part_of_it(recorded: Recorded) -> None:
    """A mode holds back, an alarm is closed and comes again, listed cards count: all as it was."""
    rig = recorded.rig
    await rig.store.register([Registration(vin=VIN, driver_cards=("DC-9",), main_user="anna")])
    rig.decider.on_modes, rig.decider.on_watched = rig.timers.pin, rig.intake.watch
    now = rig.clock.now
    mode = {"mode": "workshop", "by": "Kim", "role": "operator"}
    rig.card("c0", True)  # not a card that counts
    rig.telemetry(Speed=20, LowVoltageSystemState="ON", Latitude=52.1, Longitude=4.3)
    await rig.wait(40)
    alarm_id = rig.data()[0]["alarm_id"]
    await recorded.act(Acknowledge(received_at=now(), alarm_id=alarm_id, by="Kim"))
    await recorded.act(Close(received_at=now(), alarm_id=alarm_id, by="Kim", disposition="user_error_card"))
    await recorded.act(SetMode(received_at=now(), reason="r", duration_s=3600, **mode))  # type: ignore[arg-type]
    rig.trigger("tilt", "t1")
    await rig.wait(20)
    for number in range(3):
        rig.telemetry(Speed=20, Latitude=52.11 + number * METRES, Longitude=4.3)
        await rig.wait(6)
    await recorded.act(EndMode(received_at=now(), **mode))  # type: ignore[arg-type]
    rig.trigger("intrusion", "t2")
    await rig.settle()
    await recorded.act(TheftReport(received_at=now(), by="Anna Smith", role="main_user", note="by the lake"))
    texts = json.dumps(await recorded.lines())
    assert not [text for text in ("Kim", "Anna", "lake") if text in texts]
    alarms = run(recorded.folder, Thresholds())[0]
    live_ones = [
        (message.type, data["cause"])
        for message, data in zip(rig.messages, rig.data(), strict=True)
        if message.type in {"alarm.raised", "alarm.suppressed"}
    ]
    assert [
        ("alarm.suppressed" if one.suppressed_by else "alarm.raised", one.cause) for one in alarms
    ] == live_ones
    assert {"driver_card_missing", "tilt", "left_workshop", "manual_report"} <= {
        cause for _, cause in live_ones
    }


async def test_the_registry_gives_the_rules_cards_and_nothing_of_a_person(recorded: Recorded) -> None:
    rig = recorded.rig
    key = {"salt": "aa", "rounds": 2, "key": "bb"}
    await rig.store.register(
        [Registration(vin=VIN, driver_cards=("DC-1",), main_user="anna", security_code_key=key)]
    )
    rig.trigger("tilt", "t")
    lines = await recorded.lines()
    assert [line["fact"]["registration"] for line in lines if "fact" in line] == [
        {"vin": VIN, "driver_cards": ["DC-1"]}
    ]


async def test_telemetry_of_a_private_drive_is_not_recorded_and_its_events_are(recorded: Recorded) -> None:
    rig = recorded.rig

    def private(event_id: str, on: bool, ago_s: float = 0) -> None:
        at = rig.clock.now() - timedelta(seconds=ago_s)
        rig.send("mode", {"event_id": event_id, "occurred_at": at, "private_mode": on})

    rig.telemetry(Speed=1)
    await recorded.recorder._write()
    private("m1", True)
    rig.telemetry(Speed=2)
    private("m0", False, 60)
    rig.telemetry(Speed=3)
    rig.trigger("tilt", "t")
    await rig.wait(1)
    private("m2", False)
    rig.telemetry(Speed=4)
    said = await recorded.said()
    assert [kind for kind, _ in said] == ["telemetry", "mode", "mode", "theft-sensor", "mode", "telemetry"]
    assert [body["signals"]["Vehicle.Speed"] for kind, body in said if kind == "telemetry"] == [1, 4]


@pytest.mark.parametrize("known", [True, False])
async def test_private_mode_is_remembered_across_a_restart(recorded: Recorded, known: bool) -> None:
    """What the store knows is read first; while it can't be read nothing is recorded, and nothing is lost."""
    rig = recorded.rig
    rig.send("mode", {"event_id": "m", "occurred_at": rig.clock.now(), "private_mode": True})
    await rig.settle()
    recorder = recorded.new(RecordingSettings())
    rig.telemetry(Speed=2)
    if not known:
        recorder._store = _Failing()  # type: ignore[assignment]  # it answers nothing
        recorder._clock.mono_s()
        await recorder._write()
        recorder._store = rig.store
    rig.trigger("tilt", "t")
    assert [kind for kind, _ in await recorded.said()] == ["theft-sensor"]


class _Failing:
    async def registry_version(self) -> int:
        raise StoreError("locked")


async def test_neither_the_canary_nor_our_own_topics_are_recorded(recorded: Recorded) -> None:
    recorded.rig.trigger("tilt", "t", vin=CANARY)
    recorded.rig.send("tilt", {}, vin="nobody")
    assert await recorded.said() == []


async def test_bytes_that_are_no_text_come_back_as_they_were(recorded: Recorded) -> None:
    for payload in (b"\xff\xfe{", b'"text"', b'{"a":\n1}', b""):
        recorded.rig.send("theft-sensor", payload)
    await recorded.lines()
    (raised,) = run(recorded.folder, Thresholds())
    await recorded.rig.settle()
    assert [one.evidence for one in raised] == [
        one.evidence for one in raised if one.cause == "unreadable_event"
    ]
    shas = {text.text for one in raised for text in one.evidence}
    live_texts = {text["text"] for one in recorded.rig.data()[:1] for text in one["evidence"]}
    assert live_texts <= shas


async def test_when_the_line_is_full_the_rest_is_left_out_and_counted(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_WAITING", 3)
    for number in range(5):
        recorded.rig.telemetry(Speed=number)
    assert recorded.rig.tally.totals["gateway_recording_lost_total"] == 2
    assert "recording.lost" in recorded.rig.log.events
    lines = await recorded.lines()
    assert [line["lost"] for line in lines if "lost" in line] == [2]
    assert played(recorded.folder).lost == 2


async def test_a_disk_that_is_full_costs_the_recording_only(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = recorded.rig

    def full(*_arguments: Any) -> bool:
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recorded.recorder._files, "append", full)
        rig.trigger("tilt", "t1")
        await recorded.recorder._write()
        await rig.settle()
    assert recorded.recorder.failing
    assert [one["cause"] for one in rig.data()] == ["tilt"]
    rig.trigger("tilt", "t2")
    assert [line.get("lost") for line in await recorded.lines() if "lost" in line] == [1]
    assert not recorded.recorder.failing


async def test_the_store_keeps_its_room_on_the_disk(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_files, "LEAVE_FREE_BYTES", 1 << 62)
    recorded.rig.trigger("tilt", "t1")
    await recorded.recorder._write()
    assert recorded.recorder.failing
    assert not list(recorded.folder.glob("*"))


async def test_files_are_bounded_closed_to_others_and_the_oldest_go_first(recorded: Recorded) -> None:
    settings = RecordingSettings(max_bytes=1_000_000)
    recorder, rig = recorded.new(settings), recorded.rig
    for number in range(400):
        rig.send("theft-sensor", {"event_id": f"e{number}", "detail": "x" * 8000})
        await recorder._write()
        rig.clock.advance(1)
    files = sorted(recorded.folder.glob("*.jsonl"))
    assert sum(file.stat().st_size for file in files) <= settings.max_bytes
    assert FILES // 2 <= len(files) <= FILES
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert recorded.folder.stat().st_mode & 0o777 == 0o700
    assert b'"e399"'.replace(b'"', b'\\"') in files[-1].read_bytes()
    rig.clock.advance(8 * 86_400)
    rig.trigger("tilt", "t")
    await recorded.lines()
    assert len(list(recorded.folder.glob("*.jsonl"))) == 1, "the rest is older than seven days"


async def test_a_line_that_a_kill_has_cut_is_left_out(recorded: Recorded) -> None:
    recorded.rig.trigger("tilt", "t1")
    await recorded.lines()
    (file,) = recorded.folder.glob("*.jsonl")
    with file.open("ab") as more:
        more.write(b'{"at":"2026-11-22T09:30:00Z","topic":"v1/vehi')
    (raised,) = run(recorded.folder, Thresholds())
    assert [one.cause for one in raised] == ["tilt"]
