"""Files that can't be written or read: a sentence, and a run that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from vehicle_emulator import files
from vehicle_emulator.files import Outputs
from vehicle_emulator.report import Line

FULL = Path("/dev/full")


@pytest.mark.parametrize("size", [10, 100_000], ids=["noticed-at-the-end", "noticed-on-the-way"])
def test_a_full_disk_is_told_and_stops_nothing(size: int, tmp_path: Path) -> None:
    with Outputs() as written:
        full, good = written.open(FULL), written.open(tmp_path / "good")
        assert full is not None
        assert good is not None
        for _ in range(3):
            full.write(b"x" * size)
            assert good.write(b"line\n")
        assert full.write(b"x") is (size == 10)
        full.flush()
        assert not full.write(b"x")
    (complaint,) = written.complaints
    assert complaint == "/dev/full is not complete: No space left on device"
    assert (tmp_path / "good").read_bytes() == b"line\n" * 3
    with Outputs() as none:
        assert none.open(None) is None
    assert none.complaints == ()


def test_what_can_not_be_written_is_known_before(tmp_path: Path) -> None:
    stands = tmp_path / "stands"
    stands.write_bytes(b"before")
    files.check(None, stands, tmp_path / "new")
    assert stands.read_bytes() == b"before"
    for path in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(typer.BadParameter, match=str(path)):
            files.check(path)
        with Outputs() as written, pytest.raises(typer.BadParameter, match=str(path)):
            written.open(path)
    with pytest.raises(typer.Exit):
        files.write_json(FULL, {})


@pytest.mark.parametrize("text", ["", "[1]", '{"vin": 1}', "[" * 100_000, "\udcff"])
def test_what_is_no_such_json_is_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes((text + "\n").encode(errors="surrogateescape"))
    with pytest.raises(typer.BadParameter, match=r"in\.json"):
        files.read_json(path, dict[str, str], "--in")
    with pytest.raises(typer.BadParameter, match=r"in\.json, line 1"):
        files.read_json_lines(path, Line, "--in")
    with pytest.raises(typer.BadParameter, match="No such file"):
        files.read_json(tmp_path / "none", Line, "--in")
