"""What a vehicle makes of what it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.emulator.lives import HOUR_MS, START_MS, Said, live, vehicle
from vehicle_emulator import body, commands, life, messages, remote
from vehicle_emulator.rest import Habit, Rest
from vehicle_emulator.vehicle import Vehicle

MINUTE_MS = 60_000


def time(at_ms: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)).isoformat()


def order(action: str, counter: int | None = 1, **fields: Any) -> bytes:
    command: dict[str, Any] = {
        "command_id": f"c-{counter}", "action": action, "params": {}, "counter": counter, "key_id": None,
        "issued_at": time(START_MS), "expires_at": time(START_MS + MINUTE_MS), "signature": None,
    }  # fmt: skip
    return msgspec.json.encode(command | fields)


def results(said: list[Said]) -> list[tuple[Any, ...]]:
    told = [one.body for one in said if one.kind == messages.RESULT]
    return [(one["command_id"], one["status"], one.get("reason")) for one in told]


def obey(alive: Vehicle, *orders: bytes, for_ms: int = MINUTE_MS) -> list[tuple[Any, ...]]:
    for one in orders:
        assert commands.hear(alive, messages.COMMAND, one, START_MS)
    return results(live(alive, START_MS + for_ms))


def moving(alive: Vehicle) -> None:
    alive.body.set(body.SPEED, 50.0)


def door_open(alive: Vehicle) -> None:
    alive.body.set(body.DOOR_OPEN, value=True)


def electric(alive: Vehicle) -> None:
    alive.is_electric = True


def plugged(alive: Vehicle) -> None:
    alive.is_electric = True
    alive.body.set(body.IS_PLUGGED, value=True)


def burning_fuel(alive: Vehicle) -> None:
    alive.is_electric = False


def as_it_is(_alive: Vehicle) -> None:
    pass


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([order("unlock")], [("c-1", "performed", None)]),
        ([order("unlock"), order("unlock")], [("c-1", "performed", None)]),
        ([order("lock", 5), order("lock", 4)], [("c-4", "refused", "replay"), ("c-5", "performed", None)]),
        (
            [order("lock", 5), order("lock", 5, command_id="c-6")],
            [("c-6", "refused", "replay"), ("c-5", "performed", None)],
        ),
        ([order("unlock", expires_at=time(START_MS - 1))], [("c-1", "expired", None)]),
        ([order("unlock", expires_at=time(START_MS + 200))], [("c-1", "expired", None)]),
        ([order("unlock", issued_at=time(START_MS + 30_001))], [("c-1", "refused", "clock")]),
        ([order("unlock", issued_at=time(START_MS + 30_000))], [("c-1", "performed", None)]),
        ([order("sing")], [("c-1", "refused", "not_supported")]),
    ],
    ids=[
        "performed", "repeat", "counter-falls", "counter-stays", "expired", "expires-while-waking",
        "clock-slow", "clock-slow-enough", "unknown-action",
    ],
)  # fmt: skip
def test_a_command_has_one_result(orders: list[bytes], expected: list[tuple[Any, ...]]) -> None:
    assert obey(vehicle(driving_share=0.0), *orders) == expected


@pytest.mark.parametrize(
    ("action", "when", "status", "reason"),
    [
        ("unlock", moving, "refused", "vehicle_moving"),
        ("lock", moving, "performed", None),
        ("lock", door_open, "refused", "door_open"),
        ("honk_flash", moving, "performed", None),
        ("climate_start", moving, "performed", None),
        ("charge_start", plugged, "performed", None),
        ("charge_start", electric, "refused", "not_plugged"),
        ("charge_start", burning_fuel, "refused", "not_supported"),
        ("charge_stop", electric, "performed", None),
        ("block_engine_start", moving, "expired", None),
        ("block_engine_start", as_it_is, "performed", None),
        ("release_engine_start", moving, "performed", None),
    ],
)
def test_the_car_decides_last(
    action: str, when: Callable[[Vehicle], None], status: str, reason: str | None
) -> None:
    alive = vehicle(driving_share=0.0)
    when(alive)
    assert obey(alive, order(action), for_ms=2 * MINUTE_MS) == [("c-1", status, reason)]


def test_what_was_performed_shows_in_the_signals_before_the_result() -> None:
    alive = vehicle(driving_share=0.0)
    plugged(alive)
    wanted = {"unlock": body.LOCKS[0], "climate_start": body.CLIMATE, "charge_start": body.IS_CHARGING}
    for counter, action in enumerate(wanted, 1):
        assert commands.hear(alive, messages.COMMAND, order(action, counter), START_MS)
    said = live(alive, START_MS + MINUTE_MS)
    shown: dict[str, Any] = {}
    for one in said:
        if one.kind == messages.TELEMETRY:
            shown |= one.body["signals"]
        if one.kind == messages.RESULT:
            name = list(wanted.values())[int(one.body["command_id"][-1]) - 1]
            assert shown[name] is (name != body.LOCKS[0])
    changed = {body.CLIMATE: True, body.IS_PLUGGED: True, body.IS_CHARGING: True}
    assert shown == dict.fromkeys(body.LOCKS, False) | changed
    charging = [one.body for one in said if one.kind == messages.CHARGING]
    assert [(one["connected"], one["charging"]) for one in charging] == [(True, True)]


def test_a_located_car_says_where_it_is() -> None:
    alive = vehicle(driving_share=0.0)
    commands.hear(alive, messages.COMMAND, order("locate"), START_MS)
    told = [
        one.body["signals"] for one in live(alive, START_MS + MINUTE_MS) if one.kind == messages.TELEMETRY
    ]
    assert (told[-1][body.LATITUDE], told[-1][body.LONGITUDE]) == tuple(round(one, 6) for one in alive.home)


def test_the_same_answer_again_and_no_second_effect() -> None:
    alive = vehicle(driving_share=0.0)
    assert obey(alive, order("unlock")) == [("c-1", "performed", None)]
    alive.body.lock(locked=True)
    assert obey(alive, order("unlock"), for_ms=2 * MINUTE_MS) == [("c-1", "performed", None)]
    assert alive.body[body.LOCKS[0]] is True


def test_a_restart_forgets_nothing() -> None:
    alive = vehicle(driving_share=0.0)
    assert obey(alive, order("unlock", 7)) == [("c-7", "performed", None)]
    alive.power_up(START_MS + MINUTE_MS)
    alive.body.lock(locked=True)
    alive.take_told()
    again = [order("unlock", 7), order("unlock", 6)]
    expected = [("c-7", "performed", None), ("c-6", "refused", "replay")]
    assert obey(alive, *again, for_ms=2 * MINUTE_MS) == expected
    assert alive.body[body.LOCKS[0]] is True


def test_a_restart_in_the_middle_of_it_breaks_it_off() -> None:
    alive = vehicle(driving_share=0.0)
    commands.hear(alive, messages.COMMAND, order("unlock"), START_MS)
    while not any(one.acting for one in alive.orders.held):
        assert alive.next_at_ms is not None
        alive.step(alive.next_at_ms)
    alive.power_up(START_MS + 1_000)
    assert results(live(alive, START_MS + MINUTE_MS)) == [("c-1", "failed", "interrupted")]
    assert alive.body[body.LOCKS[0]] is True


def test_what_waits_outlives_a_restart() -> None:
    alive = vehicle(driving_share=0.0)
    commands.hear(alive, messages.COMMAND, order("unlock"), START_MS)
    alive.power_up(START_MS + 10)
    assert results(live(alive, START_MS + MINUTE_MS)) == [("c-1", "performed", None)]


@pytest.mark.parametrize(
    ("ahead_ms", "status", "reason"),
    [(61_000, "expired", None), (-31_000, "refused", "clock"), (1_500, "performed", None)],
    ids=["fast", "slow", "nearly-right"],
)
def test_the_vehicle_goes_by_its_own_clock(ahead_ms: int, status: str, reason: str | None) -> None:
    alive = vehicle(driving_share=0.0)
    drifted = Vehicle(alive.vin, 1, alive.home, ahead_ms=ahead_ms)
    commands.hear(drifted, messages.COMMAND, order("unlock"), START_MS)
    said = live(drifted, START_MS + MINUTE_MS)
    assert results(said) == [("c-1", status, reason)]
    stated = datetime.fromisoformat(said[-1].body["occurred_at"]).timestamp() * 1_000
    assert abs(stated - said[-1].at_ms - ahead_ms) < 1


def test_an_emulator_that_is_late_performs_nothing_late() -> None:
    alive = vehicle(driving_share=0.0)
    commands.hear(alive, messages.COMMAND, order("unlock"), START_MS)
    alive.wall_ms = START_MS + MINUTE_MS + 1
    assert results(live(alive, START_MS + MINUTE_MS)) == [("c-1", "expired", None)]


def test_a_block_waits_until_the_car_stands_and_the_next_start_feels_it() -> None:
    alive = vehicle(driving_share=0.0)
    alive.plan(START_MS - HOUR_MS, life.begin)
    live(alive, START_MS - 1)
    moving(alive)
    commands.hear(alive, messages.COMMAND, order("block_engine_start"), START_MS)
    assert results(live(alive, START_MS + 30_000)) == []
    life.stand(alive, START_MS + 30_000)
    assert results(live(alive, START_MS + MINUTE_MS)) == [("c-1", "performed", None)]
    alive.plan(START_MS + MINUTE_MS, life.set_out)
    said = live(alive, START_MS + 5 * MINUTE_MS)
    ignition = [one.body["signals"].get(body.IGNITION) for one in said if one.kind == messages.TELEMETRY]
    assert "ACC" in ignition
    assert "ON" not in ignition
    assert (alive.body[body.SPEED], alive.body[body.IGNITION], alive.journey) == (0.0, "OFF", None)


def test_a_sleeping_car_takes_seconds_and_a_woken_one_does_not() -> None:
    took_ms: dict[str, list[int]] = {"asleep": [], "woken": []}
    for index in range(30):
        alive = vehicle(index=index, driving_share=0.0)
        alive.rest.park(START_MS - HOUR_MS, asleep=True)
        for counter, name in enumerate(took_ms, 1):
            heard_ms = START_MS + counter * 30_000
            long = time(heard_ms + MINUTE_MS)
            commands.hear(alive, messages.COMMAND, order("lock", counter, expires_at=long), heard_ms)
            said = [one for one in live(alive, heard_ms + 29_000) if one.kind == messages.RESULT]
            took_ms[name].append(said[0].at_ms - heard_ms)
    assert min(took_ms["asleep"]) > 2_000
    assert max(took_ms["woken"]) < 1_500
    assert sorted(took_ms["asleep"])[15] < 10_000
    assert max(took_ms["asleep"]) < 30_000


def test_a_car_that_has_stood_for_long_goes_offline_and_comes_up_to_say_something() -> None:
    alive = vehicle(driving_share=0.0)
    alive.rest = Rest(Habit(sleep_after_s=60, offline_after_s=3_600))
    alive.plan(START_MS, life.begin)
    live(alive, START_MS + HOUR_MS - 1)
    assert not alive.is_resting
    live(alive, START_MS + 2 * HOUR_MS)
    phases = []
    for at_ms in range(START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, 10_000):
        live(alive, at_ms)
        phases.append(alive.is_resting)
    assert 0.05 < phases.count(False) / len(phases) < 0.2  # a sign of life each ten minutes
    alive.is_resting = True
    alive.trigger(START_MS + 3 * HOUR_MS, "tilt")
    assert not alive.is_resting
    live(alive, START_MS + 3 * HOUR_MS + 2 * MINUTE_MS)
    assert alive.is_resting


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"\xff", b'{"command_id":1}', b"[" * 100_000,
        order("lock", expires_at="2026-11-18T11:07:40"), order("lock", counter=None),
        order("lock", counter=-1), order("lock", command_id=""),
    ],
    ids=["nothing", "list", "bytes", "types", "deep", "no-offset", "no-counter", "negative", "no-id"],
)  # fmt: skip
def test_what_is_no_command_is_refused_quietly(payload: bytes) -> None:
    alive = vehicle(driving_share=0.0)
    assert not commands.hear(alive, messages.COMMAND, payload, START_MS)
    assert live(alive, START_MS + 60_000) == []


def test_at_most_so_many_wait() -> None:
    alive = vehicle(driving_share=0.0)
    told = obey(alive, *(order("lock", counter) for counter in range(1, remote.MAX_HELD + 3)))
    assert told[:2] == [(f"c-{remote.MAX_HELD + more}", "refused", "busy") for more in (1, 2)]
    assert [status for _, status, _ in told[2:]] == ["performed"] * remote.MAX_HELD


def test_a_package_goes_from_downloading_to_active() -> None:
    alive = vehicle(driving_share=0.0)
    assert commands.hear(alive, messages.PACKAGE, b'{"package_id":"P1","kind":"update"}', START_MS)
    said = [one.body for one in live(alive, START_MS + 60_000)]
    assert [one["state"] for one in said] == ["downloading", "downloaded", "installing", "active"]
    assert {(one["package_id"], one["kind"]) for one in said} == {("P1", "update")}
