"""A vehicle's life, as told."""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.wire.topics import is_vin
from tests.emulator.lives import HOUR_MS, START_MS, Said, day, live, read, vehicle
from vehicle_emulator import body, fleet, life, messages
from vehicle_emulator.day import sent

EVENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
CORE = set(body.CORE)
# Of 20 cars' day. Change it only together with the behaviour it stands for.
DIGEST = "c84c3a1c82545d0b3d8362cdf90f97b84518a629a8084f20bddf1231453f2be6"


def digest() -> str:
    payloads = (one.payload for one in sent(3, 20, START_MS))
    return hashlib.sha256(b"\n".join(payloads)).hexdigest()


def trips(said: list[Said]) -> list[dict[str, Any]]:
    """The signals as a receiver knows them, after each telemetry message."""
    known: dict[str, Any] = {}
    known_by_time = []
    for one in said:
        if one.kind == messages.TELEMETRY:
            known = known | one.body["signals"] | {"at_ms": one.at_ms}
            known_by_time.append(known)
    return known_by_time


def test_the_same_seed_says_the_same_bytes_in_every_process() -> None:
    program = "from tests.emulator.test_vehicle import digest; print(digest())"
    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "99", "PYTHONPATH": "."},
    )
    assert other.stdout.decode().strip() == digest() == DIGEST


def test_another_seed_says_something_else() -> None:
    assert [one.payload for one in day(1)] != [one.payload for one in day(2)]


def test_coarser_steps_say_the_same() -> None:
    fine, coarse = vehicle(), vehicle()
    for alive in (fine, coarse):
        alive.plan(START_MS, life.begin)
    said = [one.payload for one in live(fine, START_MS + HOUR_MS)]
    assert [told.message.payload for told in coarse.step(START_MS + HOUR_MS)] == said


@pytest.mark.parametrize("index", range(6))
def test_no_trip_moves_without_its_card(index: int) -> None:
    present, moving = False, False
    for one in day(index=index):
        if one.kind == messages.DRIVER_CARD:
            present = one.body["present"]
        elif one.kind == messages.TELEMETRY:
            moving = one.body["signals"].get(body.IS_MOVING, moving)
        assert present or not moving


@pytest.mark.parametrize("index", range(6))
def test_a_moving_car_has_its_ignition_on_its_gear_in_and_its_doors_shut(index: int) -> None:
    moving = [known for known in trips(day(index=index)) if known.get(body.IS_MOVING)]
    assert moving, "half of the time on the road and never seen moving"
    for known in moving:
        assert (known[body.IGNITION], known[body.GEAR], known[body.BRAKE]) == ("ON", body.GEAR_DRIVE, False)
        assert known[body.DOOR_OPEN] is False
        assert 0.0 < known[body.SPEED] <= 135.0


@pytest.mark.parametrize("index", range(6))
def test_the_core_signals_are_repeated_within_30_s_while_the_ignition_is_on(index: int) -> None:
    said = [one for one in day(index=index) if one.kind == messages.TELEMETRY]
    for name in (body.SPEED, body.IGNITION, body.LATITUDE, body.LONGITUDE):
        told_ms, is_on = START_MS, False
        for one in said:
            if is_on:
                assert one.at_ms - told_ms <= 30_000, name
            is_on = one.body["signals"].get(body.IGNITION, "ON" if is_on else "OFF") == "ON"
            if name in one.body["signals"]:
                told_ms = one.at_ms


def test_only_changes_and_repeats_are_told() -> None:
    known: dict[str, Any] = {}
    for one in day():
        if one.kind != messages.TELEMETRY:
            continue
        signals = one.body["signals"]
        repeated = {name for name, value in signals.items() if known.get(name, ...) == value}
        tells_everything = signals.keys() >= known.keys()
        assert repeated <= CORE or tells_everything
        known.update(signals)


def test_a_driving_car_reports_every_1_to_5_s_and_a_parked_one_rarely() -> None:
    said = [one for one in day() if one.kind == messages.TELEMETRY]
    driving: list[int] = []
    parked: list[int] = []
    is_moving = False
    for earlier, later in itertools.pairwise(said):
        is_moving = earlier.body["signals"].get(body.IS_MOVING, is_moving)
        (driving if is_moving else parked).append(later.at_ms - earlier.at_ms)
    assert set(driving) <= {1_000, 2_000, 3_000, 4_000, 5_000}
    assert max(parked) > 60_000


def test_the_odometer_agrees_with_the_speed() -> None:
    known = [one for one in trips(day(hours=4.0)) if body.ODOMETER in one]
    driven_m = known[-1][body.ODOMETER] - known[0][body.ODOMETER]
    pairs = itertools.pairwise(known)
    felt_m = sum(
        later[body.SPEED] / 3.6 * (later["at_ms"] - earlier["at_ms"]) / 1_000 for earlier, later in pairs
    )
    assert driven_m > 5_000
    assert felt_m == pytest.approx(driven_m, rel=0.25)


def test_positions_stay_near_home_and_never_jump() -> None:
    known = [one for one in trips(day(hours=6.0)) if body.LATITUDE in one]
    home = vehicle().home
    for earlier, later in itertools.pairwise(known):
        moved_m = abs(later[body.LATITUDE] - earlier[body.LATITUDE]) * 111_320
        elapsed_s = max(1.0, (later["at_ms"] - earlier["at_ms"]) / 1_000)
        assert moved_m <= 40 * elapsed_s + 30
        assert abs(later[body.LATITUDE] - home[0]) < 1.0


def test_events_are_numbered_in_order_and_name_their_boot() -> None:
    events = [one for one in day() if one.kind in messages.EVENT_KINDS]
    assert [one.body["seq"] for one in events] == list(range(1, len(events) + 1))
    for one in events:
        assert one.body["event_id"].startswith(one.body["boot_id"])
        assert EVENT_ID.fullmatch(one.body["event_id"])
        assert len(one.body["boot_id"]) <= 36


def test_a_boot_has_an_id_of_its_own_even_with_the_same_seed() -> None:
    ids = []
    for start_ms in (START_MS, START_MS + 1_000):
        alive = vehicle()
        alive.power_up(start_ms)
        alive.power_up(start_ms + 60_000)
        ids += [told.message.event_id for told in alive.take_told()]
    assert len(set(ids)) == len(ids)


def test_a_birth_tells_the_connection_and_every_signal() -> None:
    alive = vehicle()
    (birth,), everything = alive.connected(START_MS), alive.everything(START_MS)
    assert birth.payload == (
        b'{"online":true,"bearer":"LTE","source":"integrated_sim","roaming":false,"at":"2026-11-18T11:06:40.000Z"}'
    )
    told = read(everything, START_MS).body["signals"]
    assert told.keys() >= {*body.CORE, *body.LOCKS, body.VOLTAGE, body.GEAR, body.HOOD_OPEN}


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (1_795_000_000_125, "2026-11-18T11:06:40.125Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (int(datetime(2028, 2, 29, tzinfo=UTC).timestamp() * 1_000), "2028-02-29T00:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert messages.rfc3339(at_ms) == text


def test_vins_are_valid_unique_and_of_no_real_maker() -> None:
    numbers = fleet.vins(5, 20_000)
    assert len(set(numbers)) == 20_000
    assert all(is_vin(number) and number.startswith("XVG") for number in numbers)


def test_a_larger_fleet_begins_with_the_smaller_one() -> None:
    assert fleet.vins(5, 100)[:10] == fleet.vins(5, 10)
    assert fleet.vins(5, 10) != fleet.vins(6, 10)
