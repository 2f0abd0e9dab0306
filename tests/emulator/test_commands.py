"""What a vehicle makes of what it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.emulator.lives import START_MS, live, vehicle
from vehicle_emulator import body, commands, messages

LATER = "2026-11-18T11:07:40Z"
PAST = "2026-11-18T11:06:39Z"


def order(action: str, counter: int = 1, expires_at: str = LATER) -> bytes:
    fields = {"command_id": f"c-{counter}", "action": action, "counter": counter, "expires_at": expires_at}
    return msgspec.json.encode(fields | {"params": {}, "key_id": None, "signature": None})


def results(*orders: bytes) -> list[tuple[Any, ...]]:
    alive = vehicle(driving_share=0.0)
    for one in orders:
        assert commands.hear(alive, messages.COMMAND, one, START_MS)
    said = [one.body for one in live(alive, START_MS + 60_000) if one.kind == messages.RESULT]
    return [(one["command_id"], one["status"], one.get("reason")) for one in said]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([order("unlock")], [("c-1", "performed", None)]),
        ([order("unlock"), order("unlock")], [("c-1", "performed", None)]),
        ([order("lock", 5), order("lock", 4)], [("c-5", "performed", None)]),
        ([order("unlock", expires_at=PAST)], [("c-1", "expired", None)]),
        ([order("sing")], [("c-1", "refused", "not_supported")]),
    ],
    ids=["performed", "repeat", "counter-falls", "expired", "unknown-action"],
)
def test_a_command_has_one_result(orders: list[bytes], expected: list[tuple[Any, ...]]) -> None:
    assert results(*orders) == expected


def test_unlock_and_climate_show_in_the_signals() -> None:
    alive = vehicle(driving_share=0.0)
    commands.hear(alive, messages.COMMAND, order("unlock", 1), START_MS)
    commands.hear(alive, messages.COMMAND, order("climate_start", 2), START_MS)
    live(alive, START_MS + 1_000)
    assert [alive.body[name] for name in (*body.LOCKS, body.CLIMATE)] == [False] * 4 + [True]


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b'{"command_id":1}', b"[" * 100_000])
def test_what_is_no_command_is_refused_quietly(payload: bytes) -> None:
    alive = vehicle(driving_share=0.0)
    assert not commands.hear(alive, messages.COMMAND, payload, START_MS)
    assert live(alive, START_MS + 60_000) == []


def test_a_package_goes_from_downloading_to_active() -> None:
    alive = vehicle(driving_share=0.0)
    assert commands.hear(alive, messages.PACKAGE, b'{"package_id":"P1","kind":"update"}', START_MS)
    said = [one.body for one in live(alive, START_MS + 60_000)]
    assert [one["state"] for one in said] == ["downloading", "downloaded", "installing", "active"]
    assert {(one["package_id"], one["kind"]) for one in said} == {("P1", "update")}
