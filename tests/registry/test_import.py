"""``fleet import``: every mistake with its line, nothing half done in silence, memory that does not grow."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.security_code import key_of
from gateway.errors import StartError
from gateway.registry import MAX_LINE_BYTES, check, entries, read_registrations

KEY = {"salt": "aa", "rounds": 1, "key": key_of("1234", "aa", 1).hex()}


def vin(number: int) -> str:
    return f"WVWZZZ1JZXW{number:06}"


def line(number: int, **more: Any) -> str:
    fields = {"main_user": f"user-{number}", "security_code_key": KEY, "driver_cards": [f"DC-{number}"]}
    return json.dumps({"vin": vin(number), **fields, **more})


def written(path: Path, lines: list[str]) -> Path:
    file = path / "fleet.jsonl"
    file.write_text("".join(f"{one}\n" for one in lines))
    return file


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{", "truncated"),
        ('{"vin": "short"}', "vin"),
        (line(2, driver_cards=[str(n) for n in range(8)]), "length <= 7"),
        (line(2, main_user="gateway-1"), "main_user"),
        (line(2, main_user=vin(9)), "must not look like a VIN"),
        (line(2, secondary_users=["user-2"]), "twice"),
        (line(2, services={"massage": {"until": "2027-01-01T00:00:00Z"}}), "massage"),
        (line(2, services={"charging": {"until": "2027-01-01T00:00:00"}}), "offset"),
        (line(2, security_code_key={"salt": "a", "rounds": 1, "key": "00"}), "32 bytes"),
        (line(2, security_code="12345"), "security_code"),
        (line(2, security_code="\u0661\u0662\u0663\u0664"), "security_code"),
        (line(1), "earlier line"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, wrong: str, reason: str) -> None:
    checked = check(written(tmp_path, [line(1), "", wrong, line(3)]))
    assert (checked.vehicles, checked.mistaken, len(checked.mistakes)) == (3, 1, 1)
    assert "line 3:" in checked.mistakes[0]
    assert reason in checked.mistakes[0]


def test_bad_bytes_and_endless_lines_are_mistakes_too(tmp_path: Path) -> None:
    file = tmp_path / "fleet.jsonl"
    file.write_bytes(b"\xff\xfe\n" + b"[" * 50_000 + b"\n")
    assert check(file).mistaken == 2
    file.write_bytes(b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(StartError, match="line 1: longer than"):
        check(file)


def test_the_hundredth_mistake_is_the_last_that_is_spelled_out(tmp_path: Path) -> None:
    checked = check(written(tmp_path, ["{"] * 150))
    assert (checked.mistaken, len(checked.mistakes)) == (150, 100)


def test_plain_codes_are_shared_out_and_come_back_in_order(tmp_path: Path) -> None:
    lines = [line(n) for n in range(50)]
    lines[7] = json.dumps({"vin": vin(7), "security_code": "1234"})
    file = written(tmp_path, lines)
    assert check(file).plain_codes == 1
    parts = list(entries(file, plain_codes=True, processes=2))
    found = [one for part in parts for one in part.registrations]
    assert [one.vin for one in found] == [vin(n) for n in range(50)]
    key = found[7].security_code_key
    assert key is not None
    assert key["key"] == key_of("1234", key["salt"], key["rounds"]).hex()
    assert sum(part.bytes_read for part in parts) == file.stat().st_size


def test_a_file_that_changed_meanwhile_stops_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, [line(n) for n in range(2500)])
    parts = entries(file)
    assert next(parts).last_line == 1000
    file.write_text("".join(f"{line(n)}\n" for n in range(1500)) + "{\n" * 1000)
    with pytest.raises(StartError, match=r"line \d+"):
        list(parts)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, [line(n) for n in range(20_000)])
    tracemalloc.start()
    try:
        check(file)
        for part in entries(file):
            assert len(part.registrations) <= 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_end_in_anything_but_a_sentence(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "fleet.jsonl"
    file.write_bytes(b"\n".join(lines))
    checked = check(file)
    if checked.mistaken == 0:
        assert len(list(read_registrations(file))) == checked.vehicles


def test_the_canary_is_no_vehicle_to_register(tmp_path: Path) -> None:
    checked = check(written(tmp_path, [line(1), line(2, vin="CANARY00000000001")]), "CANARY00000000001")
    assert checked.mistaken == 1
    assert "line 2: vin: CANARY00000000001 is the gateway's own canary" in checked.mistakes[0]
