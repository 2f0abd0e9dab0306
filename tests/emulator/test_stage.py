"""Main users, the narrator, and the cars that have been parked for long."""

from __future__ import annotations

import asyncio
import io

import msgspec
import pytest

from gateway.domain import security_code
from tests.emulator.lives import START_MS, play, read, vehicle
from vehicle_emulator import body, messages, owner
from vehicle_emulator.owner import Challenge
from vehicle_emulator.scenario import Beat, Label, Scenario
from vehicle_emulator.scenarios.leaves_yard import LEAVES_YARD
from vehicle_emulator.scenarios.towed_away import TOWED_AWAY
from vehicle_emulator.scenarios.workshop_service import WORKSHOP_SERVICE
from vehicle_emulator.stage import Stage

VIN = "XVG00000000000001"
SIX_HOURS_MS = 6 * 3_600_000


def test_the_answer_to_a_challenge_is_the_one_that_the_gateway_computes() -> None:
    asked = Challenge("ab" * 16, "salt", 1_000)
    key = security_code.key_of("1234", asked.salt, asked.rounds)
    expected = security_code.response(key, asked.challenge, "anna", VIN, "special_mode")
    assert owner.respond(asked, "1234", "anna", VIN, "special_mode") == expected
    assert owner.respond(asked, "1235", "anna", VIN, "special_mode") != expected


def test_the_story_is_told_when_it_happens() -> None:
    told: list[tuple[int, str]] = []
    done: list[int] = []
    beats = (
        Beat(1, lambda _vehicle, at_ms: done.append(at_ms), "First."),
        Beat(2, lambda _vehicle, at_ms: done.append(at_ms)),
    )
    alive = vehicle(driving_share=0.0)
    Scenario("one", "", Label(), beats).stage(alive, START_MS, lambda at_ms, text: told.append((at_ms, text)))
    alive.step(START_MS + 2_000)
    assert told == [(START_MS + 1_000, "First.")]
    assert done == [START_MS + 1_000, START_MS + 2_000]


def test_the_story_is_on_disk_at_once() -> None:
    page = io.BytesIO()
    Stage(story=page).tell(START_MS, "one", VIN, "First.")
    line = {"at": "2026-11-18T11:06:40.000Z", "scenario": "one", "vin": VIN, "text": "First."}
    assert [msgspec.json.decode(text) for text in page.getvalue().splitlines()] == [line]


@pytest.mark.parametrize("one", [LEAVES_YARD, WORKSHOP_SERVICE], ids=lambda one: one.name)
def test_without_an_api_no_mode_is_set(one: Scenario) -> None:
    assert not asyncio.run(Stage().set_scene(one, VIN, (52.0, 5.0), START_MS))
    assert asyncio.run(Stage().set_scene(TOWED_AWAY, VIN, (52.0, 5.0), START_MS))


def test_a_car_left_standing_tells_it_once_with_its_own_time() -> None:
    alive = vehicle(driving_share=0.0)
    alive.left_standing(START_MS - SIX_HOURS_MS)
    waited = (*alive.connected(START_MS), alive.everything(START_MS))
    _, left, now = (read(message, START_MS) for message in waited)
    assert left.body["signals"].keys() == set(body.CORE)
    assert left.body["signals"][body.IGNITION] == "OFF"
    assert [one.body["occurred_at"][11:13] for one in (left, now)] == ["05", "11"]
    alive.power_up(START_MS)
    cards = [told for told in alive.take_told() if told.message.kind == messages.DRIVER_CARD]
    (card,) = (read(*told) for told in cards)
    assert (card.body["present"], card.body["occurred_at"]) == (False, "2026-11-18T05:06:40.000Z")
    assert len(alive.connected(START_MS)) == 1
    alive.power_up(START_MS + 60_000)
    again = [read(*told) for told in alive.take_told() if told.message.kind == messages.DRIVER_CARD]
    assert again[0].body["occurred_at"] == "2026-11-18T11:07:40.000Z"


def test_on_the_truck_only_the_position_changes() -> None:
    _, said = play(TOWED_AWAY)
    signals = [one.body["signals"] for one in said if one.kind == messages.TELEMETRY]
    assert {one[body.IGNITION] for one in signals if body.IGNITION in one} == {"OFF"}
    assert {one[body.SPEED] for one in signals if body.SPEED in one} == {0.0}
    latitudes = [one[body.LATITUDE] for one in signals if body.LATITUDE in one]
    longitudes = [one[body.LONGITUDE] for one in signals if body.LONGITUDE in one]
    assert len(set(zip(latitudes, longitudes, strict=True))) > 12


def test_in_the_yard_the_car_stays_within_100_m_and_below_30_km_h() -> None:
    _, said = play(WORKSHOP_SERVICE)
    signals = [one.body["signals"] for one in said if one.kind == messages.TELEMETRY]
    home = vehicle().home
    assert max(one[body.SPEED] for one in signals if body.SPEED in one) < 10
    assert all(abs(one[body.LATITUDE] - home[0]) * 111_320 < 100 for one in signals if body.LATITUDE in one)
