"""Where a broker is looked for, and what is said if there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools import mosquitto
from devtools.broker import Broker
from devtools.mosquitto import HOW_TO_INSTALL, MosquittoMissingError

PROGRAM = "#!/bin/sh\necho 'mosquitto version 9.8.7'\nexit 3\n"


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a broker and without apt."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(mosquitto, "SBIN", (str(tmp_path / "sbin"),))
    monkeypatch.setattr(mosquitto, "FETCHED", tmp_path / "fetched")
    return tmp_path


def test_path_comes_first(bare_machine: Path) -> None:
    """A broker on the user's PATH is the one the user means."""
    _program(bare_machine / "sbin" / "mosquitto")
    chosen = _program(bare_machine / "bin" / "mosquitto")
    found = mosquitto.find()
    assert found is not None
    assert (found.program, found.version()) == (chosen, "9.8.7")


def test_sbin_is_searched_off_the_path(bare_machine: Path) -> None:
    """Debian puts the broker where a user's PATH does not lead."""
    program = _program(bare_machine / "sbin" / "mosquitto")
    found = mosquitto.find_or_fetch()
    assert found.program == program


def test_a_fetched_broker_is_found_again_with_its_libraries(bare_machine: Path) -> None:
    """What was unpacked earlier is used, and told where its libraries are."""
    program = _program(bare_machine / "fetched" / "usr" / "sbin" / "mosquitto")
    library = bare_machine / "fetched" / "usr" / "lib" / "libcjson.so.1"
    library.parent.mkdir()
    library.touch()
    found = mosquitto.find_or_fetch()
    assert (found.program, found.library_path) == (program, str(library.parent))
    assert found.environment["LD_LIBRARY_PATH"] == str(library.parent)


@pytest.mark.usefixtures("bare_machine")
def test_without_any_way_one_sentence_says_what_to_do() -> None:
    """No broker and no apt: the error tells how to install one."""
    with pytest.raises(MosquittoMissingError) as missing:
        mosquitto.find_or_fetch()
    assert str(missing.value) == HOW_TO_INSTALL


def test_the_shared_broker_runs(broker: Broker) -> None:
    """The fixture of other tests is up and gives the gateway's address."""
    assert broker.running
    assert broker.url().startswith("mqtt://gateway:")
