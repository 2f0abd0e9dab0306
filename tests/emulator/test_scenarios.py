"""The labelled stories do what their labels say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import wire
from gateway.domain.causes import BY_NAME, CAUSES
from gateway.wire import telemetry
from gateway.wire.event import Unwanted
from tests.emulator.lives import START_MS, Said, play, vehicle
from vehicle_emulator import body, causes, life, messages, scenario, scenarios
from vehicle_emulator.scenarios.battery_cut import BATTERY_CUT
from vehicle_emulator.scenarios.bundle_runs_out import BUNDLE_RUNS_OUT
from vehicle_emulator.scenarios.card_missing import CARD_MISSING
from vehicle_emulator.scenarios.glass_break import GLASS_BREAK
from vehicle_emulator.scenarios.siren_nudge import SIREN_NUDGE
from vehicle_emulator.vehicle import Vehicle


def of(said: list[Said], kind: str) -> list[dict[str, Any]]:
    return [one.body for one in said if one.kind == kind]


def test_names_are_unique_and_found() -> None:
    names = [one.name for one in scenarios.SCENARIOS]
    assert len(set(names)) == len(names)
    assert [scenarios.find(name) for name in names] == list(scenarios.SCENARIOS)


@pytest.mark.parametrize("one", scenarios.SCENARIOS, ids=lambda one: one.name)
def test_expected_alarms_are_not_forbidden(one: scenario.Scenario) -> None:
    assert not {expected.cause for expected in one.label.must if not expected.held_back} & set(
        one.label.never
    )
    assert [beat.at_s for beat in one.beats] == sorted(beat.at_s for beat in one.beats)


@pytest.mark.parametrize("one", scenarios.SCENARIOS, ids=lambda one: one.name)
def test_a_play_is_byte_identical(one: scenario.Scenario) -> None:
    assert play(one)[1] == play(one)[1]


def test_those_of_the_fleet_have_names_of_their_own() -> None:
    names = [one.scenario.name for one in scenarios.FLEET_WIDE]
    assert not {one.name for one in scenarios.SCENARIOS} & set(names)
    assert [scenarios.find_fleet_wide(name) for name in names] == list(scenarios.FLEET_WIDE)


@given(st.sampled_from(scenarios.FLEET_WIDE), st.floats(1.0, 1_000.0))
def test_a_hurried_one_is_the_same_but_for_what_is_wrong_in_between(
    wide: scenario.FleetWide, pace: float
) -> None:
    hurried = wide.hurried(pace)
    assert hurried.within_s == wide.within_s / pace
    assert hurried.scenario.label == wide.scenario.label
    usual, quick = ([beat.at_s for beat in one.scenario.beats] for one in (wide, hurried))
    assert [(one.act, one.says) for one in hurried.scenario.beats] == [
        (one.act, one.says) for one in wide.scenario.beats
    ]
    saved_s = wide.lasts_s - wide.lasts_s / pace
    assert quick == pytest.approx([usual[0], *(at_s - saved_s for at_s in usual[1:])])
    if wide.lasts_s:  # nothing that a label promises moves
        assert not wide.scenario.label.must
        assert usual[1] == wide.lasts_s


def test_the_grades_of_causes_are_the_gateway_s() -> None:
    assert {cause.name: (cause.cause_class, cause.severity) for cause in CAUSES} == causes.GRADES


EVERY = (*scenarios.SCENARIOS, *(wide.scenario for wide in scenarios.FLEET_WIDE))


@given(st.sampled_from(EVERY), st.sampled_from(EVERY), st.integers(0, 2**32), st.integers(0, 7))
def test_any_two_on_any_vehicle_are_understood_and_their_label_names_causes(
    first: scenario.Scenario, second: scenario.Scenario, seed: int, index: int
) -> None:
    both = scenario.one_after_the_other(first, second, pause_s=30)
    alive = vehicle(seed, index, driving_share=0.0)
    both.prepare(alive, START_MS)
    alive.plan(START_MS, life.begin)
    both.stage(alive, START_MS + 5_000)
    received_at = datetime.fromtimestamp(START_MS / 1_000 + 86_400, UTC)
    ids = []
    for message, _at_ms in told_until(alive, START_MS + 5_000 + round(both.length_s * 1_000)):
        if message.kind == messages.TELEMETRY:
            telemetry.decode(message.payload, received_at)
            continue
        fact = wire.decode(message.kind, message.payload, received_at)
        assert not isinstance(fact, Unwanted), message
        assert getattr(fact, "cause", None) in {None, *BY_NAME}
        ids += [message.event_id] if message.event_id else []
    assert len(set(ids)) == len(ids)
    assert {one.cause for one in both.label.must} <= BY_NAME.keys()
    assert set(both.label.never) - {scenario.ANY} <= BY_NAME.keys()


def told_until(alive: Vehicle, until_ms: int) -> Iterator[tuple[messages.Message, int]]:
    while (next_ms := alive.next_at_ms) is not None and next_ms <= until_ms:
        yield from alive.step(next_ms)


def test_glass_break_triggers_and_restores() -> None:
    _, said = play(GLASS_BREAK)
    stated = [(one["cause"], one["state"]) for one in of(said, messages.THEFT_SENSOR)]
    assert stated == [
        ("intrusion", "triggered"), ("car_alarm", "triggered"),
        ("car_alarm", "restored"), ("intrusion", "restored"),
    ]  # fmt: skip


def test_siren_nudge_ends_below_15_s() -> None:
    _, said = play(SIREN_NUDGE)
    begin, end = of(said, messages.THEFT_SENSOR)
    assert "active_for_s" not in begin
    assert (end["state"], end["active_for_s"]) == ("restored", 9)


def test_card_missing_keeps_moving_for_more_than_15_s_after_the_card_is_gone() -> None:
    _, said = play(CARD_MISSING)
    gone_ms = max(one.at_ms for one in said if one.kind == messages.DRIVER_CARD and not one.body["present"])
    assert gone_ms == START_MS + 35_000
    speeds = [
        one.body["signals"][body.SPEED]
        for one in said
        if gone_ms - 5_000 <= one.at_ms < gone_ms + 55_000 and body.SPEED in one.body.get("signals", {})
    ]
    assert min(speeds) > 3.0
    assert said[-1].body["signals"][body.IGNITION] == "OFF"


def test_card_missing_states_speed_at_least_every_30_s() -> None:
    _, said = play(CARD_MISSING)
    moments = [one.at_ms for one in said if body.SPEED in one.body.get("signals", {})]
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) <= 30_000


def test_battery_cut_falls_silent_and_counts_again_under_a_new_boot() -> None:
    alive, said = play(BATTERY_CUT)
    quiet = [one for one in said if START_MS + 8_000 < one.at_ms < START_MS + 48_000]
    assert quiet == []
    assert alive.is_on_air
    thefts = of(said, messages.THEFT_SENSOR)
    assert [(one["cause"], one["state"]) for one in thefts] == [
        ("battery_disconnect", "triggered"), ("battery_disconnect", "restored"), ("tilt", "triggered"),
    ]  # fmt: skip
    assert thefts[0]["boot_id"] != thefts[1]["boot_id"] == thefts[2]["boot_id"]
    ids = [one.body["event_id"] for one in said if "event_id" in one.body]
    assert len(set(ids)) == len(ids)


def test_bundle_runs_out_passes_both_thresholds() -> None:
    _, said = play(BUNDLE_RUNS_OUT)
    shares = [one["used_mb"] / one["total_mb"] for one in of(said, messages.DATA_BUNDLE)]
    assert shares[-4:] == [0.7, 0.82, 1.0, 1.03]
    assert of(said, messages.THEFT_SENSOR) == []


def test_the_bill_puts_the_label_on_the_clock() -> None:
    bill = scenario.bill(CARD_MISSING, "XVG", START_MS)
    assert msgspec.json.decode(msgspec.json.encode(bill)) == {
        "name": "card_missing",
        "vin": "XVG",
        "started_at": "2026-11-18T11:06:40.000Z",
        "until_at": "2026-11-18T11:11:13.000Z",
        "must": [
            {
                "cause": "driver_card_missing",
                "from_at": "2026-11-18T11:07:10.000Z",
                "by_at": "2026-11-18T11:07:28.000Z",
                "held_back": False,
            }
        ],
        "never": list(CARD_MISSING.label.never),
    }
