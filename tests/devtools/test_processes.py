"""Programs that end when they are told, and with the one that started them."""

from __future__ import annotations

import signal
from pathlib import Path

from devtools.processes import Process

STUBBORN = 'trap "" TERM; while :; do sleep 0.05; done'


def test_exit_code_of_a_finished_program(tmp_path: Path) -> None:
    """A program that ended by itself is not running and tells how it ended; its output is in the log."""
    log = tmp_path / "log"
    program = Process("/bin/sh", "-c", "echo hello; exit 3", log=log)
    while program.running:
        pass
    assert (program.exit_code(), log.read_text()) == (3, "hello\n")


def test_end_is_polite(tmp_path: Path) -> None:
    """SIGTERM is enough for a program that listens."""
    assert Process("/bin/sleep", "60", log=tmp_path / "log").end() == -signal.SIGTERM


def test_end_insists(tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed after the time it was given."""
    program = Process("/bin/sh", "-c", STUBBORN, log=tmp_path / "log")
    assert program.end(patience_s=0.2) in {-signal.SIGKILL, -signal.SIGTERM}


def test_end_wakes_a_frozen_program(tmp_path: Path) -> None:
    """A stopped process ends too, and at once."""
    program = Process("/bin/sleep", "60", log=tmp_path / "log")
    program.send(signal.SIGSTOP)
    assert program.running
    assert program.end() == -signal.SIGTERM
