"""The seal of security-code keys: who has the store alone opens none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.seal import FileSeal, open_seal
from gateway.domain.security_code import KEY_BYTES, key_of
from gateway.errors import StartError

VIN, OTHER = "TESTZZZ99ZTS39212", "TESTZZZ99ZTS39213"


@pytest.fixture
def seal(tmp_path: Path) -> FileSeal:
    return open_seal(tmp_path / "var" / "seal.key")


def stored(code: str = "2580") -> dict[str, Any]:
    return {"salt": "s", "rounds": 1000, "key": key_of(code, "s", 1000).hex()}


def test_what_is_sealed_opens_for_its_vehicle_only(seal: FileSeal) -> None:
    sealed = seal.close(VIN, stored())
    assert stored()["key"] not in str(sealed)
    assert seal.open(VIN, sealed) == bytes.fromhex(stored()["key"])
    assert seal.open(OTHER, sealed) is None
    assert (sealed["salt"], sealed["rounds"]) == ("s", 1000)


def test_an_import_that_changes_nothing_changes_nothing(seal: FileSeal) -> None:
    once = seal.close(VIN, stored())
    assert seal.close(VIN, stored()) == once == seal.close(VIN, once)
    assert seal.close(OTHER, stored()) != once != seal.close(VIN, stored("2581"))


def test_the_key_outlives_a_restart_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    sealed = open_seal(path).close(VIN, stored())
    assert open_seal(path).open(VIN, sealed) == bytes.fromhex(stored()["key"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_another_key_file_opens_nothing(seal: FileSeal, tmp_path: Path) -> None:
    sealed = seal.close(VIN, stored())
    assert open_seal(tmp_path / "other.key").open(VIN, sealed) is None
    torn = {**sealed, "key": sealed["key"][:-8]}
    assert seal.open(VIN, torn) is None


def test_a_key_of_an_earlier_version_is_read_as_it_is(seal: FileSeal) -> None:
    assert seal.open(VIN, stored()) == bytes.fromhex(stored()["key"])
    assert len(bytes.fromhex(stored()["key"])) == KEY_BYTES


@pytest.mark.parametrize("text", ["", "zz", "00" * 32])
def test_a_bad_key_file_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seal.key"
    path.write_text(text)
    with pytest.raises(StartError, match=r"64 bytes in hex"):
        open_seal(path)
