"""Lines of the log: none is lost while there is room, and what is lost is counted."""

from __future__ import annotations

import io
import threading

import pytest

from gateway.adapters import logs
from gateway.adapters.logs import Printer


class Stuck(io.StringIO):
    """A pipe that nobody reads, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.held = threading.Event()

    def write(self, text: str) -> int:
        """Hold on."""
        self.held.set()
        self.free.wait(10)
        return super().write(text)


def test_what_was_logged_is_there_after_a_flush_in_its_order() -> None:
    file = io.StringIO()
    printer = Printer(file)
    for n in range(1_000):
        printer.msg(str(n))
    printer.flush()
    assert file.getvalue() == "".join(f"{n}\n" for n in range(1_000))


def test_lines_without_room_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_LINES", 10)
    file = Stuck()
    printer = Printer(file)
    printer.msg("first")
    assert file.held.wait(10)
    for n in range(15):
        printer.msg(str(n))
    file.free.set()
    printer.flush()
    lines = file.getvalue().splitlines()
    assert lines[:2] == ["first", "0 (5 lines before this one were dropped)"]
    assert lines[2:] == [str(n) for n in range(1, 10)]
